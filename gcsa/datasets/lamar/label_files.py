"""Which candidates of a LaMAR scene's queries are positive: the label files.

``lamar_scores_<scene>_{db,query}.npz`` has topk (Q, N) int, the database rows of each query's
first-round candidates, best first; labels (Q, N) bool, aligned with it: column j says whether
candidate topk[:, j] is positive; and, of "query" files, num_pos (Q,) int, the number of positives
of each query. "db" files are for training, where the queries are the database images themselves: an
image is never its own candidate (the query as its own positive belongs to the rows of the loss,
:mod:`gcsa.ranking.batches`). Our files have names (Q,) and database (n,) str too, the images that
the rows of topk and its entries are of. Published files have neither, and the scene's name in lower
case: :mod:`gcsa.datasets.lamar.label_rows` puts either in a scene's order. Labels that geometry
alone gave have another name, ``lamar_geometry_...``. :mod:`gcsa.localization.labels` computes both.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gcsa.errors import InputError, MissingFileError
from gcsa.files import replacing
from gcsa.files.npy import load_npz


@dataclass(frozen=True, eq=False)
class LabelFile:
    """topk: (Q, N) int64 database rows, -1 where a list is shorter. labels: (Q, N) bool.

    num_pos: (Q,) int64, positives of each query; None in a file of training queries. names: (Q,)
    str, the queries; database: (n,) str, whose rows topk holds; None in files without.
    """

    topk: np.ndarray
    labels: np.ndarray
    num_pos: np.ndarray | None = None
    names: np.ndarray | None = None
    database: np.ndarray | None = None

    def of(self, candidates: np.ndarray) -> np.ndarray:
        """Labels of other lists: (Q, M) database rows or -1 -> (Q, M) bool; False if not in topk.

        For another descriptor's candidates, or a re-ranked order.
        """
        size = 1 + max(self.topk.max(initial=0), candidates.max(initial=0))
        offset = size * np.arange(len(self.topk))[:, None]
        positive = (offset + self.topk)[self.labels & (self.topk >= 0)]
        return np.isin(offset + candidates, positive) & (candidates >= 0)


def label_path(folder: str | os.PathLike, scene: str, split: str, method: str = "scores") -> Path:
    """Where the labels of a scene lie; method: "scores" (matches, official) or "geometry"."""
    role = "db" if split == "train" else "query"
    return Path(folder) / f"lamar_{method}_{scene}_{role}.npz"


def save_labels(path: str | os.PathLike, content: LabelFile) -> None:
    """Write a label file, all or nothing."""
    arrays: dict[str, Any] = {"topk": content.topk, "labels": content.labels}
    more = {name: getattr(content, name) for name in ("num_pos", "names", "database")}
    arrays |= {name: array for name, array in more.items() if array is not None}
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)


def load_labels(
    path: str | os.PathLike, num_queries: int, num_database: int, num_candidates: int
) -> LabelFile:
    """Read a label file of a scene with these numbers of images, N columns >= num_candidates.

    Rows are as the file has them. Raises InputError where the file does not fit.
    """
    content = _read_arrays(path)
    topk, num_pos = content.topk, content.num_pos
    if topk.shape[0] != num_queries:
        raise InputError(f"{path}: {topk.shape[0]} queries, the scene has {num_queries}")
    if topk.shape[1] < num_candidates:
        raise InputError(
            f"{path}: {topk.shape[1]} candidates a query, {num_candidates} are needed (model.K, L)"
        )
    wrong = (topk < -1) | (topk >= num_database)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise InputError(
            f"{path}: topk[{row}, {column}] is {topk[row, column]}, the database of the scene has "
            f"{num_database} images"
        )
    ordered = np.sort(topk, axis=1)
    again = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    if again.any():
        row, column = np.argwhere(again)[0]
        raise InputError(f"{path}: topk[{row}] lists {ordered[row, column]} twice")
    if num_pos is not None and (num_pos < 0).any():
        raise InputError(f"{path}: num_pos[{int(np.argmin(num_pos))}] is negative")
    _check_names(path, "names", content.names, num_queries)
    _check_names(path, "database", content.database, num_database)
    return replace(content, labels=content.labels & (topk >= 0))


def _check_names(path: str | os.PathLike, array: str, names: np.ndarray | None, num: int) -> None:
    if names is None:
        return
    if names.shape != (num,) or names.dtype.kind != "U":
        raise InputError(
            f"{path}: {array} {names.dtype} {names.shape} should be text of shape ({num},)"
        )
    values, counts = np.unique(names, return_counts=True)
    if len(values) < num:
        raise InputError(f"{path}: {array} has '{values[counts.argmax()]}' twice")


def _read_arrays(path: str | os.PathLike) -> LabelFile:
    if not Path(path).is_file():
        raise MissingFileError(f"{path}: no such label file (gcsa lamar.labels computes one)")
    arrays = load_npz(path, expected="a label file, .npz")
    for name in ("topk", "labels"):
        if name not in arrays:
            raise InputError(f"{path}: no array '{name}', only {', '.join(arrays) or 'none'}")
    topk, labels, num_pos = arrays["topk"], arrays["labels"], arrays.get("num_pos")
    if topk.ndim != 2 or labels.shape != topk.shape or topk.dtype.kind not in "iu":
        raise InputError(
            f"{path}: topk {topk.dtype} {topk.shape} and labels {labels.shape} should be (Q, N), "
            "topk whole numbers"
        )
    if labels.dtype != bool and not np.isin(labels, (0, 1)).all():
        raise InputError(f"{path}: labels are neither bool nor 0 and 1")
    if num_pos is not None and (num_pos.shape != topk.shape[:1] or num_pos.dtype.kind not in "iu"):
        raise InputError(f"{path}: num_pos {num_pos.dtype} {num_pos.shape} should be (Q,) integers")
    num_pos = None if num_pos is None else num_pos.astype(np.int64)
    named = {name: arrays.get(name) for name in ("names", "database")}
    return LabelFile(topk.astype(np.int64), labels.astype(bool), num_pos, **named)


def without_own(topk: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lists of database images as queries, each image removed from its own, padded at the end."""
    own = topk == np.arange(len(topk))[:, None]
    order = np.argsort(own, axis=1, kind="stable")
    topk, labels = (np.take_along_axis(a, order, axis=1) for a in (topk, labels))
    own = np.take_along_axis(own, order, axis=1)
    return np.where(own, -1, topk), labels & ~own
