"""The optimiser of a training run, its state, and how its learning rate goes.

Adam with steps by epoch is GCSA's; SGD that warms up and then follows a cosine, step by step, is
CSA's (Ouyang et al., NeurIPS 2021).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, StepLR
from tqdm import tqdm

from gcsa import distributed
from gcsa.config.train import TrainConfig
from gcsa.errors import InputError


class Optimised:
    """A model's optimiser and its learning rate, step by step, for what trains by them."""

    model: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler
    scaler: torch.amp.GradScaler

    def prepare(
        self,
        trained: Iterable[Tensor],
        settings: TrainConfig,
        steps: int,
        device: torch.device,
        spared: bool = True,
    ) -> None:
        """Make the optimiser of the parameters; steps: of an epoch; spared: see make_optimizer."""
        self.settings, self.steps = settings, steps
        self.optimizer = make_optimizer(trained, settings, spared)
        self.scheduler = make_schedule(self.optimizer, settings, steps)
        self.dtype = autocast_dtype(settings.precision, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype is torch.float16)

    @property
    def learning_rate(self) -> float:
        return self.optimizer.param_groups[0]["lr"]

    def update(self, *others: Optimizer) -> None:
        """Change the weights by their gradients, and those of other optimisers."""
        if self.settings.clip_norm > 0:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
        for optimizer in (self.optimizer, *others):
            self.scaler.step(optimizer)
        self.scaler.update()
        if by_step(self.settings):
            self.scheduler.step()

    def end_epoch(self) -> None:
        if not by_step(self.settings):
            self.scheduler.step()

    def state(self) -> dict[str, Any]:
        """What another one needs to go on from here, the model's tensors left out."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
            "tuples": [],
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a state; where it is of a checkpoint alone, with a fresh optimiser."""
        self.model.load_state_dict(state["model"])
        if "optimizer" not in state:
            epochs = state["rows"][-1]["epoch"]
            forward(self.scheduler, epochs * self.steps if by_step(self.settings) else epochs)
            return
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        if state["scaler"]:  # empty where the run was not in fp16 before
            self.scaler.load_state_dict(state["scaler"])


def epoch_bar(number: int, total: int, unit: str = "query") -> tqdm:
    """The progress bar of an epoch; none where there is no terminal, and one of all processes."""
    label, quiet = f"epoch {number}", distributed.rank() > 0 or None
    return tqdm(total=total, desc=label, unit=unit, leave=False, disable=quiet)


def check_finite(loss: Tensor | float, epoch: int, step: int) -> None:
    if not np.isfinite(float(loss)):
        raise InputError(
            f"epoch {epoch}, step {step}: the loss is {float(loss)}; try a lower "
            "train.learning_rate, or train.precision=fp32"
        )


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype | None:
    if precision == "auto":
        precision = "fp16" if device.type == "cuda" else "fp32"
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def make_optimizer(
    parameters: Iterable[Tensor], settings: TrainConfig, spared: bool = True
) -> Optimizer:
    """Adam, AdamW, or SGD.

    spared: SGD's weight decay leaves what has one dimension alone: biases and norms.
    """
    parameters = list(parameters)
    if settings.optimizer != "sgd":
        kind = Adam if settings.optimizer == "adam" else AdamW
        return kind(
            parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
    decay = settings.weight_decay
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0 if spared else decay},
    ]
    return SGD(groups, lr=settings.learning_rate, momentum=settings.momentum, fused=True)


def by_step(settings: TrainConfig) -> bool:
    """Whether the learning rate changes at every step, not at every epoch."""
    return settings.schedule != "step" or settings.warmup_steps > 0


def make_schedule(optimizer: Optimizer, settings: TrainConfig, steps: int) -> LRScheduler:
    """What sets the learning rate; to be told of every step, or of every epoch (:func:`by_step`).

    steps: of the optimiser in an epoch.
    """
    if not by_step(settings):
        return StepLR(optimizer, settings.lr_step, settings.lr_gamma)
    if settings.schedule == "cosine":
        return LambdaLR(optimizer, lambda step: _cosine_share(settings, steps, step))

    def share(step: int) -> float:
        warm = min(1.0, (step + 1) / settings.warmup_steps) if settings.warmup_steps else 1.0
        return warm * _share(settings, steps, step)

    return LambdaLR(optimizer, share)


def _share(settings: TrainConfig, steps: int, step: int) -> float:
    """The share of the learning rate at step 0, 1, ... by the schedules that decay."""
    epoch = step // max(steps, 1)
    if settings.schedule == "linear":
        done = min(step / max(settings.num_epochs * steps, 1), 1.0)
        return 1 - (1 - settings.lr_end) * done
    return settings.lr_gamma ** decays(settings, epoch)


def decays(settings: TrainConfig, epochs: int) -> int:
    """How often the rate has decayed once so many epochs are done (schedules step, milestones)."""
    if settings.schedule == "milestones":
        return sum(epochs >= milestone for milestone in settings.milestones)
    return epochs // settings.lr_step


def _cosine_share(settings: TrainConfig, steps: int, step: int) -> float:
    peak, warm = settings.learning_rate, settings.warmup_epochs * steps
    falling = max(settings.num_epochs * steps - warm, 1)
    return cosine_rate(step, warm, falling, settings.warmup_lr, peak) / peak if peak else 0.0


def forward(schedule: LRScheduler, times: int) -> None:
    """Tell a new schedule of what it has not seen, so many steps or epochs."""
    with warnings.catch_warnings():  # torch's, that the optimiser has not stepped yet
        warnings.simplefilter("ignore", UserWarning)
        for _ in range(times):
            schedule.step()


def cosine_rate(step: int, warm: int, falling: int, start: float, peak: float) -> float:
    """The learning rate of step 0, 1, ...: ``warm`` steps of rising, ``falling`` of falling.

    It rises evenly from ``start`` to ``peak``, both of them taken, and falls along half a cosine
    from ``peak`` to just above 0, where it is once all steps are done.
    """
    if step < warm:
        return start + (peak - start) * step / max(warm - 1, 1)
    return peak / 2 * (1 + math.cos(math.pi * min((step - warm) / falling, 1)))
