"""Folders of '@' names: what names say, in one zone, and the figures that follow."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from conftest import SMALL, overrides
from hypothesis import given
from hypothesis import strategies as st
from worlds import write_world

from gcsa.config import load_config
from gcsa.datasets.placed import How
from gcsa.datasets.readers import reader
from gcsa.datasets.utm.names import letter_of, name_of, read_names
from gcsa.datasets.utm.scene import read_scene
from gcsa.errors import InputError, MissingFileError
from gcsa.evaluate import evaluate
from gcsa.export import export
from gcsa.sideinfo.geodesy import distance
from gcsa.sideinfo.utm import to_utm

# As VPR-datasets-downloader writes them.
PITTS = (
    "@0585001.23@4476998.70@17@T@040.44000@-79.99600@000123@05@075@030@@@20140611_101112@note@.jpg"
)
NUMBERS = st.floats(-180, 180)
WORDS = st.text(st.characters(codec="ascii", exclude_characters="@/\\\n\r\0"), max_size=8)


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_a_whole_name_says_what_its_fields_say():
    named = read_names([f"sub/{PITTS}"], "here")
    assert named.positions.tolist() == [[585001.23, 4476998.70]]
    assert (named.zones[0], named.south[0]) == (17, False)
    assert named.degrees.tolist() == [[40.44, -79.996]]
    assert np.rad2deg(named.headings[0]) == pytest.approx(75)
    assert pd.Timestamp(named.times[0], unit="s") == pd.Timestamp("2014-06-11 10:11:12")
    assert (named.panoramas[0], named.tiles[0]) == ("000123", 5)


def test_a_short_name_says_its_position_alone():
    named = read_names(["@0@26000@0013@new@.jpg", "@-12.5@7@anything at all@.png", "a@b.jpg"], "")
    assert named.positions[:2].tolist() == [[0, 26000], [-12.5, 7]]
    assert np.isnan(named.positions[2]).all() and np.isnan(named.headings).all()
    assert not named.zones.any()


@given(
    st.floats(0, 9_999_999),
    st.floats(-999_999, 9_999_999),
    st.integers(1, 60),
    st.integers(-8_000_000, 8_400_000).map(lambda n: n / 1e5),
    NUMBERS,
    st.one_of(st.none(), st.floats(0, 360)),
    WORDS,
    WORDS,
    st.one_of(st.none(), st.integers(0, 99)),
)
def test_names_are_read_as_written(east, north, zone, lat, lon, heading, pano, note, tile):
    turned = np.nan if heading is None else heading
    zones = f"{zone:02d}", letter_of(lat)
    name = name_of((east, north), zones, (lat, lon), pano, tile, turned, note)
    assert name.count("@") == 15
    named = read_names([name], "here")
    assert np.abs(named.positions[0] - (east, north)).max() <= 0.00501
    assert named.zones[0] == zone and named.south[0] == (lat < 0)
    assert np.abs(named.degrees[0] - (lat, lon)).max() <= 0.0000051
    off = np.angle(np.exp(1j * (named.headings[0] - np.deg2rad(turned))))
    assert np.isnan(off) if heading is None else abs(np.rad2deg(off)) <= 0.5000001
    assert named.panoramas[0] == ("" if pano == "None" else pano)


@given(st.lists(WORDS, max_size=16))
def test_any_name_is_read_or_refused_in_one_line(fields):
    name = "@".join(["", *fields, ".jpg"])
    try:
        named = read_names([name], "folder")
    except InputError as error:
        assert str(error).startswith("folder: image '") and "\n" not in str(error)
    else:
        assert np.isfinite(named.positions).all() or np.isnan(named.positions).all()
        assert not np.isinf(named.headings).any()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("0585001.23", "east", r"field 1 \(UTM east\): 'east' is not a number"),
        ("@17@", "@61@", r"field 3 \(zone number\): '61' is not from 1 to 60"),
        ("@T@", "@I@", r"field 4 \(zone letter\): 'I' is none of CDEF"),
        ("040.44000", "140.44000", r"field 5 \(latitude\): '140.44000' is not from -90 to 90"),
        ("@075@", "@nan@", r"field 9 \(heading\): 'nan' is not from -360 to 720"),
        ("0585001.23", "", "has one of UTM east and north"),
    ],
)
def test_a_broken_field_is_named(old, new, said):
    with pytest.raises(InputError, match=said):
        read_names([PITTS.replace(old, new)], "here")


def two_zones(tmp_path, lat):
    """Images 20 km apart on either side of 12 degrees east: zones 32 and 33."""
    degrees = np.array([[lat, 11.9], [lat, 11.95], [lat + 0.1, 12.1]])
    for (here, lon), number in zip(degrees, (32, 32, 33), strict=True):
        place = [float(v) for v in to_utm(lon, here, number)]
        zone = str(number), letter_of(here)
        touch(tmp_path / "test" / "database", name_of(place, zone, (here, lon)))
    touch(tmp_path / "test" / "queries", "@500000@5500000@.jpg")
    return degrees


@pytest.mark.parametrize("lat", [52.0, -33.9, -0.05])
def test_two_zones_become_one(tmp_path, caplog, lat):
    degrees = two_zones(tmp_path, lat)
    with caplog.at_level(logging.INFO):
        scene, _ = read_scene(tmp_path / "test", "test")
    assert "1 of 3 images are of another UTM zone than 32" in caplog.text
    frame = scene.frame.to_degrees(scene.database.positions)
    order = [int(np.abs(frame - row).sum(1).argmin()) for row in degrees]
    assert sorted(order) == [0, 1, 2]
    assert np.abs(frame[order] - degrees).max() < 2e-7  # centimetres were written
    places = scene.database.positions[order]
    apart = np.linalg.norm(places - places[0], axis=1)
    # The scale of UTM, 0.9996 on its meridian, and the curvature of 25 km.
    assert apart[1:] == pytest.approx(distance(degrees[1:], degrees[0]), rel=2e-3)


def test_zones_far_apart_are_no_scene(tmp_path):
    two_zones(tmp_path, 52.0)
    touch(tmp_path / "test" / "queries", PITTS)
    with pytest.raises(InputError, match="is of UTM zone 17, most of the database of zone 32"):
        read_scene(tmp_path / "test", "test")


def test_a_wrong_zone_is_said(tmp_path, caplog):
    touch(tmp_path / "database", PITTS.replace("@17@", "@18@"))
    touch(tmp_path / "queries", PITTS)
    with caplog.at_level(logging.WARNING):
        scene, truth = read_scene(tmp_path, "pitts")
    assert "no degrees are told of this scene" in caplog.text and scene.frame is None


def test_lists_folders_and_what_is_passed_over(tmp_path, caplog):
    names = [PITTS.replace("@05@", f"@{tile:02d}@") for tile in (7, 3)]
    touch(tmp_path / "gallery" / "b", names[0], "thumbs.db")
    touch(tmp_path / "gallery" / "a", names[1], "plain.jpeg")
    (tmp_path / "queries_night_images_paths.txt").write_text(f"x/{names[1]}\nx/{names[0]}\n")
    with caplog.at_level(logging.INFO):
        scene, truth = read_scene(tmp_path, "t", How(), "gallery", "queries_night")
    assert "1 files that are no images" in caplog.text
    assert "1 images have no position" in caplog.text
    found = [f"gallery/a/{names[1]}", "gallery/a/plain.jpeg", f"gallery/b/{names[0]}"]
    assert scene.database.names.tolist() == found
    assert scene.queries.names.tolist() == [f"queries_night/x/{n}" for n in names[::-1]]
    # One panorama, its tiles in order.
    together = scene.database.sequences
    assert together[0] == together[2] >= 0 and together[1] == -1
    assert scene.database.frames[[0, 2]].tolist() == [0, 1]
    assert scene.queries.positions is None and len(truth.positions) == 2
    with pytest.raises(MissingFileError, match=r"did you mean 'gallery'.*data.database_folder"):
        read_scene(tmp_path, "t", How(), "galery", "queries_night")


def test_one_folder_for_both(tmp_path, caplog):
    names = [PITTS.replace("@05@", f"@{tile:02d}@") for tile in range(4)]
    touch(tmp_path / "database", *names)
    with caplog.at_level(logging.INFO):
        scene, truth = read_scene(tmp_path, "t", How(query_gps=True), "database", "database")
    assert (scene.queries.names == scene.database.names).all()
    # Names hold the truth; it is never evidence.
    assert scene.queries.positions is None and np.isfinite(truth.positions).all()
    assert "no readings of devices; data.query_gps changes nothing" in caplog.text


def as_written(root, cities):
    """Bring the numbers of a world to those that names can hold: centimetres, whole degrees."""
    for file in (root / "datasets").rglob("*.csv"):
        table = pd.read_csv(file, index_col=0, dtype={"key": str})
        table = table.round({"easting": 2, "northing": 2, "ca": 0})
        table.to_csv(file, lineterminator="\n")


@pytest.mark.parametrize("method", [None, "posterior"])
def test_figures_are_those_of_the_msls_layout(tmp_path, method):
    cities = {"cph": "train_val", "sf": "train_val"}
    world = {**write_world(tmp_path, cities), **SMALL, "data.val_scenes": "[cph,sf]"}
    as_written(tmp_path, cities)
    config = load_config(None, overrides(world))
    settings = export(config, tmp_path / "utm", "utm", images="none")
    again = load_config(None, [*overrides(world), *settings])
    assert again.data.dataset == "utm"
    for city in cities:
        (a, ta), (b, tb) = (reader(c.data).read(c.data, city, "val") for c in (config, again))
        assert np.array_equal(a.database.positions, b.database.positions)
        assert np.array_equal(ta.positions, tb.positions)
        assert np.array_equal(a.queries.headings, b.queries.headings, equal_nan=True)
        assert a.frame == b.frame
    first, second = (evaluate(c, method=method) for c in (config, again))
    assert first["counts"] == second["counts"] and first["metrics"] == second["metrics"]
    assert 0.2 < first["metrics"]["recall@1"] < 1


def test_images_are_linked(tmp_path, caplog):
    world = {**write_world(tmp_path, {"cph": "train_val"}, database=5, queries=3), **SMALL}
    config = load_config(None, overrides(world))
    scene, _ = reader(config.data).read(config.data, "cph", "val")
    for name in scene.database.names[:4]:
        (tmp_path / "datasets/msls/train_val/cph" / name).write_text(str(name))
    with caplog.at_level(logging.INFO):
        export(config, tmp_path / "utm", "utm")
    assert "cph: 4 of 8 image files are not there" in caplog.text
    written, _ = read_scene(tmp_path / "utm" / "cph", "cph")
    for name, own in zip(scene.database.names[:4], written.database.names[:4], strict=True):
        assert (tmp_path / "utm" / "cph" / own).read_text() == name


def test_a_scene_is_not_written_over_itself(tmp_path):
    touch(tmp_path / "test" / "database", PITTS)
    settings = ["data.dataset=utm", f"data.root={tmp_path}", "data.desc_fn="]
    config = load_config(None, [*settings, "data.query_folder=database"])
    with pytest.raises(InputError, match="--output: .*test is where the data set itself lies"):
        export(config, tmp_path, "kapture", "test")
    with pytest.raises(
        InputError, match=r"--to: 'kaptur' is not a layout \(did you mean 'kapture'"
    ):
        export(config, tmp_path / "out", "kaptur", "test")
    with pytest.raises(InputError, match="--images: 'move' is not a way"):
        export(config, tmp_path / "out", "kapture", "test", "move")


def test_links_that_go_round(tmp_path):
    touch(tmp_path / "database", PITTS, "sub/plain.jpg")
    (tmp_path / "database" / "sub" / "up").symlink_to(tmp_path / "database")
    (tmp_path / "queries").symlink_to(tmp_path / "database")
    scene, _ = read_scene(tmp_path, "t")
    assert scene.database.names.tolist() == [f"database/{PITTS}", "database/sub/plain.jpg"]
    assert len(scene.queries) == 2
