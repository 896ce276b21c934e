"""Which images to match, told from camera poses: the k nearest, or those that see most in common.

hloc's pairs_from_poses ranks by distance alone. Here pairs may also be ranked by how much their
fields of view overlap (:mod:`gcsa.sideinfo.fov`), so that a camera that looks the other way is not
matched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from gcsa.errors import InputError
from gcsa.ranking.lists import Ranking
from gcsa.sideinfo import fov, heading
from gcsa.sideinfo.fov import FovConfig

# Pairs looked at together, or those of one query: bounds the memory, however dense cameras stand.
PAIRS = 1 << 18


@dataclass(frozen=True, eq=False)
class Cameras:
    """Known poses: names (n,) str; positions (n, 2) or (n, 3), metres; headings (n,), radians.

    NaN is unknown. headings: None for none at all.
    """

    names: np.ndarray
    positions: np.ndarray
    headings: np.ndarray | None


# Pairs (i, j) of a query and a database image and their distance, each (m,) -> score, or -inf
# for a pair to leave out.
Score = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def by_overlap(
    queries: Cameras, database: Cameras, num: int, least: float, config: FovConfig
) -> Ranking:
    """The ``num`` database images whose fields of view overlap most with each query's.

    Scores are overlaps, above ``least`` (share of a field, 0 to 1); equal ones come in database
    order. Unknown poses overlap with nothing; nor do cameras on two levels (``config.height``,
    where heights are known).
    """
    towards, directed = queries.headings, database.headings
    if towards is None or directed is None:
        raise InputError(
            "pairs by overlap need headings, and there are none (--by distance needs none)"
        )

    def score(i: np.ndarray, j: np.ndarray, metres: np.ndarray) -> np.ndarray:
        known = np.isfinite(towards[i] + directed[j])
        known &= np.abs(_rise(queries, database, i, j)) <= config.height
        i, j = i[known], j[known]
        a, b = queries.positions[i, :2], database.positions[j, :2]
        poses = a, towards[i], b, directed[j]
        overlap = np.full(len(known), -np.inf)
        overlap[known] = fov.overlap_of_pairs(*poses, **config.kwargs())
        return np.where(overlap > least, overlap, -np.inf)

    return _best(queries, database, num, 2 * config.radius, score)


def by_distance(
    queries: Cameras, database: Cameras, num: int, most: float, turn: float = np.pi
) -> Ranking:
    """The ``num`` database images nearest to each query, at most ``most`` metres away.

    Scores are negative distances, in 3D where heights are known; equal ones come in database
    order. turn: radians that headings may differ by; unknown ones may by any angle.
    """

    def score(i: np.ndarray, j: np.ndarray, metres: np.ndarray) -> np.ndarray:
        near = metres <= most
        if turn < np.pi and queries.headings is not None and database.headings is not None:
            near &= ~(heading.difference(queries.headings[i], database.headings[j]) > turn)
        return np.where(near, -metres, -np.inf)

    return _best(queries, database, num, most, score)


def _best(queries: Cameras, database: Cameras, num: int, reach: float, score: Score) -> Ranking:
    """The ``num`` best of the pairs at most ``reach`` metres apart on the ground."""
    rows = np.flatnonzero(np.isfinite(database.positions).all(1))
    known = np.flatnonzero(np.isfinite(queries.positions).all(1))
    tree = cKDTree(database.positions[rows, :2])
    shape = len(queries.names), num
    indices, scores = np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32)
    around = reach * (1 + 1e-9)
    counts = tree.query_ball_point(queries.positions[known, :2], around, return_length=True)
    for own in _chunks(known, counts):
        near = tree.query_ball_point(queries.positions[own, :2], around)
        i = np.repeat(own, [len(n) for n in near])
        j = rows[np.concatenate([np.asarray(n, dtype=np.int64) for n in near])]
        other = queries.names[i] != database.names[j]
        i, j = i[other], j[other]
        metres = _metres(queries, database, i, j)
        found = score(i, j, metres)
        order = np.lexsort((j, -found, i))
        order = order[np.isfinite(found[order])]
        i, j, found = i[order], j[order], found[order]
        place = np.arange(len(i)) - np.searchsorted(i, i)
        kept = place < num
        indices[i[kept], place[kept]], scores[i[kept], place[kept]] = j[kept], found[kept]
    return Ranking(indices, scores)


def _chunks(queries: np.ndarray, counts: np.ndarray) -> Iterator[np.ndarray]:
    """The queries (n,) in parts of at most PAIRS pairs, or of one; counts: (n,) pairs of each."""
    start, total = 0, 0
    for end, count in enumerate(counts.tolist()):
        if total + count > PAIRS and end > start:
            yield queries[start:end]
            start, total = end, 0
        total += count
    if start < len(queries):
        yield queries[start:]


def _metres(queries: Cameras, database: Cameras, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    east, north = (queries.positions[i, :2] - database.positions[j, :2]).T
    # Not hypot: on a grid equal distances must come out equal, whatever the order of the axes.
    return np.sqrt(east**2 + north**2 + _rise(queries, database, i, j) ** 2)


def _rise(queries: Cameras, database: Cameras, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Differences in height (m,); 0 where heights are not known."""
    if queries.positions.shape[1] < 3 or database.positions.shape[1] < 3:
        return np.zeros(len(i))
    return queries.positions[i, 2] - database.positions[j, 2]
