"""gcsa locate: degrees against pyproj, files as their formats ask, the page in a browser."""

import csv
import json
import logging

import numpy as np
import pandas as pd
import pytest
from conftest import SMALL, overrides
from folders import DESC_FN
from located import call, street
from worlds import write_city, write_descriptors

from gcsa.__main__ import main
from gcsa.config import load_config
from gcsa.datasets.folder.images import read_images
from gcsa.errors import InputError
from gcsa.locate.answers import locate
from gcsa.locate.folders import of_folder
from gcsa.locate.outputs import geojson

pyproj = pytest.importorskip("pyproj")


@pytest.fixture
def located(tmp_path, monkeypatch):
    """(the features of a street, its folder, the settings that point at it)."""
    world = street(tmp_path)
    features = call(monkeypatch, tmp_path / "w.geojson", *overrides(world))
    return features, tmp_path, world


def test_features_are_what_rfc_7946_asks(located):
    features, root, _ = located
    collection = json.loads((root / "w.geojson").read_text())
    assert collection["type"] == "FeatureCollection" and "coordinates" not in collection
    table = pd.read_csv(root / "east" / "images.csv").query("split == 'query'")
    assert [f["properties"]["name"] for f in features] == table["name"].tolist()
    for feature, row in zip(features, table.itertuples(), strict=True):
        about = feature["properties"]
        assert feature["type"] == "Feature" and feature["geometry"]["type"] == "Point"
        assert feature["geometry"]["coordinates"] == [about["lon"], about["lat"]]
        assert about["scene"] == "east" and about["radius_m"] > 0
        assert 0 <= about["confidence"] <= 1 and 0 <= about["none"] <= 1
        chances = [image["probability"] for image in about["best"]]
        assert len(chances) == 5 and chances == sorted(chances, reverse=True)
        # Printed with 8 decimals, a millimetre.
        assert about.get("device_lat", np.nan) == pytest.approx(row.gps_lat, abs=2e-7, nan_ok=True)
        assert about.get("device_lon", np.nan) == pytest.approx(row.gps_lon, abs=2e-7, nan_ok=True)
        stated = about.get("device_accuracy_m", np.nan)
        assert stated == pytest.approx(row.gps_accuracy, nan_ok=True)


def test_degrees_are_those_of_pyproj(located):
    features, root, _ = located
    base = pd.read_csv(root / "east" / "images.csv").query("split == 'database'")
    plane = pyproj.Proj(
        proj="aeqd", lat_0=base["lat"].median(), lon_0=base["lon"].median(), ellps="WGS84"
    )
    for feature in features:
        about = feature["properties"]
        expected = plane(about["x"], about["y"], inverse=True)
        assert feature["geometry"]["coordinates"] == pytest.approx(expected, abs=2e-7)


def test_most_are_found(located):
    features, root, _ = located
    table = pd.read_csv(root / "east" / "images.csv").query("split == 'query'")
    at = np.array([f["geometry"]["coordinates"] for f in features]).T
    away = pyproj.Geod(ellps="WGS84").inv(*at, table["lon"], table["lat"])[2]
    assert np.mean(away < 25) > 0.7
    sure = np.array([f["properties"]["confidence"] for f in features]) > 0.9
    assert sure.any() and np.median(away[sure]) < 15


def test_the_truth_is_not_read(located, monkeypatch):
    """Queries with a device position alone are located as before, and with a wrong truth."""
    features, root, world = located
    path = root / "east" / "images.csv"
    table = pd.read_csv(path)
    for lat, lon in ((np.nan, np.nan), (55.71, 13.2)):
        queries = table["split"] == "query"
        table.loc[queries, "lat"], table.loc[queries, "lon"] = lat, lon
        table.to_csv(path, index=False)
        assert call(monkeypatch, root / "again.geojson", *overrides(world)) == features


