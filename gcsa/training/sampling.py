"""Which queries training sees, and in which order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from gcsa.scoring.split import JudgedScene


class Sampler:
    """The training queries of some scenes, and an order of them for each epoch.

    scenes: with labels. K: candidates that are re-ranked. with_positives: queries with a relevant
    one among those only. nearby: queries are drawn in groups of so many that lie near each other,
    whose lists have candidates in common; 1 draws each by itself. queries: the rows of the
    training queries of each scene, where labels are not to decide.
    """

    def __init__(
        self,
        scenes: Sequence[JudgedScene],
        K: int,
        with_positives: bool,
        nearby: int,
        queries: Sequence[np.ndarray] | None = None,
    ):
        self.nearby = nearby
        self._queries = queries or [
            np.flatnonzero(s.relevant[:, :K].any(axis=1))
            if with_positives
            else np.arange(len(s.relevant))
            for s in scenes
        ]
        if nearby > 1:
            places = [s.judged.positions[q, :2] for s, q in zip(scenes, self._queries, strict=True)]
            self._queries = [
                q[_along(p, nearby)] for q, p in zip(self._queries, places, strict=True)
            ]

    def __len__(self) -> int:
        return sum(len(q) for q in self._queries)

    def epoch(self, generator: np.random.Generator) -> np.ndarray:
        """All queries once, as (M, 2) pairs (scene, query), in a new order."""
        groups = []
        for number, queries in enumerate(self._queries):
            pairs = np.stack([np.full(len(queries), number), queries], axis=1)
            # Where the groups begin changes with the epoch, so that others meet.
            pairs = np.roll(pairs, generator.integers(self.nearby), axis=0)
            cuts = np.arange(self.nearby, len(pairs), self.nearby)
            groups += np.split(pairs, cuts) if len(pairs) else []
        return np.concatenate([groups[i] for i in generator.permutation(len(groups))])


def _along(positions: np.ndarray, nearby: int) -> np.ndarray:
    """An order (n,) of positions (n, 2), NaN unknown, in which neighbours follow each other.

    It is that of the leaves of a KD-tree.
    """
    known = np.flatnonzero(np.isfinite(positions).all(axis=1))
    if len(known) == 0:
        return np.arange(len(positions))
    order = cKDTree(positions[known], leafsize=nearby).indices
    return np.concatenate([known[order], np.setdiff1d(np.arange(len(positions)), known)])
