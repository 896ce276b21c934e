"""Tables from the EXIF of photos, tags written by Pillow; and the street photos of OpenSfM."""

import csv
import json
import logging
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from folders import settings
from PIL import Image

from gcsa.config import load_config
from gcsa.datasets.folder.describe import DESC_FN, describe
from gcsa.datasets.folder.exif import Pose, _of_gps, read_pose, true_north
from gcsa.datasets.folder.from_exif import from_exif
from gcsa.datasets.folder.images import read_images
from gcsa.errors import InputError
from gcsa.evaluate import evaluate
from gcsa.locate.answers import locate, summary
from gcsa.locate.folders import of_folder
from gcsa.pairs_from_poses import Settings, pairs_from_poses
from gcsa.scoring.report import show

DATA = Path(__file__).parents[3] / "shared" / "data"
LUND = {1: "N", 2: (55.0, 41.0, 53.4012), 3: "E", 4: (13.0, 11.0, 43.4004)}
# 55 + 41/60 + 53.4012/3600 and 13 + 11/60 + 43.4004/3600.
LAT, LON = 55.698167, 13.195389


def photo(path, gps=None, description=None, size=(8, 6), taken=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if gps:
        exif[0x8825] = gps
    if taken:
        exif[0x8769] = taken
    if description is not None:
        text = description if isinstance(description, str) else json.dumps(description)
        exif[0x010E] = text
    Image.new("RGB", size, "grey").save(path, exif=exif)
    return path


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def pose(tmp_path, *content):
    found = read_pose(photo(tmp_path / "p.jpg", *content))
    return [found.lat, found.lon, found.alt, found.heading]


MAPILLARY = {
    "MAPLatitude": -33.9,
    "MAPLongitude": 18.4,
    "MAPAltitude": 7.5,
    "MAPCompassHeading": {"TrueHeading": 179.2156, "MagneticHeading": 85.97},
}
NAN = np.nan


@pytest.mark.parametrize(
    ("gps", "description", "expected"),
    [
        (LUND, None, [LAT, LON, NAN, NAN]),
        ({**LUND, 1: "S", 3: "W"}, None, [-LAT, -LON, NAN, NAN]),
        ({**LUND, 1: "s", 3: "W "}, None, [-LAT, -LON, NAN, NAN]),
        ({**LUND, 5: b"\0", 6: 37.5, 16: "T", 17: 359.9}, None, [LAT, LON, 37.5, 359.9]),
        ({**LUND, 5: b"\1", 6: 37.5, 17: 360.0}, None, [LAT, LON, -37.5, 0]),
        ({**LUND, 17: 1000.0}, None, [LAT, LON, NAN, NAN]),
        ({16: "M", 17: 12.0}, None, [NAN, NAN, NAN, 12]),
        ({2: LUND[2], 4: LUND[4]}, None, [NAN] * 4),  # no halves of the globe
        ({**LUND, 2: (0.0, 0.0, 0.0), 4: (0.0, 0.0, 0.0)}, None, [NAN] * 4),  # no fix
        ({**LUND, 2: (95.0, 0.0, 0.0)}, None, [NAN] * 4),
        (None, None, [NAN] * 4),
        (None, MAPILLARY, [-33.9, 18.4, 7.5, 179.2156]),
        ({**LUND, 6: 1.0}, MAPILLARY, [LAT, LON, 1, 179.2156]),
        ({17: 5.0}, MAPILLARY, [-33.9, 18.4, 7.5, 5]),
        (None, {"MAPLatitude": "x", "MAPLongitude": 1, "MAPCompassHeading": 3}, [NAN] * 4),
        (None, "a street", [NAN] * 4),
        (None, "[1]", [NAN] * 4),
    ],
)
def test_a_pose(tmp_path, gps, description, expected):
    np.testing.assert_allclose(pose(tmp_path, gps, description), expected, rtol=1e-9)


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, -1), (-1, 1, 1), (1, -1, 1), (1, 1, -1)])
@pytest.mark.parametrize(("ns", "north"), [("N", 1), ("S", -1)])
@pytest.mark.parametrize(("ew", "east"), [("E", 1), ("W", -1)])
def test_the_letter_tells_the_half(signs, ns, north, ew, east):
    """Degrees that carry a sign and the letter too, as some phones write them (SRATIONAL)."""
    lat, lon = (
        tuple(sign * part for sign, part in zip(signs, parts, strict=True))
        for parts in ((36.0, 48.0, 14.5), (122.0, 25.0, 9.0))
    )
    found = _of_gps({1: ns, 2: lat, 3: ew, 4: lon})
    # 36 + 48/60 + 14.5/3600 and 122 + 25/60 + 9/3600
    assert (found.lat, found.lon) == pytest.approx((north * 36.8040278, east * 122.4191667))


