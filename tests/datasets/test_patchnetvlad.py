"""Patch-NetVLAD's lists of names and their npz."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcsa.config import load_config
from gcsa.datasets.images import image_path
from gcsa.datasets.patchnetvlad import read_scene
from gcsa.datasets.readers import reader
from gcsa.errors import InputError, MissingFileError


def write(root, index, query, name="nordland", **arrays):
    (root / "dataset_imagenames").mkdir(parents=True, exist_ok=True)
    (root / "dataset_gt_files").mkdir(exist_ok=True)
    for part, lines in (("index", index), ("query", query)):
        text = "".join(f"{line}\n" for line in lines)
        (root / "dataset_imagenames" / f"{name}_imageNames_{part}.txt").write_text(text)
    if arrays:
        np.savez(root / "dataset_gt_files" / f"{name}_test.npz", **arrays)


def test_lists_and_positions(tmp_path, caplog):
    """Frames in the place of positions, as Nordland's."""
    frames = np.repeat(np.arange(3), 2).reshape(3, 2)
    index = [f"./nordland/summer/images-{i:05d}.png" for i in range(3)]
    write(
        tmp_path,
        index,
        ["./w/0.png", "", "w/2.png "],
        utmDb=frames,
        utmQ=frames[::2],
        posDistThr=10,
    )
    with caplog.at_level(logging.INFO):
        scene, truth = read_scene(tmp_path, "nordland", reach=25.0)
    assert "within 10 m, the figures are within 25 m (data.val_labels=dist@10" in caplog.text
    assert scene.database.names[2] == "nordland/summer/images-00002.png"
    assert scene.queries.names.tolist() == ["w/0.png", "w/2.png"]
    assert scene.database.positions.tolist() == [[0, 0], [1, 1], [2, 2]]
    assert truth.positions.tolist() == [[0, 0], [2, 2]] and scene.queries.positions is None


def test_without_an_npz_there_is_no_truth(tmp_path, caplog):
    write(tmp_path, ["a.jpg"], ["b.jpg"], "mapillarysf")
    with caplog.at_level(logging.INFO):
        scene, truth = read_scene(tmp_path, "mapillarysf")
    assert "nothing is known of where its images are" in caplog.text
    assert truth is None and scene.database.positions is None


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.booleans(), st.data())
def test_what_is_written_is_read(tmp_path_factory, n, q, turned, data):
    number = st.floats(-1e7, 1e7)
    words = st.text("abcxyz019_", min_size=1, max_size=12)
    names = [data.draw(st.lists(words, min_size=m, max_size=m, unique=True)) for m in (n, q)]
    db, asked = (
        np.array(data.draw(st.lists(number, min_size=2 * m, max_size=2 * m))).reshape(m, 2)
        for m in (n, q)
    )
    root = tmp_path_factory.mktemp("lists")
    turned = turned and n != 2
    write(root, *names, utmDb=db.T if turned else db, utmQ=asked, posDistThr=25)
    scene, truth = read_scene(root, "nordland")
    assert scene.database.names.tolist() == names[0] and scene.queries.names.tolist() == names[1]
    assert np.array_equal(scene.database.positions, db)
    assert np.array_equal(truth.positions, asked)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"utmQ": np.zeros((1, 2))}, "has no array 'utmDb'"),
        (
            {"utmDb": np.zeros((3, 2)), "utmQ": np.zeros((1, 2))},
            r"shape \(2, 2\), east and north of 2",
        ),
        (
            {"utmDb": np.array([["a", "b"]] * 2), "utmQ": np.zeros((1, 2))},
            "utmDb: expected numbers",
        ),
        ({"utmDb": np.array([{}, 1]), "utmQ": np.zeros((1, 2))}, "Python objects in it"),
    ],
)
def test_wrong_arrays_are_named(tmp_path, arrays, said):
    write(tmp_path, ["a.jpg", "b.jpg"], ["c.jpg"], **arrays)
    with pytest.raises(InputError, match=said):
        read_scene(tmp_path, "nordland")


def test_wrong_lists_are_named(tmp_path):
    with pytest.raises(MissingFileError, match="nordland_imageNames_index.txt: no such file"):
        read_scene(tmp_path, "nordland")
    write(tmp_path, ["a.jpg", "./a.jpg"], ["c.jpg"])
    with pytest.raises(InputError, match="line 2: 'a.jpg' is there twice, first in line 1"):
        read_scene(tmp_path, "nordland")
    write(tmp_path, ["\n"], ["c.jpg"])
    with pytest.raises(InputError, match="holds no images"):
        read_scene(tmp_path, "nordland")


def test_through_the_settings(tmp_path):
    write(tmp_path, ["a.jpg"], ["b.jpg"], "pitts30k", utmDb=[[1.0, 2.0]], utmQ=[[3.0, 4.0]])
    config = load_config(
        None, ["data.dataset=patchnetvlad", f"data.root={tmp_path}", "data.desc_fn="]
    ).data
    scene, truth = reader(config).read(config, "pitts30k", "test")
    assert truth.positions.tolist() == [[3.0, 4.0]]
    assert image_path(config, "pitts30k", "a.jpg") == tmp_path / "a.jpg"
    assert "within 25 m" in reader(config).protocol(config, "test")
