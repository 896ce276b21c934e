"""One stage of training: the model, its optimiser, an epoch.

Stage 1 (model.num_layers 0) trains the projection alone, stage 2 what follows it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from gcsa.affinity import width
from gcsa.batches import Batch, RankedScene, all_queries, stream
from gcsa.checkpoint import load_pretrained
from gcsa.config import Config, TrainConfig
from gcsa.errors import InputError
from gcsa.losses import APLoss
from gcsa.model import GCSA, scores
from gcsa.pca import principal_axes
from gcsa.refine import check_dimension

logger = logging.getLogger(__name__)


class Trainer:
    """The model, its optimiser and one epoch of training over the scenes."""

    def __init__(self, config: Config, scenes: Sequence[RankedScene], device: torch.device):
        self.config, self.scenes, self.device = config, scenes, device
        settings = config.train
        self.model = build_model(config, scenes).to(device)
        trained = [p for p in self.model.parameters() if p.requires_grad]
        if not trained:
            raise InputError(
                "nothing to train: the projection is the identity and no layer follows"
            )
        self.optimizer = torch.optim.Adam(
            trained, lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.scheduler = torch.optim.lr_scheduler.StepLR(
            self.optimizer, settings.lr_step, settings.lr_gamma
        )
        self.dtype = _autocast_dtype(settings.precision, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype is torch.float16)
        self.loss = APLoss(skip_empty=settings.skip_empty)
        self.queries = all_queries(scenes, with_positives=settings.skip_empty)
        if len(self.queries) == 0:
            raise InputError("no query of the training scenes has a relevant candidate")

    @property
    def learning_rate(self) -> float:
        return self.optimizer.param_groups[0]["lr"]

    def epoch(self, number: int) -> float:
        """Train on every query once; returns the mean loss.

        All chance of an epoch (order, dropout) follows from the seed and its number: a resumed
        run repeats what an uninterrupted one does.
        """
        data, seed = self.config.data, self.config.train.seed
        order = np.random.default_rng([seed, number]).permutation(len(self.queries))
        torch.manual_seed(seed * 1_000_003 + number)
        K, L = self.model.K, self.model.L
        batches = stream(
            self.scenes,
            self.queries[order],
            K,
            L,
            data.batch_size,
            data.num_workers,
            seed=(seed, number),
            radio_dropout=data.radio_dropout,
        )
        self.model.train()
        total = 0.0
        with tqdm(total=len(order), desc=f"epoch {number}", unit="query", leave=False) as bar:
            for step, batch in enumerate(batches, start=1):
                loss = self.step(batch.to(self.device))
                if not np.isfinite(loss):
                    raise InputError(
                        f"epoch {number}, step {step}: the loss is {loss}; try a lower "
                        "train.learning_rate, or train.precision=fp32"
                    )
                total += loss * len(batch.labels)
                bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
                bar.update(len(batch.labels))
        self.scheduler.step()
        return total / len(order)

    def step(self, batch: Batch) -> float:
        """One step of the optimiser; returns the loss before it."""
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None):
            refined = self.model(batch.descriptors, columns=batch.columns, valid=batch.valid)
        loss = self._loss_of(scores(refined), batch)
        value = loss.item()
        if np.isfinite(value):
            self.optimizer.zero_grad(set_to_none=True)
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
        return value

    def _loss_of(self, ranked: Tensor, batch: Batch) -> Tensor:
        """The loss of scores (B, 1+K); the query's own entry counts if the settings say so."""
        first = 0 if self.config.train.own_positive else 1
        valid = nn.functional.pad(batch.valid[:, : self.model.K], (1, 0), value=True)
        return self.loss(ranked[:, first:], batch.labels[:, first:], valid[:, first:])

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


def build_model(config: Config, scenes: Sequence[RankedScene]) -> GCSA:
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
    projection: nn.Linear, scenes: Sequence[RankedScene], settings: TrainConfig
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
