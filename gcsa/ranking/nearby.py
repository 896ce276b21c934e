"""Database images near where a query's device says it is join its list: looks alone do not always
list the place.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from gcsa.ranking.lists import Ranking
from gcsa.ranking.search import own_rows
from gcsa.scene import Scene


def with_nearby(scene: Scene, candidates: Ranking, num: int) -> Ranking:
    """The lists, longer by the ``num`` database images nearest to each query's device position.

    Images that a list holds already join no second time; lists stay sorted by similarity, and
    where nothing is known of a query its own stays as it is.
    """
    queries, database = scene.queries.positions, scene.database.positions
    if num < 1 or queries is None or database is None:
        return candidates
    known = np.flatnonzero(np.isfinite(database).all(1))
    asked = np.flatnonzero(np.isfinite(queries).all(1))
    if len(known) == 0 or len(asked) == 0:
        return candidates
    found = cKDTree(database[known, :2]).query(queries[asked, :2], min(num, len(known)))[1]
    near = known[found.reshape(len(asked), -1)]
    added = np.full((len(candidates), near.shape[1]), -1, dtype=np.int64)
    added[asked] = np.where(_listed(near, candidates.indices[asked]), -1, near)
    added[added == own_rows(scene)[:, None]] = -1
    indices = np.concatenate([candidates.indices, added], axis=1)
    scores = np.concatenate([candidates.scores, similarities(scene, added)], axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")
    return Ranking(*(np.take_along_axis(a, order, axis=1) for a in (indices, scores)))


def _listed(near: np.ndarray, lists: np.ndarray) -> np.ndarray:
    """Whether each image (q, m) is in its query's list (q, N): (q, m) bool."""
    return np.stack([np.isin(a, b) for a, b in zip(near, lists, strict=True)])


def similarities(scene: Scene, rows: np.ndarray) -> np.ndarray:
    """Inner products (Q, m) float32 of queries and database rows, -inf where a row is -1."""
    scores = np.full(rows.shape, -np.inf, dtype=np.float32)
    for query, listed in enumerate(rows):
        kept = listed >= 0
        if kept.any():
            own = np.asarray(scene.queries.descriptors[query : query + 1], dtype=np.float32)
            them = np.asarray(scene.database.descriptors[listed[kept]], dtype=np.float32)
            scores[query, kept] = them @ own[0]
    return scores
