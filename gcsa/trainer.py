"""One stage of training: the model, its optimiser, an epoch.

Stage 1 (model.num_layers 0) trains the projection alone, stage 2 what follows it. Projecting is
what costs most in stage 1: with ``train.projection=per-candidate`` every candidate of every query
is projected with a dropout of its own, as published. With ``shared`` an image is projected once
with one dropout: once a batch where the projection is trained, once in ``train.refresh`` steps
where it is frozen.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from gcsa import distributed
from gcsa.affinity import width
from gcsa.batches import Batch, Known, RankedScene, Stream
from gcsa.checkpoint import load_pretrained
from gcsa.config import Config, TrainConfig
from gcsa.errors import InputError
from gcsa.losses import make_loss
from gcsa.model import GCSA, scores
from gcsa.pca import principal_axes
from gcsa.prepare import JudgedScene
from gcsa.refine import check_dimension, project
from gcsa.sampling import Sampler
from gcsa.table import Table

logger = logging.getLogger(__name__)

# Reading a loss from a GPU waits for it: there it is looked at once in so many steps.
CHECK = 50


class Trainer:
    """The model, its optimiser and one epoch of training over the scenes."""

    def __init__(self, config: Config, scenes: Sequence[JudgedScene], device: torch.device):
        self.config, self.device = config, device
        settings = config.train
        self.model = build_model(config, scenes).to(device)
        trained = [p for p in self.model.parameters() if p.requires_grad]
        if not trained:
            raise InputError(
                "nothing to train: the projection is the identity and no layer follows"
            )
        self.optimizer = torch.optim.Adam(
            trained, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.scheduler = torch.optim.lr_scheduler.StepLR(
            self.optimizer, settings.lr_step, settings.lr_gamma
        )
        self.dtype = _autocast_dtype(settings.precision, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype is torch.float16)
        self.loss = make_loss(settings.loss, config.loss, settings.skip_empty)
        self.sampler = Sampler(scenes, self.model.K, settings.skip_empty, settings.nearby)
        if len(self.sampler) == 0:
            raise InputError("no query of the training scenes has a relevant candidate")
        self.stream = self._stream(scenes)
        self.network = _network(self.model, settings)

    @property
    def learning_rate(self) -> float:
        return self.optimizer.param_groups[0]["lr"]

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
        self.model.train()
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        every = 1 if self.device.type == "cpu" else CHECK
        with self._bar(number, len(order)) as bar:
            for step, (batch, projected, weight) in enumerate(self._batches(order), start=1):
                loss = self.step(batch, projected, weight)
                total += loss.double() * (len(batch) if weight else 0)
                if step % every == 0:
                    self._check(loss, number, step)
                    bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
                bar.update(len(batch) * distributed.size())
        self.scheduler.step()
        mean = distributed.sum_of(total).item() / len(order)
        self._check(mean, number, step)
        return mean

    def step(self, batch: Batch, projected: Tensor | None = None, weight: float = 1.0) -> Tensor:
        """One step of the optimiser; returns the loss before it, on the device.

        projected: what the batch's places number, where it has no descriptors of its own.
        weight: of this process's loss among those of all.
        """
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None):
            ranked = self.network(
                batch.place, batch.columns, batch.valid, batch.descriptors, projected
            )
        loss = self._loss_of(ranked, batch)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss * weight).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach()

    def _stream(self, scenes: Sequence[RankedScene]) -> Stream:
        data, processes = self.config.data, distributed.size()
        if data.batch_size % processes:
            raise InputError(
                f"data.batch_size: {data.batch_size} queries are not a multiple of the "
                f"{processes} processes that share them"
            )
        table = Table([s.scene for s in scenes], self.device, data.on_device)
        return Stream(
            scenes,
            table,
            self.model.K,
            self.model.L,
            data.batch_size // processes,
            data.num_workers,
            radio_dropout=data.radio_dropout,
        )

    def _batches(self, order: np.ndarray) -> Iterator[tuple[Batch, Tensor | None, float]]:
        """This process's part of every batch, what its places number, and its weight."""
        queries, weights = _own_part(order, self.config.data.batch_size)
        kept = self.config.train.projection == "shared" and self.frozen
        steps = self.config.train.refresh if kept else len(weights)
        projected, locate = None, self.stream.own_descriptors()
        for first in range(0, len(weights), steps):
            size = self.stream.batch_size
            window = queries[first * size : (first + steps) * size]
            if kept:
                images = np.unique(self.stream.numbers(window))
                locate = Known(images, len(self.stream.table))
                projected = self._project(images)
            for i, batch in enumerate(self.stream.batches(window, locate, first)):
                yield batch.to(self.device), projected, weights[first + i]

    @torch.no_grad()
    def _project(self, images: np.ndarray) -> Tensor:
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None):
            return project(self.model, self.stream.table, images)

    def _loss_of(self, ranked: Tensor, batch: Batch) -> Tensor:
        """The loss of scores (B, 1+K); the query's own entry counts if the settings say so."""
        first = 0 if self.config.train.own_positive else 1
        valid = batch.valid
        if valid is not None:
            valid = F.pad(valid[:, : self.model.K], (1, 0), value=True)[:, first:]
        return self.loss(ranked[:, first:], batch.labels[:, first:], valid)

    def _bar(self, number: int, total: int) -> tqdm:
        label, quiet = f"epoch {number}", distributed.rank() > 0
        return tqdm(total=total, desc=label, unit="query", leave=False, disable=quiet)

    @staticmethod
    def _check(loss: Tensor | float, epoch: int, step: int) -> None:
        if not np.isfinite(float(loss)):
            raise InputError(
                f"epoch {epoch}, step {step}: the loss is {float(loss)}; try a lower "
                "train.learning_rate, or train.precision=fp32"
            )

    def state(self) -> dict[str, Any]:
        """What another Trainer needs to go on from here, the model's tensors left out."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.scaler.load_state_dict(state["scaler"])


class Network(nn.Module):
    """A model as training calls it: from a batch to scores."""

    def __init__(self, model: GCSA, shared: bool):
        super().__init__()
        self.model, self.shared = model, shared

    def forward(
        self,
        place: Tensor,
        columns: Tensor,
        valid: Tensor | None,
        descriptors: Tensor | None,
        projected: Tensor | None,
    ) -> Tensor:
        """Fields of a Batch, and what its places number if not its descriptors -> (B, 1+K)."""
        if projected is not None:
            listed = F.embedding(place, projected)
        elif self.shared:
            listed = F.embedding(place, self.model.project(descriptors.float()))
        else:
            listed = self.model.project(F.embedding(place, descriptors).float())
        return scores(self.model.refine(listed, columns, valid))


def _network(model: GCSA, settings: TrainConfig) -> nn.Module:
    network: nn.Module = Network(model, settings.projection == "shared")
    if settings.compile:
        network = torch.compile(network)
    return DistributedDataParallel(network) if distributed.size() > 1 else network


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


def build_model(config: Config, scenes: Sequence[JudgedScene]) -> GCSA:
    """A model as the settings say: its projection random, by PCA, or from a checkpoint."""
    sizes, settings = config.model, config.train
    torch.manual_seed(settings.seed)
    model = GCSA(
        sizes.input_dim,
        sizes.proj_dim,
        sizes.output_dim,
        sizes.K,
        sizes.L,
        sizes.num_layers,
        sizes.num_heads,
        aff_dim=sum(width(kind, sizes.L) for kind in sizes.affinity) if sizes.num_layers else 0,
        input_dropout_p=sizes.input_dropout,
        attn_dropout_p=sizes.attn_dropout,
    )
    for ranked in scenes:
        check_dimension(model, ranked.scene)
    has_projection = isinstance(model.input_proj, nn.Linear)
    if settings.init_proj == "pca" and has_projection:
        _project_by_pca(model.input_proj, scenes, settings)
    if settings.checkpoint:
        taken = load_pretrained(model, settings.checkpoint)
        logger.info("%s: starting from %s", settings.checkpoint, ", ".join(taken))
    if settings.freeze_input_proj:
        if has_projection and settings.init_proj == "random" and not settings.checkpoint:
            raise InputError(
                "train.freeze_input_proj: the projection would stay random; "
                "give train.checkpoint, or train.init_proj=pca"
            )
        model.input_proj.requires_grad_(False)
    return model


def _project_by_pca(
    projection: nn.Linear, scenes: Sequence[JudgedScene], settings: TrainConfig
) -> None:
    sets = [images for s in scenes for images in (s.scene.database, s.scene.queries)]
    generator = np.random.default_rng(settings.seed)
    mean, axes = principal_axes(sets, projection.out_features, generator)
    with torch.no_grad():
        projection.weight.copy_(torch.from_numpy(axes))
        projection.bias.copy_(torch.from_numpy(-axes @ mean))


def _autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    if precision == "auto":
        precision = "fp16" if device.type == "cuda" else "fp32"
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
