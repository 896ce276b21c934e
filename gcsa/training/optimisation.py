"""The optimiser of a training run and how its learning rate goes.

Adam with steps by epoch is GCSA's; SGD that warms up and then follows a cosine, step by step, is
CSA's (Ouyang et al., NeurIPS 2021).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable

from torch import Tensor
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, StepLR

from gcsa.config import TrainConfig


def make_optimizer(parameters: Iterable[Tensor], settings: TrainConfig) -> Optimizer:
    """Adam, or SGD whose weight decay spares what has one dimension: biases and norms."""
    parameters = list(parameters)
    if settings.optimizer == "adam":
        return Adam(
            parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return SGD(groups, lr=settings.learning_rate, momentum=settings.momentum, fused=True)


def make_schedule(optimizer: Optimizer, settings: TrainConfig, steps: int) -> LRScheduler:
    """What sets the learning rate; "cosine" has to be told of every step, "step" of every epoch.

    steps: of the optimiser in an epoch.
    """
    if settings.schedule == "step":
        return StepLR(optimizer, settings.lr_step, settings.lr_gamma)
    peak, warm = settings.learning_rate, settings.warmup_epochs * steps
    falling = max(settings.num_epochs * steps - warm, 1)

    def share(step: int) -> float:
        return cosine_rate(step, warm, falling, settings.warmup_lr, peak) / peak if peak else 0.0

    return LambdaLR(optimizer, share)


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
