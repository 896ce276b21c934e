"""Places as classes, in groups that take turns: no two classes of a group are near each other.

Berton, Masone, Caputo: "Rethinking Visual Geo-localization for Large-Scale Applications"
(CosPlace), CVPR 2022.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam, Optimizer

from gcsa.config import Config
from gcsa.descriptors.settings import DescriptorConfig
from gcsa.errors import InputError
from gcsa.training.describing.batches import Step
from gcsa.training.describing.collection import Collection
from gcsa.training.describing.places import classes_of

logger = logging.getLogger(__name__)


def groups_of(classes: np.ndarray, settings: DescriptorConfig) -> list[list[np.ndarray]]:
    """The classes of each group, as rows of photos; the largest groups first.

    classes: (N, 4), see :func:`classes_of`. Of a group are the cells whose numbers leave the same
    rests modulo ``apart``, and the sectors modulo ``turned``. A class has ``least`` photos or more.
    """
    known = np.flatnonzero(classes[:, 0] >= 0)
    found, number = np.unique(classes[known], axis=0, return_inverse=True)
    order = np.argsort(number, kind="stable")
    members = np.split(known[order], np.cumsum(np.bincount(number))[:-1])
    rests = found[:, 1:] % (settings.apart, settings.apart, settings.turned)
    grouped: dict[tuple[int, ...], list[np.ndarray]] = {}
    for rest, rows in zip(rests.tolist(), members, strict=True):
        if len(rows) >= settings.least:
            grouped.setdefault(tuple(rest), []).append(rows)
    return sorted(grouped.values(), key=lambda group: -sum(map(len, group)))[: settings.groups]


class Groups:
    """Batches of ``data.batch_size`` photos of a group, one group an epoch in turn.

    A class is a direction that is trained, too, by an optimiser of its group's own.
    """

    def __init__(
        self,
        config: Config,
        collection: Collection,
        loss: nn.Module,
        length: int,
        device: torch.device,
    ):
        self.config, self.loss, self.device = config, loss, device
        settings = config.descriptor
        classes = classes_of(collection, settings.cell, settings.sector)
        self.groups = [group for group in groups_of(classes, settings) if len(group) > 1]
        photos = sum(len(rows) for group in self.groups for rows in group)
        logger.info(
            "%d groups of %s classes; %d of %d photos are in none of them",
            *(len(self.groups), "/".join(str(len(g)) for g in self.groups)),
            *(len(classes) - photos, len(classes)),
        )
        if not self.groups:
            raise InputError(
                f"descriptor.least: no group has two classes of {settings.least} photos "
                "(descriptor.cell, .sector, .apart, .turned)"
            )
        self.directions = [_directions(len(g), length).to(device) for g in self.groups]
        self._adam = [Adam([d], lr=settings.classes_rate) for d in self.directions]
        largest = max(sum(map(len, group)) for group in self.groups)
        self.steps = settings.steps or max(1, largest // config.data.batch_size)
        self.turn = 0

    @property
    def optimizers(self) -> Sequence[Optimizer]:
        return (self._adam[self.turn],)

    def epoch(self, number: int, describe: Callable[[], Tensor]) -> Iterator[Step]:
        random = np.random.default_rng([self.config.train.seed, number])
        self.turn = (number - 1) % len(self.groups)
        group, size = self.groups[self.turn], self.config.data.batch_size
        rows = np.concatenate(group)
        classes = np.repeat(np.arange(len(group)), list(map(len, group)))
        waiting = np.empty(0, dtype=np.int64)
        for _ in range(self.steps):
            while len(waiting) < size:
                waiting = np.concatenate([waiting, random.permutation(len(rows))])
            chosen, waiting = waiting[:size], waiting[size:]
            yield Step(rows[chosen], self._loss_of(torch.from_numpy(classes[chosen])), size)

    def _loss_of(self, classes: Tensor) -> Callable[[Tensor], Tensor]:
        directions = self.directions[self.turn]
        labels = functional.one_hot(classes, len(directions)).bool()

        def loss(described: Tensor) -> Tensor:
            self._adam[self.turn].zero_grad(set_to_none=True)
            scores = described @ functional.normalize(directions, dim=1).T
            value: Tensor = self.loss(scores, labels.to(scores.device))
            return value

        return loss

    def state(self) -> list[Any]:
        return [
            {"directions": direction.detach().cpu(), "adam": adam.state_dict()}
            for direction, adam in zip(self.directions, self._adam, strict=True)
        ]

    def load_state(self, state: Any) -> None:
        for own, adam, kept in zip(self.directions, self._adam, state, strict=True):
            with torch.no_grad():
                own.copy_(kept["directions"])
            adam.load_state_dict(kept["adam"])


def _directions(classes: int, length: int) -> Tensor:
    """(C, D), by torch's own seed, spread as a linear layer's weights are."""
    return nn.init.xavier_uniform_(torch.empty(classes, length)).requires_grad_()
