"""Whose rows are those of a label file: it is brought into the order of the scene that is read.

What :func:`gcsa.datasets.lamar.label_files.save_labels` writes names its images, and no order
matters. The published files (Hanning, Flood, Larsson, SCIA 2025) name none: their rows are the
HoloLens cameras first, then the phone's, each in the order of queries.txt. Where rows are known by
their place alone, the lists themselves tell whether they can be this scene's.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from gcsa.datasets.lamar.label_files import LabelFile, label_path, load_labels, without_own
from gcsa.errors import InputError
from gcsa.scene import Scene

# A list is looked at so far, of so many queries spread evenly: what rows to read bounds.
FIRST, SAMPLE = 10, 200
# Lists of this share of the queries, at least, are more alike to their query than to others.
LEAST_OWN = 0.8


def find_label_file(folder: str | os.PathLike, scene: str, split: str, method: str) -> Path:
    """A scene's label file, its name as we write it or, as published, in lower case.

    Where neither is there, the first. InputError where both are, as two files.
    """
    path = label_path(folder, scene, split, method)
    published = label_path(folder, scene.lower(), split, method)
    if not published.exists():
        return path
    if path.exists() and not path.samefile(published):
        raise InputError(f"{path}: {published.name} lies beside it; which of the two is meant?")
    return published


def labels_of_scene(path: str | os.PathLike, scene: Scene, split: str, method: str) -> LabelFile:
    """Read a label file, rows and columns in the order of the scene's queries and database.

    split: of "train" the queries are the database, and each is dropped from its own list. method:
    "geometry" files without names are ours, of before they had names, in the scene's order.
    Raises InputError where an image has no row, or the lists cannot be of these queries.
    """
    sizes = len(scene.queries), len(scene.database)
    content = load_labels(path, *sizes, num_candidates=1)
    placed = content.names is None or content.database is None
    content = _database_in_order(path, content, scene.database.names)
    if content.names is not None:
        content = _of_rows(content, _rows(path, "names", content.names, scene.queries.names))
    elif method == "scores" and split != "train":
        content = _of_rows(content, np.argsort(hololens_first(scene.queries.names)))
    if placed and method == "scores":
        _check_lists(path, content.topk, scene)
    if split == "train":
        topk, labels = without_own(content.topk, content.labels)
        content = replace(content, topk=topk, labels=labels)
    return content


def hololens_first(names: np.ndarray) -> np.ndarray:
    """The rows of a scene's queries in the order of the published files, (Q,) int64."""
    session = np.char.partition(np.char.replace(names, "sessions/", "", count=1), "/")[:, 0]
    return np.argsort(np.char.find(session, "hololens") < 0, kind="stable")


def _rows(path: str | os.PathLike, array: str, has: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Where each of ``names`` (n,) stands in an array of the file, (n,) int64."""
    order = np.argsort(has)
    place = order[np.minimum(np.searchsorted(has, names, sorter=order), len(has) - 1)]
    lacking = has[place] != names
    if lacking.any():
        raise InputError(f"{path}: {array} lacks '{names[lacking.argmax()]}' of the scene")
    return place


def _of_rows(content: LabelFile, rows: np.ndarray) -> LabelFile:
    """The rows of a file, taken in another order."""
    counts = None if content.num_pos is None else content.num_pos[rows]
    topk, labels = content.topk[rows], content.labels[rows]
    return replace(content, topk=topk, labels=labels, num_pos=counts)


def _database_in_order(path: str | os.PathLike, content: LabelFile, names: np.ndarray) -> LabelFile:
    """topk as rows of the database ``names`` (n,)."""
    if content.database is None:
        return content
    there = np.argsort(_rows(path, "database", content.database, names))
    return replace(content, topk=np.where(content.topk < 0, -1, there[content.topk]))


def _check_lists(path: str | os.PathLike, topk: np.ndarray, scene: Scene) -> None:
    """Raise InputError unless lists resemble their own query more than others: wrong rows do not.

    Of any descriptor: that of a file need not be the one in use. Without one nothing is checked.
    """
    count = min(len(topk), SAMPLE)
    if scene.queries.descriptors is None or scene.database.descriptors is None or count < 3:
        return
    rows = np.linspace(0, len(topk) - 1, count).astype(np.int64)
    queries = np.asarray(scene.queries.descriptors[rows], dtype=np.float32)
    lists = topk[rows, :FIRST]
    listed = scene.database.descriptors[np.maximum(lists, 0).ravel()]
    listed = np.asarray(listed, dtype=np.float32).reshape(*lists.shape, -1)
    weights = (lists >= 0) / np.maximum((lists >= 0).sum(axis=1), 1)[:, None]
    means = np.einsum("qn,qnd->qd", weights, listed)
    own, *others = (
        (queries * np.roll(means, shift, axis=0)).sum(axis=1)
        for shift in (0, count // 3, 2 * count // 3)
    )
    share = (own >= np.maximum(*others)).mean()
    if share < LEAST_OWN:
        raise InputError(
            f"{path}: topk is not of this scene's first round: of {100 * (1 - share):.0f} % of the "
            "queries the list resembles another more. Rows of files without 'names' are HoloLens "
            "first, then phone (gcsa lamar.labels writes names)"
        )