@pytest.mark.parametrize(
    ("gps", "metres"),
    [
        ({**LUND, 31: 4.75}, 4.75),  # GPSHPositioningError
        ({**LUND, 31: 4.75, 11: 9.0}, 4.75),
        ({**LUND, 11: 1.4}, 7.0),  # GPSDOP: 5 m of error in the ranges, times 1.4
        ({**LUND, 31: 0.0, 11: 2.0}, 10.0),  # 0: not known
        ({**LUND, 31: 0.0}, NAN),
        (LUND, NAN),
        ({31: 4.75}, NAN),  # an accuracy of nothing
    ],
)
def test_how_sure_a_device_is(tmp_path, gps, metres):
    found = read_pose(photo(tmp_path / "p.jpg", gps)).accuracy
    assert found == pytest.approx(metres, nan_ok=True)


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ({0x9003: "2021:06:30 23:59:58"}, "2021-06-30T23:59:58"),
        ({0x9003: "2021:06:30 23:59:58", 0x9011: "+02:00"}, "2021-06-30T23:59:58+02:00"),
        ({0x9003: "2021:06:30 23:59:58", 0x9011: "   :  "}, "2021-06-30T23:59:58"),
        ({0x9003: "0000:00:00 00:00:00"}, ""),
        ({0x9003: "yesterday"}, ""),
        ({0x9011: "+02:00"}, ""),
        (None, ""),
    ],
)
def test_when_a_photo_was_taken(tmp_path, taken, expected):
    assert read_pose(photo(tmp_path / "p.jpg", LUND, taken=taken)).captured_at == expected


class Field:
    """Stands for pygeomag: a model of five years whose declination tells how it was asked."""

    def __init__(self, base_year):
        if not 2010 <= base_year.year < 2030:
            raise ValueError("no coefficients")
        self.base = base_year.year

    def calculate(self, glat, glon, alt, time):
        if not self.base <= time < self.base + 5:
            raise ValueError("Time extends beyond model 5-year life span")
        return SimpleNamespace(d=glat / 10 + self.base - 2000)


def test_magnetic_north(monkeypatch):
    needle = Pose(50.0, 8.0, heading=350.0, magnetic=True, captured_at="2019-12-31T10:00:00")
    poses = [
        needle,
        replace(needle, captured_at="2020-01-01T10:00:00+02:00"),
        replace(needle, magnetic=False),
        replace(needle, lat=NAN, lon=NAN),
        replace(needle, captured_at=""),
        replace(needle, captured_at="1999-01-01T00:00:00"),
    ]
    monkeypatch.setitem(sys.modules, "pygeomag", None)  # not installed
    assert true_north(poses) == poses
    monkeypatch.setitem(sys.modules, "pygeomag", SimpleNamespace(GeoMag=Field))
    turned = true_north(poses)
    # 5 degrees by latitude, 15 or 20 by the epoch: 350 + 20 and 350 + 25, past north.
    assert turned[0] == replace(needle, heading=10.0, magnetic=False)
    assert turned[1].heading == 15.0
    assert turned[2].heading == 350.0 and turned[3:5] == poses[3:5] == turned[3:5]
    assert turned[5].magnetic and turned[5].heading == 350.0, "no model of its years"


def test_the_declination_of_noaa(tmp_path):
    """WMM2020's own test values (NOAA): 80 N, 0 E, 0 km in 2020.0 has -1.28 degrees."""
    pytest.importorskip("pygeomag")
    north = {**LUND, 2: (80.0, 0.0, 0.0), 4: (0.0, 0.0, 0.0), 16: "M", 17: 1.0}
    pose = read_pose(photo(tmp_path / "p.jpg", north, taken={0x9003: "2020:01:01 00:00:00"}))
    (turned,) = true_north([pose])
    assert turned.heading == pytest.approx((1 - 1.28) % 360, abs=0.01) and not turned.magnetic


