"""Batches of some images of some places, each image against all others of the batch.

Ali-bey, Chaib-draa, Giguere: "GSV-Cities", Neurocomputing 2022: places x images, for
multi-similarity. AP-GeM's lists (Revaud et al., ICCV 2019) are such a batch, a large one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gcsa.config import Config
from gcsa.errors import InputError
from gcsa.training.describing.batches import Step
from gcsa.training.describing.collection import Collection

logger = logging.getLogger(__name__)


def classes_of(collection: Collection, cell: float, sector: float) -> np.ndarray:
    """(N, 4) int64: scene, and cell east, cell north, sector of each photo (CosPlace's classes).

    Where the scene says what its photos show: that, 0, 0. -1 in all where nothing is known.
    """
    named = collection.things >= 0
    with np.errstate(invalid="ignore"):
        cells = np.floor(collection.positions / cell)
        sectors = np.floor(np.rad2deg(collection.headings) % 360 / sector)
    unknown = ~named & ~np.isfinite(np.column_stack([cells, sectors])).all(axis=1)
    found = np.column_stack([np.nan_to_num(cells), np.nan_to_num(sectors)]).astype(np.int64)
    found[named] = 0
    found[named, 0] = collection.things[named]
    result = np.column_stack([collection.number, found])
    result[unknown] = -1
    return result


class Places:
    """``descriptor.places`` times ``descriptor.images`` a batch, each place once an epoch."""

    optimizers: Sequence[Optimizer] = ()

    def __init__(self, config: Config, collection: Collection, loss: nn.Module):
        self.config, self.loss = config, loss
        settings = config.descriptor
        classes = classes_of(collection, settings.cell, settings.sector)
        known = np.flatnonzero(classes[:, 0] >= 0)
        _, number = np.unique(classes[known], axis=0, return_inverse=True)
        order = np.argsort(number, kind="stable")
        members = np.split(known[order], np.cumsum(np.bincount(number))[:-1])
        self.members = [rows for rows in members if len(rows) >= settings.images]
        logger.info(
            "%d places of %d photos; %d with fewer than %d photos, and %d photos of no known "
            "place, are left out",
            *(len(self.members), sum(map(len, self.members)), len(members) - len(self.members)),
            *(settings.images, len(classes) - len(known)),
        )
        if len(self.members) < 2:
            raise InputError(
                f"descriptor.images: {len(self.members)} places of the training scenes have "
                f"{settings.images} photos, expected 2 or more (descriptor.cell, .sector)"
            )
        self.places = min(settings.places, len(self.members))
        self.steps = settings.steps or len(self.members) // self.places

    def epoch(self, number: int, describe: Callable[[], Tensor]) -> Iterator[Step]:
        random = np.random.default_rng([self.config.train.seed, number])
        images, waiting = self.config.descriptor.images, np.empty(0, dtype=np.int64)
        for _ in range(self.steps):
            if len(waiting) < self.places:
                waiting = random.permutation(len(self.members))
            chosen, waiting = waiting[: self.places], waiting[self.places :]
            rows = [random.choice(self.members[place], images, replace=False) for place in chosen]
            yield Step(np.concatenate(rows), self._loss, len(rows) * images)

    def _loss(self, described: Tensor) -> Tensor:
        place = (
            torch.arange(len(described), device=described.device) // self.config.descriptor.images
        )
        labels = place[:, None] == place
        own = torch.eye(len(place), dtype=torch.bool, device=place.device)
        valid = None if self.config.train.own_positive else ~own
        value: Tensor = self.loss(described @ described.T, labels, valid)
        return value

    def state(self) -> list[Any]:
        return []

    def load_state(self, state: Any) -> None:
        pass
