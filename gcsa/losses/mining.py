"""Training tuples: a query, its nearest true match and the database images that look most alike.

Arandjelovic et al.: "NetVLAD", CVPR 2016, weakly supervised by positions; without its margin, as
in Liu, Li, Dai: "Stochastic Attraction-Repulsion Embedding", ICCV 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gcsa.errors import InputError

# Queries are taken in blocks of this many (query, database image) cells, 32 MB of distances, and
# their descriptors compared in blocks of this many numbers, which stay in the processor's cache.
CELLS = 4_000_000
NUMBERS = 2_000_000


@dataclass
class MiningConfig:
    """Section ``mining``: which database images may stand in a query's training tuple."""

    nearest: float = 1.0  # metres; a positive is farther away than this
    farthest: float = 10.0  # metres; and at most so far
    negative: float = 25.0  # metres; a negative is farther away than this
    draws: int = 1000  # negatives drawn at random each time
    negatives: int = 10  # the hardest that are kept
    growth: int = 1  # of train.remine, each time that the rate decays; NetVLAD and SARE: 2


@dataclass(frozen=True, eq=False)
class Tuples:
    """Rows of the query set and of the database; -1 where there is none.

    queries: (Q,); positives: (Q,); negatives: (Q, n), the hardest first. int64.
    """

    queries: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray


class TupleMiner:
    """Draws the tuples of a scene and remembers the hardest negatives of each query.

    query_positions, database_positions: (n, 2) or (n, 3) metres; one with NaN is unknown, and is
    neither a positive nor a negative.
    """

    def __init__(
        self,
        query_positions: np.ndarray,
        database_positions: np.ndarray,
        config: MiningConfig,
        generator: np.random.Generator,
    ):
        _check(config)
        self.query_positions, self.database_positions = query_positions, database_positions
        self.config, self.generator = config, generator
        self.cache = np.full((len(query_positions), config.negatives), -1, dtype=np.int64)

    def mine(self, queries: np.ndarray, query_features: Tensor, features: Tensor) -> Tuples:
        """The tuples of some queries, given as rows.

        query_features: (n_q, D), features: (n_d, D), of all queries and the whole database, as
        the network describes them now or did some steps ago; on any one device.

        The positive is the nearest in feature space of those near enough on the ground; the
        negatives are the nearest of the cached ones and ``draws`` others, which become the cache.
        """
        queries = np.asarray(queries, dtype=np.int64)
        positives = np.full(len(queries), -1, dtype=np.int64)
        step = max(1, CELLS // len(self.database_positions))
        for start in range(0, len(queries), step):
            block = slice(start, start + step)
            rows, ground = queries[block], self._squared_metres(queries[block])
            own = query_features[torch.from_numpy(rows).to(query_features.device)]
            positives[block] = self._positives(ground, own, features)
            self.cache[rows] = self._negatives(rows, ground, own, features)
        return Tuples(queries, positives, self.cache[queries])

    def _squared_metres(self, rows: np.ndarray) -> np.ndarray:
        """(Q, n_d) squared distances on the ground, axis by axis to hold few of them at once."""
        total = np.zeros((len(rows), len(self.database_positions)))
        axes = zip(self.query_positions[rows].T, self.database_positions.T, strict=True)
        for ours, theirs in axes:
            total += (ours[:, None] - theirs) ** 2
        return total

    def _positives(self, ground: np.ndarray, own: Tensor, features: Tensor) -> np.ndarray:
        near = (ground > self.config.nearest**2) & (ground <= self.config.farthest**2)
        index = np.where(near, np.arange(near.shape[1]), -1)
        best = _squared_distances(own, features, index).argmin(axis=1)
        return np.take_along_axis(index, best[:, None], axis=1)[:, 0]

    def _negatives(
        self, rows: np.ndarray, ground: np.ndarray, own: Tensor, features: Tensor
    ) -> np.ndarray:
        drawn = self._draw(ground > self.config.negative**2)
        index = np.sort(np.concatenate([drawn, self.cache[rows]], axis=1), axis=1)
        index[:, 1:][index[:, 1:] == index[:, :-1]] = -1  # drawn and cached: once is enough
        distance = _squared_distances(own, features, index)
        hardest = np.argsort(distance, axis=1, kind="stable")[:, : self.config.negatives]
        return np.take_along_axis(index, hardest, axis=1)

    def _draw(self, far: np.ndarray) -> np.ndarray:
        """``draws`` columns of each row of the mask, all different; -1 where it has fewer."""
        keys = self.generator.random(far.shape, dtype=np.float32)
        keys[~far] = np.inf
        count = min(self.config.draws, far.shape[1])
        if count == 0:
            return np.empty((len(far), 0), dtype=np.int64)
        index = np.argpartition(keys, count - 1, axis=1)[:, :count]
        return np.where(np.take_along_axis(far, index, axis=1), index, -1)


def _squared_distances(own: Tensor, features: Tensor, index: np.ndarray) -> np.ndarray:
    """Squared L2 distances of queries (Q, D) to rows (Q, C) of the features; inf where -1.

    Differences are squared one by one: no cancellation between near descriptors.
    """
    result = np.full(index.shape, np.inf, dtype=np.float32)
    rows, columns = np.nonzero(index >= 0)
    step = max(1, NUMBERS // features.shape[1])
    for start in range(0, len(rows), step):
        here = rows[start : start + step], columns[start : start + step]
        ours = own[torch.from_numpy(here[0]).to(own.device)]
        theirs = features[torch.from_numpy(index[here]).to(features.device)]
        result[here] = (ours.float() - theirs.float()).square().sum(1).cpu().numpy()
    return result


def _check(config: MiningConfig) -> None:
    """Raise InputError, naming the key, where the settings exclude every tuple."""
    if not 0 <= config.nearest < config.farthest:
        raise InputError(
            f"mining.farthest: {config.farthest} is not above mining.nearest, {config.nearest}"
        )
    if not config.negative >= config.farthest:
        raise InputError(
            f"mining.negative: {config.negative} is less than mining.farthest, {config.farthest}"
        )
    for key in ("draws", "negatives", "growth"):
        if (value := getattr(config, key)) < 1:
            raise InputError(f"mining.{key}: {value} is less than 1")
