"""gcsa photos: two folders in, everything out."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from gcsa.__main__ import main
from gcsa.datasets.folder.gathered import gather
from gcsa.datasets.folder.images import read_images
from gcsa.errors import InputError
from gcsa.photos import photos

LUND = (55.698, 13.195)


def photo(path, seed, place=None, heading=None):
    """A picture of a place, and its position by EXIF; the same seed gives nearly the same look."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    exif = Image.Exif()
    if place is not None:
        gps = {}
        for value, letter, tag in ((place[0], "N", 1), (place[1], "E", 3)):
            minutes = value % 1 * 60
            gps[tag] = letter
            gps[tag + 1] = (float(int(value)), float(int(minutes)), minutes % 1 * 60)
        exif[0x8825] = gps
    path.parent.mkdir(parents=True, exist_ok=True)
    small.resize((96, 72), Image.Resampling.BICUBIC).save(path, exif=exif, quality=95)


def bests(row):
    """The images of a line that the page shows."""
    return [row[f"best_{place}"] for place in range(1, 6)]


@pytest.fixture
def street(tmp_path):
    """Forty photos 20 m apart, and four of some of these places that know nothing."""
    for number in range(40):
        place = LUND[0], LUND[1] + number * 20 / 62_800
        photo(tmp_path / "known" / f"{number:02d}.jpg", number, place)
    for number in (5, 17, 30, 38):
        photo(tmp_path / "asked" / f"q{number:02d}.jpg", number)
    return tmp_path


def test_photos_are_located_in_one_command(street, monkeypatch, capsys):
    words = [str(street / "known"), "--queries", str(street / "asked"), "--num", "3"]
    output = street / "out"
    for _ in range(2):  # what is there is used again
        monkeypatch.setattr("sys.argv", ["gcsa", "photos", *words, "--output", str(output)])
        main()
        assert "4 of 4 queries located" in capsys.readouterr().out
    with open(output / "where.csv", newline="") as file:
        found = {row["name"]: row for row in csv.DictReader(file)}
    for number in (5, 17, 30, 38):
        row = found[f"query/q{number:02d}.jpg"]
        assert float(row["lat"]) == pytest.approx(LUND[0], abs=2e-4)
        assert float(row["lon"]) == pytest.approx(LUND[1] + number * 20 / 62_800, abs=4e-4)
        assert row["best_1"] == f"database/{number:02d}.jpg"
    assert len(json.loads((output / "where.geojson").read_text())["features"]) == 4
    pairs = (output / "pairs.txt").read_text().splitlines()
    assert len(pairs) == 12 and pairs[0] == "query/q05.jpg database/05.jpg"
    assert (
        "data:image/jpeg" in (output / "where.html").read_text()
        or len((output / "where.html").read_text()) > 10_000
    )


def test_a_table_goes_before_exif(street):
    (street / "asked" / "images.csv").write_text(
        "name;lat;lon;heading;gps_lat;gps_lon\nq05.jpg;55,698;13,2;90,5;55,6981;13,1951\n"
    )
    (street / "known" / "radio.csv").write_text("name,transmitter,rssi\n01.jpg,ap1,-50\n")
    table = gather(street / "known", street / "asked", street / "scene")
    images = read_images(table)
    assert len(images) == 41 and images.query.sum() == 1
    row = images.names.tolist().index("query/q05.jpg")
    assert np.rad2deg(images.headings[row]) == pytest.approx(90.5)
    assert np.isfinite(images.device.positions[row]).all()
    assert (street / "scene" / "query" / "q05.jpg").is_file()
    assert "database/01.jpg,ap1,-50" in (street / "scene" / "radio.csv").read_text()
    gather(street / "asked", street / "asked", street / "scene")  # links are put right
    assert (street / "scene" / "database" / "q05.jpg").is_file()


def test_positions_are_needed_of_the_database_alone(street):
    with pytest.raises(InputError, match=r"asked: no photo has a position .* write images.csv"):
        gather(street / "asked", street / "known", street / "scene")
    (street / "scene2" / "database").mkdir(parents=True)
    with pytest.raises(InputError, match="is there and is no link"):
        gather(street / "known", street / "asked", street / "scene2")


@pytest.mark.parametrize("table", ["images.csv", "radio.csv"])
def test_a_table_without_names(street, table):
    (street / "known" / table).write_text("nam,lat,lon\n01.jpg,55,13\n")
    with pytest.raises(InputError, match=rf"{table}: no column 'name' .*did you mean 'nam'"):
        gather(street / "known", street / "asked", street / "scene")


def test_broken_photos_are_left_out_when_asked(street, caplog):
    caplog.set_level("INFO")
    whole = (street / "known" / "07.jpg").read_bytes()
    (street / "known" / "07.jpg").write_bytes(whole[: len(whole) // 2])  # its EXIF is whole
    (street / "asked" / "q99.jpg").write_text("no photo")
    given = street / "known", street / "asked", street / "out"
    with pytest.raises(InputError, match="q99.jpg"):
        photos(*given)
    _, said = photos(*given, skip_broken=True)
    assert said.startswith("4 of 4 queries located")
    names = read_images(street / "out" / "images.csv").names.tolist()
    assert len(names) == 43 and not {"database/07.jpg", "query/q99.jpg"} & set(names)
    assert caplog.text.count("1 broken photos were passed over") == 2


def test_a_query_folder_that_lacks(street, monkeypatch):
    words = [str(street / "known"), "--queries", str(street / "no")]
    monkeypatch.setattr("sys.argv", ["gcsa", "photos", *words])
    with pytest.raises(InputError, match="no: no such folder of photos"):
        main()
