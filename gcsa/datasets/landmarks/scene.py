"""Oxford and Paris buildings, classic and revisited: their files -> (Scene, ListedTruth).

``gnd_<dataset>.pkl`` lists the images ("imlist", "qimlist") and says for each query which of them
are easy, hard and junk, or, in the classic benchmarks, ok and junk. Descriptors are in files by
row number (:mod:`gcsa.datasets.landmarks.features`); nothing is known of positions or headings. The
million distractors of R1M go behind the database, so that the numbers of the lists stay right.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from gcsa.datasets.landmarks.features import open_features, stored_names
from gcsa.descriptors.hdf5 import DescriptorRows
from gcsa.descriptors.stacked import Stacked
from gcsa.errors import InputError
from gcsa.evaluation.listed import ListedTruth, rows_to_lists
from gcsa.files import pickles, reading
from gcsa.scene import ImageSet, Scene

DATASETS = "oxford5k paris6k roxford5k rparis6k".split()
CLASSIC, REVISITED = ("ok", "junk"), ("easy", "hard", "junk")


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The content of a gnd file: names (n,) and (q,) str, and the lists of each query."""

    database: np.ndarray
    queries: np.ndarray
    truth: ListedTruth


def read_scene(
    gnd: str | os.PathLike,
    features: str | os.PathLike | None = None,
    distractors: str | os.PathLike | None = None,
) -> tuple[Scene, ListedTruth]:
    """Read one data set; it is named by ``gnd``, the path of its ``gnd_<dataset>.pkl``.

    features: .pkl or .npz with the descriptors "db" (n, D) and "query" (q, D), in the order of
        imlist and qimlist; without it the scene's descriptors are None.
    distractors: .pkl or .npy of one array (M, D), appended to the database.

    Names are those of imlist and qimlist. In the classic benchmarks a query is a part of a
    database image, which is an image to be found: where a name is in both lists, queries are
    named ``query/<name>``. Distractors are named ``distractor/<number>``. Raises InputError,
    which names file and query.
    """
    gnd = Path(gnd)
    known = read_ground_truth(gnd)
    if features is None and distractors is not None:
        raise InputError(f"{distractors}: distractors need the descriptors of the others, too")
    sets = {"db": known.database, "query": known.queries}
    rows: dict[str, Any] = dict.fromkeys(sets)
    if features is not None:
        rows = {role: _descriptors(Path(features), role, names) for role, names in sets.items()}
    database, truth = ImageSet(known.database, rows["db"]), known.truth
    if distractors is not None:
        others = open_features(distractors, None, width=rows["db"].shape[1])
        database = _with_distractors(database, others)
        truth = _widened(truth, len(database))
    overlap = np.isin(known.queries, known.database).any()
    names = np.char.add("query/", known.queries) if overlap else known.queries
    name = gnd.stem.removeprefix("gnd_")
    return Scene(name, database, ImageSet(names, rows["query"])), truth


def read_ground_truth(path: str | os.PathLike) -> GroundTruth:
    """Read a gnd file; InputError names the query and the list that cannot be right."""
    path = Path(path)
    content = pickles.load(path)
    for key in ("imlist", "qimlist", "gnd"):
        if not isinstance(content, dict) or key not in content:
            raise InputError(f"{path}: has no '{key}'; expected imlist, qimlist and gnd")
    with reading(path, "names in imlist and qimlist, and a list gnd"):
        database, queries = (np.array(content[k], dtype=str) for k in ("imlist", "qimlist"))
        entries = list(content["gnd"])
        if database.ndim != 1 or queries.ndim != 1:
            raise ValueError(f"imlist and qimlist have shapes {database.shape} and {queries.shape}")
    if len(entries) != len(queries):
        raise InputError(f"{path}: gnd has {len(entries)} entries, qimlist {len(queries)} names")
    if not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f"{path}: gnd: expected a dict for each query")
    names = REVISITED if any("easy" in entry for entry in entries) else CLASSIC
    lists = {name: _lists(path, entries, name, names, len(database)) for name in names}
    return GroundTruth(database, queries, ListedTruth(lists))


def _lists(
    path: Path, entries: Sequence[dict], name: str, names: Sequence[str], database: int
) -> csr_array:
    """The list ``name`` of every query, (q, database)."""
    rows = []
    for query, entry in enumerate(entries):
        if name not in entry:
            raise InputError(
                f"{path}: gnd[{query}] has no '{name}', only {', '.join(map(str, entry))}; "
                f"expected {', '.join(names)}"
            )
        rows.append(_rows(entry[name], f"{path}: gnd[{query}]['{name}']"))
    return rows_to_lists(rows, database, f"{path}: '{name}'")


def _rows(value: Any, where: str) -> np.ndarray:
    """A list of row numbers as int64; an empty one may be of any type."""
    with reading(where, "row numbers of imlist"):
        array = np.asarray(value).ravel()
    if array.size and (array.dtype.kind not in "iuf" or (array != np.floor(array)).any()):
        raise InputError(f"{where}: expected row numbers of imlist, got {array[:3]}")
    return array.astype(np.int64)


def _descriptors(path: Path, role: str, names: np.ndarray) -> DescriptorRows:
    """The descriptors of the images ``names``; the file's own names, where it has any, agree."""
    own = stored_names(path, role)
    array = open_features(path, role, rows=len(names), names=names)
    if own is not None and not np.array_equal(own, names):
        row = int((own != names).argmax()) if len(own) == len(names) else len(names)
        raise InputError(f"{path}: '{role}': row {row} is not of the image that the gnd file has")
    return DescriptorRows(array, np.arange(len(array)))


def _with_distractors(database: ImageSet, others: np.ndarray) -> ImageSet:
    numbers = np.char.zfill(np.arange(len(others)).astype(str), 7)
    names = np.concatenate([database.names, np.char.add("distractor/", numbers)])
    rows = DescriptorRows(others, np.arange(len(others)))
    return ImageSet(names, Stacked([database.descriptors, rows]))


def _widened(truth: ListedTruth, database: int) -> ListedTruth:
    """The same lists for a larger database, behind whose first images nothing is relevant."""
    shape = (truth.shape[0], database)
    return ListedTruth(
        {n: csr_array((c.data, c.indices, c.indptr), shape) for n, c in truth.lists.items()}
    )
