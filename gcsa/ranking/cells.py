"""Where the query's device says it is chooses the database images that looks are compared with."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gcsa.errors import given
from gcsa.ranking.lists import Ranking
from gcsa.ranking.search import own_rows
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.whereabouts import ACCURACY

logger = logging.getLogger(__name__)

# Metres: the side of a cell, some views wide.
CELL = 100.0


@dataclass(frozen=True, eq=False)
class Grid:
    """Images by the square cells in which they stand; those of unknown position are in none.

    rows: (m,) images by their cells, column by column of the map. keys: (m,) the cells of these,
    ascending. height: cells of a column, and one between columns.
    """

    rows: np.ndarray
    keys: np.ndarray
    corner: np.ndarray
    height: int

    @classmethod
    def of(cls, positions: np.ndarray) -> Grid:
        """The grid of positions (n, 2+), metres; NaN is unknown."""
        known = np.flatnonzero(np.isfinite(positions).all(axis=1))
        places = positions[known, :2]
        corner = places.min(axis=0) if len(known) else np.zeros(2)
        x, y = ((places - corner) // CELL).astype(np.int64).T
        height = int(y.max(initial=0)) + 2
        keys = x * height + y
        order = np.argsort(keys)  # within() sorts what it takes of a cell
        return cls(known[order], keys[order], corner, height)

    def within(self, position: np.ndarray, radius: float) -> np.ndarray:
        """The images, ascending, in all cells that a square of that half side touches."""
        low, high = ((position + way * radius - self.corner) // CELL for way in (-1, 1))
        last = int(self.keys[-1]) // self.height if len(self.keys) else -1
        columns = np.arange(max(0, int(low[0])), min(last, int(high[0])) + 1)
        bottom, top = max(0, int(low[1])), min(self.height - 2, int(high[1]))
        if bottom > top:
            return np.empty(0, dtype=np.int64)
        starts = np.searchsorted(self.keys, columns * self.height + bottom)
        ends = np.searchsorted(self.keys, columns * self.height + top, side="right")
        parts = [self.rows[a:b] for a, b in zip(starts, ends, strict=True)]
        return np.sort(np.concatenate([np.empty(0, dtype=np.int64), *parts]))


def near_devices(
    scene: Scene, num: int, grid: Grid, within: float, everywhere: Callable[[Scene], Ranking]
) -> Ranking:
    """``num`` images of each query, of those in the cells about its device's position; padded.

    grid: of the database. within: the cells are those within so many times the accuracy that the
    device states. Queries without a position, and those without an image in their cells, are
    searched ``everywhere``, and counted.
    """
    places = given(scene.queries.positions, f"{scene.name}: what devices say")
    chosen: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * len(scene.queries)
    known, reach = np.isfinite(places).all(axis=1), within * _accuracy(scene.queries)
    for query in np.flatnonzero(known):
        chosen[query] = grid.within(places[query, :2], float(reach[query]))
    empty = np.array([len(rows) == 0 for rows in chosen])
    text = (
        "%s: %d of %d queries are compared with what is near their device's position; %d have "
        "nothing near it and %d no position: they are compared with everything"
    )
    counts = int((~empty).sum()), len(empty), int((empty & known).sum()), int((~known).sum())
    logger.info(text, scene.name, *counts)
    indices = np.full((len(empty), num), -1, dtype=np.int64)
    scores = np.full((len(empty), num), -np.inf, dtype=np.float32)
    own = own_rows(scene)
    for query in np.flatnonzero(~empty):
        rows = chosen[query][chosen[query] != own[query]]
        _fill(scene, int(query), rows, indices[query], scores[query])
    if empty.any():
        rest = replace(scene, queries=scene.queries.of_rows(np.flatnonzero(empty)))
        found = everywhere(rest)
        indices[empty], scores[empty] = found.indices, found.scores
    return Ranking(indices, scores)


def _accuracy(queries: ImageSet) -> np.ndarray:
    """Metres, 68 %, that the devices state, or that are taken for them: (Q,)."""
    if queries.accuracy is None:
        return np.full(len(queries), ACCURACY)
    return np.where(np.isnan(queries.accuracy), ACCURACY, queries.accuracy)


def _fill(
    scene: Scene, query: int, rows: np.ndarray, indices: np.ndarray, scores: np.ndarray
) -> None:
    """Write a query's best of ``rows`` (m,), ascending, into its list; equal ones by row."""
    them = np.asarray(scene.database.descriptors[rows], dtype=np.float32)
    one = np.asarray(scene.queries.descriptors[query : query + 1], dtype=np.float32)[0]
    similar = them @ one
    best = np.argsort(-similar, kind="stable")[: len(indices)]
    indices[: len(best)], scores[: len(best)] = rows[best], similar[best]
