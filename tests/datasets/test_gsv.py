"""GSV-Cities: names made of cells, places, positions."""

from __future__ import annotations

import csv
import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import write_descriptors

from gcsa.config import load_config
from gcsa.datasets.gsv import COLUMNS, read_scene
from gcsa.datasets.images import image_path
from gcsa.errors import InputError, MissingFileError
from gcsa.evaluate import evaluate
from gcsa.sideinfo.geodesy import distance

# The first is the example of the data set's own README, cell by cell.
ROWS = [
    ["15", "2011", "9", "285", "London", "51.507", "-0.12830", "abcdefg"],
    ["15", "2014", "10", "0", "London", "51.5071", "-0.1283", "h_i-j"],
    ["1234567", "2014", "1", "360", "London", "51.52", "-0.13", "k"],
]


def write(root, rows=ROWS, city="London", header=COLUMNS):
    path = root / "Dataframes" / f"{city}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def test_names_places_poses(tmp_path):
    write(tmp_path)
    scene, truth = read_scene(tmp_path, "London")
    assert scene.database.names.tolist() == [
        "London_0000015_2011_09_285_51.507_-0.1283_abcdefg.jpg",
        "London_0000015_2014_10_000_51.5071_-0.1283_h_i-j.jpg",
        "London_1234567_2014_01_360_51.52_-0.13_k.jpg",
    ]
    assert (scene.queries.names == scene.database.names).all()
    assert np.rad2deg(scene.database.headings) == pytest.approx([285, 0, 0])
    assert truth.clusters.queries.tolist() == [15, 15, 1234567]
    assert scene.queries.positions is None
    degrees = np.array([[float(r[5]), float(r[6])] for r in ROWS])
    apart = np.linalg.norm(truth.positions - truth.positions[0], axis=1)
    assert apart == pytest.approx(distance(degrees, degrees[0]), abs=0.01)
    assert scene.frame.to_degrees(truth.positions) == pytest.approx(degrees, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 99999),
            st.integers(2007, 2022),
            st.integers(1, 12),
            st.integers(0, 360),
            st.floats(40, 41),
            st.floats(-80, -79),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_any_table(tmp_path_factory, rows):
    root = tmp_path_factory.mktemp("gsv")
    cells = [[*r[:4], "PRG", *map(repr, r[4:]), f"pano{i}"] for i, r in enumerate(rows)]
    write(root, cells, "PRG")
    scene, truth = read_scene(root, "PRG")
    for name, (place, year, month, north, lat, lon), i in zip(
        scene.database.names, rows, range(len(rows)), strict=True
    ):
        assert name.removesuffix(".jpg").split("_", 5)[:5] == [
            "PRG",
            str(place).zfill(7),
            str(year),
            str(month).zfill(2),
            str(north).zfill(3),
        ]
        assert name.endswith(f"_{lat}_{lon}_pano{i}.jpg")
    assert truth.clusters.database.tolist() == [row[0] for row in rows]


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        (0, "x", "line 3, column 'place_id': 'x' is not a number"),
        (1, "2014.5", "line 3, column 'year': '2014.5' is not a whole number"),
        (2, "13", "line 3, column 'month': month '13' is not from 0 to 12"),
        (5, "", "line 3, column 'lat': is empty"),
        (6, "200", "column 'lon': longitude '200' is not from -180 to 180"),
        (7, "a/b", "line 3: .* is no file's name"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path, column, cell, said):
    rows = [list(row) for row in ROWS]
    rows[1][column] = cell
    write(tmp_path, rows)
    with pytest.raises(InputError, match=said):
        read_scene(tmp_path, "London")


def test_a_wrong_table_is_named(tmp_path):
    write(tmp_path, [*ROWS, ROWS[0]])
    with pytest.raises(InputError, match="line 5, column 'panoid': its image .* is there twice"):
        read_scene(tmp_path, "London")
    with pytest.raises(MissingFileError, match=r"London\.csv|did you mean 'London'"):
        read_scene(tmp_path, "Londn")
    write(tmp_path, ROWS, header=[*COLUMNS[:-1], "pano"])
    with pytest.raises(InputError, match="no column 'panoid'"):
        read_scene(tmp_path, "London")


def test_end_to_end(tmp_path, caplog):
    write(tmp_path)
    scene, _ = read_scene(tmp_path, "London")
    looks = [[1.0, 0.1], [1.0, 0.2], [0.9, 0.5]]
    write_descriptors(tmp_path / "out/gsv/London/d.h5", scene.database.names, np.array(looks))
    settings = ["data.dataset=gsv", f"data.root={tmp_path}", "data.desc_fn=d.h5"]
    settings += [f"data.outputs={tmp_path / 'out'}", "data.val_scenes=[London]"]
    with caplog.at_level(logging.INFO):
        report = evaluate(load_config(None, [*settings, "data.val_labels=cluster"]))
    # The third image is alone in its place.
    assert report["counts"]["with_positives"] == 2 and report["metrics"]["recall@1"] == 1.0
    data = load_config(None, settings).data
    assert image_path(data, "London", "x.jpg") == tmp_path / "Images" / "London" / "x.jpg"
