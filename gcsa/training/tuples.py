"""Mined tuples as ranked lists of the training scenes: a query's positive, then its negatives.

The miner works with descriptors as the network made them some queries ago; the loss sees them as
they are now. Liu, Li, Dai: "Stochastic Attraction-Repulsion Embedding", ICCV 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from gcsa.config import Config
from gcsa.descriptors.table import Table
from gcsa.errors import InputError
from gcsa.evaluation.truth import Truth
from gcsa.losses.mining import MiningConfig, TupleMiner
from gcsa.ranking.batches import RankedScene
from gcsa.ranking.lists import Ranking
from gcsa.scoring.split import JudgedScene
from gcsa.training.optimisation import decays


class TupleLists:
    """The tuples of the training queries of some scenes, drawn anew for some of them at a time.

    table: of the scenes. queries: of each scene the rows that have a database image at the
    distance of a positive and one at that of a negative; the others are never trained on.
    """

    def __init__(self, scenes: Sequence[JudgedScene], table: Table, config: MiningConfig):
        self.scenes, self.table, self.size = scenes, table, 1 + config.negatives
        random = np.random.default_rng()  # until `start` replaces it
        places = []
        for s in scenes:
            if not isinstance(s.truth, Truth) or s.scene.database.positions is None:
                raise InputError(f"{s.scene.name}: train.mining: its images have no positions")
            places.append((s.truth.positions, s.scene.database.positions))
        self._miners = [TupleMiner(*pair, config, random) for pair in places]
        self.queries = [with_tuple(*pair, config) for pair in places]
        if not any(map(len, self.queries)):
            raise no_tuple(config)

    def start(self, *seed: int) -> None:
        """From here on all that is drawn at random follows from ``seed``."""
        for number, miner in enumerate(self._miners):
            miner.generator = np.random.default_rng([*seed, number])

    def draw(self, queries: np.ndarray, described: Tensor) -> list[RankedScene]:
        """The scenes with lists (Q, 1 + negatives) for the (M, 2) pairs (scene, query), else empty.

        described: (n, D), what the network makes of each image of the table. The first entry of a
        list is relevant, the others are not.
        """
        return [
            self._drawn(number, np.unique(queries[queries[:, 0] == number, 1]), described)
            for number in range(len(self.scenes))
        ]

    def _drawn(self, number: int, rows: np.ndarray, described: Tensor) -> RankedScene:
        ranked = self.scenes[number]
        index = np.full((len(ranked.scene.queries), self.size), -1, dtype=np.int64)
        if len(rows):
            own, database = self._described(number, described)
            found = self._miners[number].mine(rows, own, database)
            index[rows] = np.column_stack([found.positives, found.negatives])
        relevant = index >= 0
        scores = np.where(relevant, 0, -np.inf).astype(np.float32)
        relevant[:, 1:] = False
        return replace(ranked, candidates=Ranking(index, scores), labels=relevant)

    def _described(self, number: int, described: Tensor) -> tuple[Tensor, Tensor]:
        """The queries' part of ``described`` and the database's."""
        scene, first = self.scenes[number].scene, np.zeros(1, dtype=np.int64)
        own, database = self.table.rows(number, first, first[:, None])[0]
        return (
            described[own : own + len(scene.queries)],
            described[database : database + len(scene.database)],
        )

    def state(self) -> list[Tensor]:
        """The negatives that are remembered, which a resumed run needs."""
        return [torch.from_numpy(miner.cache) for miner in self._miners]

    def load_state(self, state: Sequence[Tensor]) -> None:
        for miner, cache in zip(self._miners, state, strict=True):
            miner.cache[:] = cache.numpy()


def renewal(config: Config, epoch: int) -> int:
    """Steps of an epoch, the first is 1, for which descriptors are compared once.

    ``mining.growth``: the cache of NetVLAD's and SARE's MATLAB code is renewed half as often each
    time that the rate is halved.
    """
    queries = config.train.remine * config.mining.growth ** decays(config.train, epoch - 1)
    return -(-queries // config.data.batch_size)


def with_tuple(queries: np.ndarray, database: np.ndarray, config: MiningConfig) -> np.ndarray:
    """Rows of the queries with a positive (``nearest`` to ``farthest``) and with a negative."""
    tree = cKDTree(database[np.isfinite(database).all(axis=1)])
    known = np.flatnonzero(np.isfinite(queries).all(axis=1))
    within, too_near, not_negative = (
        tree.query_ball_point(queries[known], reach, return_length=True)
        for reach in (config.farthest, config.nearest, config.negative)
    )
    return known[(within > too_near) & (not_negative < tree.n)]


def no_tuple(config: MiningConfig) -> InputError:
    """What is wrong where no query has a tuple."""
    return InputError(
        "train.mining: no query of the training scenes has a database image farther than "
        f"{config.nearest} m and up to {config.farthest} m away (mining.nearest, "
        f"mining.farthest), and another one beyond {config.negative} m (mining.negative)"
    )
