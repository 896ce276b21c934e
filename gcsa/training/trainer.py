"""One stage of training: the model, its optimiser, an epoch.

CSA has one stage. GCSA's stage 1 (model.num_layers 0) trains the projection alone, stage 2 what
follows it. Projecting is what costs most in stage 1: with ``train.projection=per-candidate`` every
candidate of every query is projected with a dropout of its own, as published. With ``shared`` an
image is projected once with one dropout: once a batch where the projection is trained, once in
``train.refresh`` steps where it is frozen. ``train.mining`` puts mined tuples in the place of
first-round lists in stage 1.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from gcsa import distributed
from gcsa.config import Config
from gcsa.descriptors.memory import keep_freed_memory
from gcsa.descriptors.table import Table
from gcsa.errors import InputError, given
from gcsa.losses import make_loss
from gcsa.models.checkpoint import Model
from gcsa.ranking.batches import Batch, Known, Locate, RankedScene, Stream
from gcsa.ranking.refine import project
from gcsa.scoring.split import JudgedScene
from gcsa.training.network import build_model, make_network
from gcsa.training.optimisation import Optimised, check_finite, epoch_bar
from gcsa.training.sampling import Sampler
from gcsa.training.tuples import TupleLists, renewal

logger = logging.getLogger(__name__)

# Reading a loss from a GPU waits for it: there it is looked at once in so many steps.
CHECK = 50


class Trainer(Optimised):
    """The model, its optimiser and one epoch of training over the scenes."""

    model: Model

    def __init__(
        self,
        config: Config,
        scenes: Sequence[JudgedScene],
        device: torch.device,
        fresh: bool = True,
    ):
        self.config, self.device = config, device
        settings = config.train
        if device.type == "cpu":
            keep_freed_memory()
        self.model = build_model(config, scenes, fresh).to(device)
        trained = [p for p in self.model.parameters() if p.requires_grad]
        if not trained:
            raise InputError(
                "nothing to train: the projection is the identity or frozen, and no layer follows "
                "(model.proj_dim, train.freeze_input_proj, model.num_layers)"
            )
        self.stream = self._stream(scenes)
        self.tuples, queries = None, None
        for ranked in scenes:
            if ranked.labels is None and not settings.mining:
                raise InputError(
                    f"{ranked.scene.name}: what is relevant to its queries is not known, it "
                    "cannot be trained on"
                )
        if settings.mining:
            self.tuples = TupleLists(scenes, self.stream.table, config.mining)
            queries = self.tuples.queries
        self.sampler = Sampler(scenes, self.model.K, settings.skip_empty, settings.nearby, queries)
        if len(self.sampler) == 0:
            raise InputError(
                "no query of the training scenes has a relevant candidate "
                "(data.train_labels, model.K)"
            )
        self.prepare(trained, settings, -(-len(self.sampler) // config.data.batch_size), device)
        self.loss = make_loss(settings.loss, config.loss, settings.skip_empty)
        self.network = make_network(self.model, config)

    @property
    def frozen(self) -> bool:
        """Whether the projection is not trained, so that what it yields can be kept."""
        return not any(p.requires_grad for p in self.model.input_proj.parameters())

    def epoch(self, number: int) -> float:
        """Train on every query once; returns the mean loss.

        All chance of an epoch (order, dropout) follows from the seed and its number: a resumed
        run repeats what an uninterrupted one does.
        """
        seed = self.config.train.seed
        order = self.sampler.epoch(np.random.default_rng([seed, number]))
        torch.manual_seed((seed * 1_000_003 + number) * distributed.size() + distributed.rank())
        self.stream.seed = (seed, number)
        if self.tuples is not None:
            self.tuples.start(seed, number)
        self.model.train()
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        every = 1 if self.device.type == "cpu" else CHECK
        with epoch_bar(number, len(order)) as bar:
            batches = self._batches(order, number)
            for step, (batch, projected, weight) in enumerate(batches, start=1):
                loss = self.step(batch, projected, weight)
                total += loss.double() * (len(batch) if weight else 0)
                if step % every == 0:
                    check_finite(loss, number, step)
                    bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
                bar.update(len(batch) * distributed.size())
        self.end_epoch()
        mean = distributed.sum_of(total).item() / len(order)
        check_finite(mean, number, step)
        return mean

    def step(self, batch: Batch, projected: Tensor | None = None, weight: float = 1.0) -> Tensor:
        """One step of the optimiser; returns the loss before it, on the device.

        projected: what the batch's places number, where it has no descriptors of its own.
        weight: of this process's loss among those of all.
        """
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None):
            ranked, addition = self.network(
                batch.place, batch.columns, batch.valid, batch.descriptors, projected
            )
        loss = self._loss_of(ranked, batch)
        if addition is not None:
            loss = loss + addition
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss * weight).backward()
        self.update()
        return loss.detach()

    def _stream(self, scenes: Sequence[RankedScene]) -> Stream:
        data, processes = self.config.data, distributed.size()
        if data.batch_size % processes:
            raise InputError(
                f"data.batch_size: {data.batch_size} queries are not a multiple of the "
                f"{processes} processes that share them"
            )
        K, L = self.model.K, self.model.L
        if self.config.train.mining:  # a list is a tuple
            K = L = 1 + self.config.mining.negatives
        table = Table([s.scene for s in scenes], self.device, data.on_device)
        return Stream(
            scenes,
            table,
            K,
            L,
            data.batch_size // processes,
            data.num_workers,
            radio_dropout=data.radio_dropout,
        )

    def _batches(
        self, order: np.ndarray, epoch: int
    ) -> Iterator[tuple[Batch, Tensor | None, float]]:
        """This process's part of every batch, what its places number, and its weight."""
        batch_size, size = self.config.data.batch_size, self.stream.batch_size
        queries, weights = _own_part(order, batch_size)
        steps, projected = self._window(len(weights), epoch), None
        locate: Locate = self.stream.own_descriptors()
        for first in range(0, len(weights), steps):
            window = queries[first * size : (first + steps) * size]
            if self.tuples is not None:  # of all processes: each remembers what is hard
                self._mine(self.tuples, order[first * batch_size : (first + steps) * batch_size])
            elif self._keeps:
                images = np.unique(self.stream.numbers(window))
                locate = Known(images, len(self.stream.table))
                projected = self._project(images)
            for i, batch in enumerate(self.stream.batches(window, locate, first)):
                yield batch.to(self.device), projected, weights[first + i]

    @property
    def _keeps(self) -> bool:
        """Whether projected descriptors are used for several steps."""
        return self.config.train.projection == "shared" and self.frozen

    def _window(self, steps: int, epoch: int) -> int:
        """For how many of an epoch's steps what is made before them is used."""
        settings = self.config.train
        if settings.mining:
            return renewal(self.config, epoch)
        return settings.refresh if self._keeps else steps

    def _mine(self, tuples: TupleLists, queries: np.ndarray) -> None:
        """Tuples for some queries, by descriptors projected as they are now, without dropout."""
        self.model.eval()
        described = self._project(np.arange(len(self.stream.table)))
        self.model.train()
        self.stream.scenes = tuples.draw(queries, described)

    @torch.no_grad()
    def _project(self, images: np.ndarray) -> Tensor:
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None):
            return project(self.model, self.stream.table, images)

    def _loss_of(self, ranked: Tensor, batch: Batch) -> Tensor:
        """The loss of scores (B, 1+K); the query's own entry counts if the settings say so.

        A head has the logit of "none of these" in the place of that entry.
        """
        first = 0 if self.config.train.own_positive else 1
        valid = batch.valid
        if valid is not None:
            valid = functional.pad(valid[:, : self.model.K], (1, 0), value=True)[:, first:]
        labels = given(batch.labels, "labels")
        none = () if self.model.head is None else (ranked[:, 0],)
        return self.loss(ranked[:, first:], labels[:, first:], valid, *none)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "tuples": self.tuples.state() if self.tuples else []}

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        if self.tuples is not None and "optimizer" in state:
            self.tuples.load_state(state["tuples"])


def _own_part(order: np.ndarray, batch_size: int) -> tuple[np.ndarray, list[float]]:
    """This process's queries of every batch, and their weight, for gradients are averaged.

    Where the last batch has fewer queries than there are processes, some take one without weight.
    """
    parts, weights = [], []
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        part = batch[distributed.share(len(batch))]
        weights.append(len(part) * distributed.size() / len(batch))
        parts.append(part if len(part) else batch[:1])
    return np.concatenate(parts), weights
