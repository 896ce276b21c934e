"""Label files whose rows are in another order: named ones, and the published, HoloLens first."""

import logging

import numpy as np
import pytest
from captures import write_scene
from worlds import write_descriptors

from gcsa.config import load_config
from gcsa.datasets.lamar.label_files import (
    LabelFile,
    label_path,
    load_labels,
    save_labels,
    without_own,
)
from gcsa.datasets.lamar.label_rows import find_label_file, labels_of_scene
from gcsa.datasets.lamar.scene import read_scene
from gcsa.errors import InputError
from gcsa.localization.labels import compute_labels
from gcsa.ranking.retrieval import retrieve
from gcsa.scoring.ranker import as_trained
from gcsa.scoring.split import prepare


@pytest.fixture
def hall(tmp_path):
    """A scene of 4 phone and 16 HoloLens cameras, with descriptors, and its labels by place."""
    write_scene(tmp_path / "datasets/lamar/CAB")
    scene, _ = read_scene(tmp_path / "datasets/lamar", "CAB")
    names = [*scene.database.names, *scene.queries.names]
    path = tmp_path / "outputs/lamar/CAB/d.h5"
    write_descriptors(path, names, np.random.default_rng(0).normal(size=(len(names), 16)))
    return tmp_path


def described(hall, split="val"):
    return read_scene(hall / "datasets/lamar", "CAB", split, hall / "outputs/lamar/CAB/d.h5")[0]


def first_lists(scene, columns=12):
    """The first round, positive where the row is even, and as many positives as 1, 2, 3, ..."""
    topk = retrieve(scene, columns).indices
    return LabelFile(topk, topk % 2 == 0, 1 + np.arange(len(topk)))


def in_order(content, order):
    return LabelFile(content.topk[order], content.labels[order], content.num_pos[order])


# The phone's 4 cameras are read first: published files have them behind the 16 of the HoloLens.
PUBLISHED = np.r_[4:20, 0:4]


def check_equal(found, expected):
    for name in ("topk", "labels", "num_pos"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_published_files_are_hololens_first(hall):
    scene, path = described(hall), hall / "labels/lamar_scores_cab_query.npz"
    expected = first_lists(scene)
    save_labels(path, in_order(expected, PUBLISHED))
    assert find_label_file(hall / "labels", "CAB", "val", "scores") == path
    check_equal(labels_of_scene(path, scene, "val", "scores"), expected)
    renamed = path.rename(hall / "labels/lamar_scores_CAB_query.npz")
    assert find_label_file(hall / "labels", "CAB", "val", "scores") == renamed
    check_equal(labels_of_scene(renamed, scene, "val", "scores"), expected)


def test_two_spellings_at_once_are_refused(hall):
    for name in ("cab", "CAB"):
        save_labels(label_path(hall, name, "val"), first_lists(described(hall)))
    with pytest.raises(InputError, match="CAB_query.npz: lamar_scores_cab_query.npz lies beside"):
        find_label_file(hall, "CAB", "val", "scores")


def test_lists_that_cannot_be_of_the_scene_are_refused(hall):
    scene, path = described(hall), hall / "x.npz"
    random = np.random.default_rng(1)
    shuffled = np.stack([random.permutation(20) for _ in range(20)])
    wrong = (first_lists(scene), LabelFile(shuffled, shuffled > 9))  # phone first; of no scene
    for content in wrong:
        save_labels(path, content)
        with pytest.raises(InputError, match="x.npz: topk is not of this scene's first round"):
            labels_of_scene(path, scene, "val", "scores")
    maps = described(hall, "train")
    content = first_lists(maps)
    save_labels(path, LabelFile(content.topk, content.labels))
    np.testing.assert_array_equal(labels_of_scene(path, maps, "train", "scores").topk, content.topk)
    save_labels(path, LabelFile(content.topk[::-1], content.labels[::-1]))
    with pytest.raises(InputError, match="x.npz: topk is not of this scene's first round"):
        labels_of_scene(path, maps, "train", "scores")


@pytest.mark.parametrize("split", ["val", "train"])
def test_what_we_write_names_its_images(hall, split):
    """Whatever order its rows and the database it was made from have."""
    scene, path = described(hall, split), hall / "x.npz"
    root, file = hall / "datasets/lamar", hall / "outputs/lamar/CAB/d.h5"
    ours = compute_labels(root, "CAB", split, file, 12)
    np.testing.assert_array_equal(ours.names, scene.queries.names)
    np.testing.assert_array_equal(ours.database, scene.database.names)
    random = np.random.default_rng(2)
    rows, columns = (random.permutation(20) for _ in range(2))
    topk = np.argsort(columns)[ours.topk[rows]]
    counts = None if ours.num_pos is None else ours.num_pos[rows]
    names = ours.names[rows], ours.database[columns]
    save_labels(path, LabelFile(topk, ours.labels[rows], counts, *names))
    for method in ("scores", "geometry"):
        found = labels_of_scene(path, scene, split, method)
        np.testing.assert_array_equal(found.topk, ours.topk)
        np.testing.assert_array_equal(found.labels, ours.labels)
    save_labels(path, LabelFile(topk, ours.labels[rows], counts, names[0], names[1] + "x"))
    with pytest.raises(InputError, match="x.npz: database lacks 'sessions/map/raw_data/nav_0"):
        labels_of_scene(path, scene, split, "scores")


def test_a_training_image_is_never_its_own_candidate(tmp_path):
    topk = np.array([[0, 2, 1], [2, 0, 3], [3, 1, 2], [1, 2, 0]], dtype=np.int32)
    labels = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1], [0, 0, 1]], dtype=np.uint8)
    np.savez(tmp_path / "x.npz", topk=topk, labels=labels)
    content = load_labels(tmp_path / "x.npz", 4, 4, 3)
    assert (content.topk == topk).all()
    own, positive = without_own(content.topk, content.labels)
    assert own.tolist() == [[2, 1, -1], [2, 0, 3], [3, 1, -1], [1, 2, 0]]
    assert positive.tolist() == [
        [True, False, False],
        [False, True, True],
        [True, False, False],
        [False, False, True],
    ]