def test_the_table_says_the_same(located):
    features, root, _ = located
    with open(root / "w.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(features)
    for row, feature in zip(rows, features, strict=True):
        about = feature["properties"]
        for name in ("scene", "name", "lat", "lon", "x", "y", "radius_m", "confidence"):
            assert row[name] == str(about[name])
        assert row["device_lat"] == str(about.get("device_lat", ""))
        listed = [(row[f"best_{k}"], float(row[f"probability_{k}"])) for k in range(1, 6)]
        assert listed == [(image["name"], image["probability"]) for image in about["best"]]


def test_a_devices_position_is_evidence_unless_told(located, monkeypatch, caplog):
    features, root, world = located
    with caplog.at_level(logging.INFO):
        call(monkeypatch, root / "w.geojson", *overrides(world))
    assert "8 of 12 queries bring their device's own position" in caplog.text
    # A table where it is that of the truth: known to be a reading, it is evidence.
    table = pd.read_csv(root / "east" / "images.csv")
    for column in ("lat", "lon"):
        table[f"gps_{column}"] = table[column]
    table.to_csv(root / "east" / "images.csv", index=False)
    with_gps = call(monkeypatch, root / "w.geojson", *overrides(world))
    without = call(monkeypatch, root / "w.geojson", *overrides(world), "data.query_gps=false")
    assert all("device_lat" in f["properties"] for f in with_gps)
    assert not any("device_lat" in f["properties"] for f in without)
    # Readings of its own, 11 m away, are left out as well.
    table["gps_lat"] += 1e-4
    table.to_csv(root / "east" / "images.csv", index=False)
    own = call(monkeypatch, root / "w.geojson", *overrides(world))
    assert all("device_lat" in f["properties"] for f in own)
    left = call(monkeypatch, root / "w.geojson", *overrides(world), "data.query_gps=false")
    assert left == without
    with pytest.raises(InputError, match="data.candidates=labels: gcsa locate reads no label"):
        call(monkeypatch, root / "w.geojson", *overrides(world), "data.candidates=labels")


def test_named_queries_alone(located, monkeypatch):
    features, root, world = located
    names = [features[4]["properties"]["name"], features[9]["properties"]["name"]]
    asked = [names[0], names[1].rsplit("/", 1)[1].removesuffix(".jpg")]
    found = call(monkeypatch, root / "w.geojson", *overrides(world), "--query", *asked)
    assert [f["properties"] for f in found] == [features[i]["properties"] for i in (4, 9)]
    with pytest.raises(InputError, match="--query: no query 'query/6.jp' in east.*query/6[0-9].jp"):
        call(monkeypatch, root / "w.geojson", *overrides(world), "--query", "query/6.jp")


def test_frames_of_a_sequence_help_a_named_query(tmp_path):
    world = street(tmp_path)
    path = tmp_path / "east" / "images.csv"
    table = pd.read_csv(path).assign(sequence=lambda t: np.where(t["split"] == "query", "s", ""))
    table.to_csv(path, index=False)
    config = load_config(None, overrides(world, {"posterior.sequences": "both"}))
    (whole,), (one,) = locate(config), locate(config, names=["query/65.jpg"])
    assert one.ranking.position == pytest.approx(whole.ranking.position[[5]])
    assert len(one.scene.queries) == len(one.ranking) == 1


def test_a_city_lies_in_its_zone(tmp_path):
    """MSLS: the zone is found by the readings of the database, south of the equator too."""
    zone = pyproj.Proj(proj="utm", zone=32, south=True, ellps="WGS84")
    config = city(tmp_path, zone)
    (answers,) = found = locate(config)
    features = geojson(found)["features"]
    assert answers.scene.frame.number == 32 and answers.scene.frame.south
    for feature, position in zip(features, answers.ranking.position, strict=True):
        expected = zone(*position, inverse=True)
        assert feature["geometry"]["coordinates"] == pytest.approx(expected, abs=1e-7)
        assert "device_lon" in feature["properties"]


def city(root, project):
    """The config of a city whose readings are those of a projection; all of one point for none."""
    write_city(root, "cph", "train_val", np.random.default_rng(0), queries=8)
    for role in ("database", "query"):
        folder = root / "datasets/msls/train_val/cph" / role
        post = pd.read_csv(folder / "postprocessed.csv", index_col=0)
        raw = pd.read_csv(folder / "raw.csv", index_col=0)
        raw["lon"], raw["lat"] = 10.0, 54.0
        if project:
            raw["lon"], raw["lat"] = project(post["easting"], post["northing"], inverse=True)
        raw.to_csv(folder / "raw.csv")
    world = {"data.root": root / "datasets", "data.outputs": root / "outputs"}
    world |= {**SMALL, "data.desc_fn": DESC_FN, "data.val_scenes": "[cph]"}
    return load_config(None, overrides(world))


def test_metres_where_nobody_knows_degrees(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        found = locate(city(tmp_path, None))
    assert "in any zone; data.query_gps cannot be used; located without" in caplog.text
    assert "cph: nobody knows where on the Earth its positions are" in caplog.text
    collection = geojson(found)
    assert collection["coordinates"] == "metres east, north"
    for feature in collection["features"]:
        about = feature["properties"]
        assert feature["geometry"]["coordinates"] == [about["x"], about["y"]]
        assert "lat" not in about and abs(about["x"] - 500_000) < 1000


def test_what_cannot_be_located_is_counted(tmp_path, monkeypatch, capsys, caplog):
    world = street(tmp_path)
    path = tmp_path / "east" / "images.csv"
    table = pd.read_csv(path)
    table.loc[table["split"] == "database", ["lat", "lon"]] = np.nan
    table.to_csv(path, index=False)
    features = call(monkeypatch, tmp_path / "w.geojson", *overrides(world))
    assert [f["geometry"] for f in features] == [None] * 12
    assert all("lat" not in f["properties"] for f in features)
    assert "0 of 12 queries located" in capsys.readouterr().out
    assert "12 of 12 queries cannot be located: the database has no positions" in caplog.text
    assert "not located" in (tmp_path / "w.html").read_text()


def test_a_folder_and_its_descriptors(tmp_path, monkeypatch):
    """Beside the table, or where gcsa folder.describe and hloc write them; one, not several."""
    street(tmp_path)
    config = load_config(None, [f"data.outputs={tmp_path / 'outputs'}"])
    folder, made = tmp_path / "east", tmp_path / "outputs/folder/east" / DESC_FN
    assert of_folder(config, folder).data.desc_fn == str(made)
    names = read_images(folder / "images.csv").names
    write_descriptors(folder / "own.h5", names, np.random.default_rng(0).normal(size=(72, 8)))
    found = of_folder(config, folder)
    assert found.data.desc_fn == str(folder / "own.h5") and len(locate(found)[0].placed) == 12
    assert of_folder(config, folder).data == found.data  # what is packed is none
    (folder / "other.npy").write_bytes(b"")
    with pytest.raises(InputError, match="several descriptor files.*other.npy, own.h5"):
        of_folder(config, folder)
    asked = [f"data.desc_fn={DESC_FN}"]
    config = load_config(None, [f"data.outputs={tmp_path / 'outputs'}", *asked])
    assert of_folder(config, folder, asked).data.desc_fn == str(made)
    (tmp_path / "west").mkdir()
    with pytest.raises(InputError, match="west/images.csv: no such file"):
        of_folder(config, tmp_path / "west")
    (tmp_path / "west" / "images.csv").write_text("name,x,y\n")
    with pytest.raises(InputError, match="no descriptor file .*gcsa folder.describe a stand-in"):
        of_folder(config, tmp_path / "west")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--output", "w.txt"], "'w.txt' does not end with .geojson"),
        (["--output", "w.geojson", "--num", "0"], "--num: 0 is less than 1"),
        (["--output", "w.geojson", "--max_queries", "0"], "--max_queries: 0 is less than 1"),
        (["--output", "there.geojson"], "there.html is a folder"),
    ],
)
def test_options_that_cannot_be(tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.html").mkdir()
    monkeypatch.setattr("sys.argv", ["gcsa", "locate", *words])
    with pytest.raises(InputError, match=said):
        main()


def test_nothing_is_left_where_one_file_cannot_be_written(tmp_path, monkeypatch):
    world = street(tmp_path)
    monkeypatch.setattr("gcsa.locate.outputs.page", lambda *_: "\ud800")  # no UTF-8 has it
    with pytest.raises(UnicodeEncodeError):
        call(monkeypatch, tmp_path / "out" / "w.geojson", *overrides(world))
    assert list((tmp_path / "out").iterdir()) == []
