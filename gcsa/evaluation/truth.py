"""Truth: what the benchmark knows, and a scorer must never see.

Labels and numbers of relevant images are made here, from the true poses of the queries. Nothing
that computes a score may import this module.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from gcsa.errors import InputError, given
from gcsa.scene import EARTH, MOST_TURNED, Scene, check_range
from gcsa.sideinfo import rules
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import OVERLAP, Poses, Rule

# Query-database pairs handled at a time: bounds the memory, some hundred bytes a pair.
CHUNK = 1 << 20


@dataclass(frozen=True, eq=False)
class Judged:
    """The content of a label file: which database images are relevant to each query.

    relevant: (q, n) csr_array bool. num_relevant: (q,) int64, of the whole database. depth: how
    many candidates of each query were judged; others count as not relevant. topk: (q, depth) int64,
    those candidates, best first, -1 for padding: a first round too. published: whether the file is
    of the published ones, which name no images.
    """

    relevant: csr_array
    num_relevant: np.ndarray
    topk: np.ndarray
    published: bool

    @property
    def depth(self) -> int:
        return self.topk.shape[1]

    def of_rows(self, rows: np.ndarray) -> Judged:
        """What is said of some queries."""
        return Judged(self.relevant[rows], self.num_relevant[rows], self.topk[rows], self.published)


@dataclass(frozen=True, eq=False)
class Clusters:
    """Which thing each image shows: queries (q,) and database (n,) int64, equal where alike."""

    queries: np.ndarray
    database: np.ndarray


@dataclass(frozen=True, eq=False)
class Truth:
    """The true poses of a scene's queries, row by row.

    positions: (q, 2) or (q, 3) float64, metres, in the frame of the database; NaN is unknown.
    headings: (q,) float64, radians clockwise from north; NaN is unknown; None for none at all.
    judged: which pairs a label file calls relevant; None where there is none.
    clusters: what the images show, in data sets that are labelled so; else None.
    """

    positions: np.ndarray
    headings: np.ndarray | None = None
    judged: Judged | None = None
    clusters: Clusters | None = None

    def __post_init__(self) -> None:
        q = len(self.positions)
        if self.positions.ndim != 2 or (self.headings is not None and len(self.headings) != q):
            raise InputError(f"truth: {q} positions and headings that do not fit them")
        check_range(self.positions, EARTH, "metres", "truth.positions")
        if self.headings is not None:
            check_range(self.headings, MOST_TURNED, "radians", "truth.headings")


# A rule takes (rule, scene, truth, queries (m,), database (m,), fov) and returns (m,) bool.
Judge = Callable[[Rule, Scene, Truth, np.ndarray, np.ndarray, FovConfig], np.ndarray]


def _within(
    rule: Rule, scene: Scene, truth: Truth, queries: np.ndarray, database: np.ndarray, _: FovConfig
) -> np.ndarray:
    return rules.near(rule, *_poses(scene, truth), queries, database)


def _posed(
    rule: Rule, scene: Scene, truth: Truth, queries: np.ndarray, database: np.ndarray, _: FovConfig
) -> np.ndarray:
    _check_headings(rule, scene, truth)
    return rules.near_and_turned(rule, *_poses(scene, truth), queries, database)


def _fields_overlap(
    rule: Rule, scene: Scene, truth: Truth, queries: np.ndarray, database: np.ndarray, f: FovConfig
) -> np.ndarray:
    _check_headings(rule, scene, truth)
    return rules.overlaps(f, *_poses(scene, truth), queries, database) >= OVERLAP


def _judged_relevant(
    rule: Rule, scene: Scene, truth: Truth, queries: np.ndarray, database: np.ndarray, _: FovConfig
) -> np.ndarray:
    """The label file of that name says so."""
    if truth.judged is None:
        raise InputError(f"{scene.name}: there are no label files for this data set")
    return np.asarray(truth.judged.relevant[queries, database]).ravel()


def _same_cluster(
    rule: Rule, scene: Scene, truth: Truth, queries: np.ndarray, database: np.ndarray, _: FovConfig
) -> np.ndarray:
    """Both images show the same thing, and are not one image (of one name)."""
    clusters = _clusters(scene, truth)
    alike = clusters.queries[queries] == clusters.database[database]
    return _but_own(scene, queries, database, alike)


# By the kinds of gcsa.sideinfo.rules.
JUDGES: dict[str, Judge] = {
    "dist": _within,
    "pose": _posed,
    "fov": _fields_overlap,
    "score": _judged_relevant,
    "geometry": _judged_relevant,
    "cluster": _same_cluster,
}


def labels(
    rule: str, scene: Scene, truth: Truth, candidates: np.ndarray, fov_config: FovConfig
) -> np.ndarray:
    """Whether each candidate is relevant: (Q, N) database rows (-1 is padding) -> (Q, N) bool.

    rule: a text of :mod:`gcsa.sideinfo.rules`.
    """
    named = Rule.of(rule)
    _check(named, scene)
    relevant = np.zeros(candidates.shape, dtype=bool)
    step = max(1, CHUNK // max(1, candidates.shape[1]))
    for start in range(0, len(candidates), step):
        block = candidates[start : start + step]
        queries, columns = np.nonzero(block >= 0)
        relevant[start + queries, columns] = JUDGES[named.kind](
            named, scene, truth, start + queries, block[queries, columns], fov_config
        )
    return relevant


def check_depth(scene: Scene, truth: Truth, num: int) -> None:
    """Raise InputError where a label file judges fewer candidates a query than are in use."""
    if truth.judged is not None and truth.judged.depth < num:
        raise InputError(
            f"{scene.name}: its label file judges {truth.judged.depth} candidates a query, "
            f"{num} are in use (model.K, model.L)"
        )


def num_relevant(rule: str, scene: Scene, truth: Truth, fov_config: FovConfig) -> np.ndarray:
    """How many images of the whole database are relevant to each query: (Q,) int64.

    A query's own image (of the same name) is not relevant to it, as it is no candidate.
    """
    named = Rule.of(rule)
    if JUDGES[named.kind] is _judged_relevant and truth.judged is not None:
        return truth.judged.num_relevant
    if named.kind == "cluster":
        return _others_in_cluster(scene, _clusters(scene, truth))
    _check(named, scene)
    reach = 2 * fov_config.radius if named.kind == "fov" else named.reach
    positions = _positions(scene)
    rows = np.flatnonzero(np.isfinite(positions).all(1))
    tree = cKDTree(positions[rows, :2])
    counts = np.zeros(len(truth.positions), dtype=np.int64)
    known = np.flatnonzero(np.isfinite(truth.positions).all(1))
    for query, near in _near(tree, truth.positions, known, reach * (1 + 1e-9)):
        relevant = JUDGES[named.kind](named, scene, truth, query, rows[near], fov_config)
        relevant = _but_own(scene, query, rows[near], relevant)
        counts += np.bincount(query[relevant], minlength=len(counts))
    return counts


def _near(tree: cKDTree, positions: np.ndarray, queries: np.ndarray, reach: float):
    """Yield (query (m,), database (m,)) index arrays of all pairs within ``reach``, in chunks."""
    for chunk in np.array_split(queries, max(1, len(queries) // 4096)):
        neighbours = tree.query_ball_point(positions[chunk, :2], reach)
        lengths = [len(n) for n in neighbours]
        empty = np.zeros(0, dtype=np.int64)
        flat = np.concatenate([empty, *(np.asarray(n, dtype=np.int64) for n in neighbours)])
        yield np.repeat(chunk, lengths), flat


def _positions(scene: Scene) -> np.ndarray:
    return given(scene.database.positions, f"{scene.name}: positions of the database")


def _but_own(
    scene: Scene, queries: np.ndarray, database: np.ndarray, relevant: np.ndarray
) -> np.ndarray:
    """``relevant`` (m,) bool without the pairs of an image with itself."""
    relevant[relevant] = (
        scene.queries.names[queries[relevant]] != scene.database.names[database[relevant]]
    )
    return relevant


def _clusters(scene: Scene, truth: Truth) -> Clusters:
    if truth.clusters is None:
        raise InputError(
            f"{scene.name}: labels 'cluster': its images are not labelled by what they show"
        )
    return truth.clusters


def _others_in_cluster(scene: Scene, clusters: Clusters) -> np.ndarray:
    """How many images of the database are in the cluster of each query, itself left out."""
    values, counts = np.unique(clusters.database, return_counts=True)
    place = np.searchsorted(values, clusters.queries).clip(max=len(values) - 1)
    alike = np.where(values[place] == clusters.queries, counts[place], 0)
    return alike - np.isin(scene.queries.names, scene.database.names)


def _poses(scene: Scene, truth: Truth) -> tuple[Poses, Poses]:
    """The true poses of the queries, and those of the database."""
    known = scene.database
    return Poses(truth.positions, truth.headings), Poses(_positions(scene), known.headings)


def _check_headings(rule: Rule, scene: Scene, truth: Truth) -> None:
    if truth.headings is None or scene.database.headings is None:
        raise InputError(
            f"{scene.name}: labels '{rule.kind}' need the headings of queries and database"
        )


def _check(rule: Rule, scene: Scene) -> None:
    if rule.kind != "cluster" and scene.database.positions is None:
        raise InputError(
            f"{scene.name}: labels '{rule.kind}' need the positions of the database "
            "(data.train_labels, data.val_labels)"
        )