def settings(hall, candidates):
    folders = [f"data.{key}={hall / key}" for key in ("outputs", "labels")]
    known = ["data.dataset=lamar", "data.desc_fn=d.h5", "data.val_scenes=[CAB]"]
    known += [f"data.root={hall / 'datasets'}", "data.val_labels=score"]
    return load_config(None, [*known, *folders, f"data.candidates={candidates}"])


@pytest.mark.parametrize(
    ("candidates", "named", "taken"),
    [
        ("search", False, False),
        ("labels", False, True),
        ("published", False, True),
        ("labels", True, True),
        ("published", True, False),
    ],
)
def test_candidates_are_those_of_the_file(hall, caplog, candidates, named, taken):
    scene = described(hall)
    lists = first_lists(scene)
    swapped = np.r_[1, 0, 2:12]  # the first two of each list in the other order
    topk, found = lists.topk[:, swapped], lists.labels[:, swapped]
    content = LabelFile(topk, found, lists.num_pos)
    if named:
        content = LabelFile(topk, found, lists.num_pos, scene.queries.names, scene.database.names)
    else:
        content = in_order(content, PUBLISHED)
    save_labels(label_path(hall / "labels", "cab", "val"), content)
    config = settings(hall, candidates)
    with caplog.at_level(logging.INFO):
        (ranked,) = prepare(config.data, config.fov, [], "val", 5)
    expected = topk if taken else lists.topk
    np.testing.assert_array_equal(ranked.candidates.indices, expected[:, :5])
    np.testing.assert_array_equal(ranked.labels, expected[:, :5] % 2 == 0)
    assert (np.diff(ranked.candidates.scores, axis=1) <= 0).all()
    assert ("candidates are those of its label file" in caplog.text) == taken


def test_candidates_of_no_file(hall):
    config = settings(hall, "labels")
    config.data.val_labels = "dist"
    with pytest.raises(InputError, match="data.candidates=labels: CAB has no label file in use"):
        prepare(config.data, config.fov, [], "val", 5)
    with pytest.raises(InputError, match="data.candidates"):
        settings(hall, "label")


def test_published_checkpoints_take_published_lists(hall, monkeypatch):
    monkeypatch.setattr("gcsa.scoring.ranker.read_settings", lambda path: None)
    config = settings(hall, "search")
    assert as_trained(config, "c.pth.tar", []).data.candidates == "published"
    asked = as_trained(config, "c.pth.tar", ["data.candidates=search"])
    assert asked.data.candidates == "search"