def test_unknown_rationals(tmp_path):
    """0 / 0, as cameras write it."""
    path = photo(tmp_path / "p.jpg", {**LUND, 17: 1.0})
    content = path.read_bytes()
    assert content.count(b"\0\0\0\1\0\0\0\1") == 1  # the heading, 1 / 1
    path.write_bytes(content.replace(b"\0\0\0\1\0\0\0\1", b"\0" * 8))
    found = read_pose(path)
    assert found.lat == pytest.approx(LAT) and np.isnan(found.heading)


def test_a_table(tmp_path, caplog):
    photo(tmp_path / "s" / "b.JPG", {**LUND, 6: 10.126, 16: "M", 17: 7.0})
    photo(tmp_path / "s" / "a.png")
    photo(tmp_path / "s" / "sub" / "c.jpg", LUND)
    (tmp_path / "s" / "notes.txt").write_text("no photo")
    with caplog.at_level(logging.INFO):
        path = from_exif(tmp_path / "s", query_every=2)
    assert path == tmp_path / "s" / "images.csv"
    assert "3 images, 2 with a position, 1 with a heading" in caplog.text
    assert "1 headings are from magnetic north" in caplog.text
    listed = rows(path)
    assert [r["name"] for r in listed] == ["a.png", "b.JPG", "sub/c.jpg"]
    assert [r["split"] for r in listed] == ["database", "query", "database"]
    columns = "name lat lon heading gps_lat gps_lon gps_accuracy captured_at split".split()
    assert listed[0] == {**dict.fromkeys(columns, ""), "name": "a.png", "split": "database"}
    assert (float(listed[1]["lat"]), listed[1]["heading"]) == (pytest.approx(LAT, abs=1e-8), "7.0")
    assert all(r["gps_lat"] == r["lat"] and r["gps_lon"] == r["lon"] for r in listed)
    before = path.read_text()
    with pytest.raises(InputError, match="images.csv: exists; --force replaces it"):
        from_exif(tmp_path / "s")
    assert path.read_text() == before
    from_exif(tmp_path / "s" / "sub", tmp_path / "s" / "images.csv", altitude=True, force=True)
    listed = rows(path)
    assert [r["name"] for r in listed] == ["sub/c.jpg"] and "split" not in listed[0]
    assert listed[0]["alt"] == "" and len(read_images(path)) == 1


def test_no_photo_is_left_out_in_silence(tmp_path, caplog):
    folder = tmp_path / "photos"
    photo(folder / "1.JPG", LUND)
    photo(tmp_path / "disk" / "deep" / "3.jpg", LUND)
    (folder / "linked").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "deep" / "back").symlink_to(tmp_path / "disk")
    for name in ("2.HEIC", "4.heic", "5.dng", "._1.JPG", "._2.HEIC", "notes.txt"):
        (folder / name).write_bytes(b"\0\5\x16\7")
    with caplog.at_level("INFO"):
        found = [row["name"] for row in rows(from_exif(folder))]
    assert found == ["1.JPG", "linked/deep/3.jpg"]
    assert "photos of other kinds passed over: 1 .dng, 2 .heic; convert them" in caplog.text
    assert "2 files ._* of macOS passed over" in caplog.text
    assert "back: a link to a folder above it, not followed" in caplog.text
    (folder / "1.JPG").unlink()
    (folder / "linked").unlink()
    with pytest.raises(InputError, match="no images .*; 1 .dng, 2 .heic: convert them to .jpg"):
        from_exif(folder, force=True)


