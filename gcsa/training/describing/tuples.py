"""Mined tuples: a query, its nearest true match, and the hardest of many others.

Arandjelovic et al.: "NetVLAD", CVPR 2016, and Liu, Li, Dai: "SARE", ICCV 2019; descriptors are
compared as they were some queries ago, and seen by the loss as they are now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gcsa.config import Config
from gcsa.errors import InputError
from gcsa.losses.mining import TupleMiner
from gcsa.training.describing.batches import Step
from gcsa.training.describing.collection import Collection, Placed
from gcsa.training.tuples import no_tuple, renewal, with_tuple

ORDER, MINERS = 0, 1  # what the seed of an epoch's order ends with, and those of its miners


class Tuples:
    """Batches of ``data.batch_size`` queries, each with a positive and ``mining.negatives``."""

    optimizers: Sequence[Optimizer] = ()

    def __init__(self, config: Config, collection: Collection, loss: nn.Module):
        self.config, self.collection, self.loss = config, collection, loss
        for placed in collection.scenes:
            if placed.scene.database.positions is None:
                raise InputError(f"{placed.scene.name}: tuples: its images have no positions")
        pairs = [_positions(placed) for placed in collection.scenes]
        random = np.random.default_rng()  # until an epoch replaces it
        self._miners = [TupleMiner(*pair, config.mining, random) for pair in pairs]
        found = [with_tuple(*pair, config.mining) for pair in pairs]
        if not any(map(len, found)):
            raise no_tuple(config.mining)
        self.queries = np.concatenate(
            [np.stack([np.full(len(q), n), q], axis=1) for n, q in enumerate(found)]
        )
        batches = -(-len(self.queries) // config.data.batch_size)
        self.steps = min(config.descriptor.steps or batches, batches)

    def epoch(self, number: int, describe: Callable[[], Tensor]) -> Iterator[Step]:
        seed, size = self.config.train.seed, self.config.data.batch_size
        order = np.random.default_rng([seed, number, ORDER]).permutation(len(self.queries))
        order = order[: self.steps * size]
        for scene, miner in enumerate(self._miners):
            miner.generator = np.random.default_rng([seed, number, MINERS, scene])
        window = renewal(self.config, number) * size
        for first in range(0, len(order), window):
            block = self.queries[order[first : first + window]]
            tuples = self._mined(block, describe())
            for start in range(0, len(block), size):
                yield self._step(tuples[start : start + size])

    def _mined(self, queries: np.ndarray, described: Tensor) -> np.ndarray:
        """(M, 2 + n) rows of the collection: query, positive, negatives, -1 where there is none."""
        result = np.full((len(queries), 2 + self.config.mining.negatives), -1, dtype=np.int64)
        for number, placed in enumerate(self.collection.scenes):
            here = np.flatnonzero(queries[:, 0] == number)
            if not len(here):
                continue
            own, database = described[placed.queries], described[placed.database]
            found = self._miners[number].mine(queries[here, 1], own, database)
            listed = np.column_stack([found.positives, found.negatives])
            rows = np.where(listed >= 0, placed.database[listed], -1)
            result[here] = np.column_stack([placed.queries[queries[here, 1]], rows])
        return result

    def _step(self, tuples: np.ndarray) -> Step:
        there = torch.from_numpy(tuples[:, 1:] >= 0)
        labels = torch.zeros_like(there)
        labels[:, 0] = True

        def loss(described: Tensor) -> Tensor:
            split = described.unflatten(0, tuples.shape)
            scores = (split[:, :1] * split[:, 1:]).sum(dim=2)
            device = scores.device
            valid = None if there.all() else there.to(device)
            value: Tensor = self.loss(scores, labels.to(device), valid)
            return value

        # In the place of what is not there stands the query, which nothing counts.
        images = np.where(tuples >= 0, tuples, tuples[:, :1])
        return Step(images.ravel(), loss, len(tuples))

    def state(self) -> list[Tensor]:
        """The negatives that are remembered, which a resumed run needs."""
        return [torch.from_numpy(miner.cache) for miner in self._miners]

    def load_state(self, state: Any) -> None:
        for miner, cache in zip(self._miners, state, strict=True):
            miner.cache[:] = cache.numpy()


def _positions(placed: Placed) -> tuple[np.ndarray, np.ndarray]:
    database = placed.scene.database.positions
    assert database is not None
    return placed.truth.positions, database