def test_mistakes(tmp_path):
    with pytest.raises(FileNotFoundError, match="none: no such folder of images"):
        from_exif(tmp_path / "none")
    with pytest.raises(InputError, match="no images .*jpg"):
        from_exif(tmp_path)
    photo(tmp_path / "s" / "a.jpg")
    with pytest.raises(InputError, match="--output: .*names of images are relative to the table"):
        from_exif(tmp_path / "s", tmp_path / "t" / "images.csv")
    with pytest.raises(InputError, match="--query_every: 2, but there are only 1 images"):
        from_exif(tmp_path / "s", query_every=2)
    with pytest.raises(InputError, match="--query_every: 1 leaves no database"):
        from_exif(tmp_path / "s", query_every=1)
    (tmp_path / "s" / "b.jpg").write_text("no image")
    with pytest.raises(InputError, match="b.jpg: .*; expected an image that can be read"):
        from_exif(tmp_path / "s")


def degrees(value):
    whole = int(value)
    return float(whole), float(int(value % 1 * 60)), round(value % 1 * 60 % 1 * 60, 6)


def with_exif(source, target):
    """Copies of OpenSfM's photos, their pixels as they are, with the GPS tags of meta.csv."""
    target.mkdir(parents=True)
    for row in rows(source / "meta.csv"):
        lat, lon, heading = (float(row[k]) for k in ("lat", "lon", "true_heading_deg"))
        gps = {1: "N", 2: degrees(lat), 3: "E", 4: degrees(lon), 16: "T", 17: heading}
        exif = Image.Exif()
        exif[0x8825] = gps
        tags, content = exif.tobytes(), (source / row["file"]).read_bytes()
        segment = b"\xff\xe1" + (len(tags) + 2).to_bytes(2, "big") + tags
        (target / row["file"]).write_bytes(content[:2] + segment + content[2:])


@pytest.mark.parametrize(("place", "count"), [("lund", 29), ("berlin", 3)])
def test_the_street_photos_of_opensfm(tmp_path, place, count):
    source = DATA / f"opensfm_{place}"
    if not source.is_dir():
        pytest.skip(f"the photos of OpenSfM's data/{place} are not here")
    with_exif(source, tmp_path / place / "images")
    every = 4 if place == "lund" else 0
    path = from_exif(tmp_path / place / "images", tmp_path / place / "images.csv", every)
    wanted, images = rows(source / "meta.csv"), read_images(path)
    assert images.names.tolist() == [f"images/{r['file']}" for r in wanted]
    for key, column in (("lat", "lat"), ("lon", "lon")):
        found = [float(r[column]) for r in rows(path)]
        np.testing.assert_allclose(found, [float(r[key]) for r in wanted], atol=1e-7)
    expected = np.deg2rad([float(r["true_heading_deg"]) for r in wanted])
    np.testing.assert_allclose(images.headings, expected, atol=1e-4)
    pyproj = pytest.importorskip("pyproj")
    ends = [float(wanted[i][k]) for i in (0, -1) for k in ("lon", "lat")]
    metres = pyproj.Geod(ellps="WGS84").inv(*ends)[2]
    measured = np.linalg.norm(images.positions[0] - images.positions[-1])
    assert measured == pytest.approx(metres, abs=0.02)
    describe(tmp_path / place, tmp_path / "outputs" / "folder" / place / DESC_FN)
    own = {**settings(tmp_path), "data.desc_fn": DESC_FN, "data.val_scenes": f"[{place}]"}
    config = load_config(None, [f"{k}={v}" for k, v in own.items()])
    result = evaluate(config)
    assert result["counts"]["queries"] == (7 if every else 3)
    if place == "lund":
        text = (Path(__file__).parents[2] / "docs" / "own_data.md").read_text()
        assert show(result) in text and path.read_text()[:200] in text
        out = str(tmp_path / "pairs.txt")
        pairs_from_poses(config, out, settings=Settings(num=3))
        lines = Path(out).read_text().splitlines()
        assert len(lines) == 66 and "\n".join(lines[:3]) in text
        own = of_folder(config, tmp_path / place)
        assert f"where.html: {summary(locate(own))}" in text
        off = ["data.query_gps=false"]
        assert f"looks.html: {summary(locate(own, overrides=off))}" in text


def test_the_command_line(tmp_path):
    photo(tmp_path / "a.jpg", LUND)
    command = [sys.executable, "-m", "gcsa.folder.from_exif", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "1 images, 1 with a position" in done.stderr
    shutil.rmtree(tmp_path)
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("error: ")
