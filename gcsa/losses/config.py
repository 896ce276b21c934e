"""The settings of the losses, and what they may be."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from gcsa.errors import InputError, nearest
from gcsa.losses.sare import KERNELS, MODES, REDUCTIONS


@dataclass
class LossConfig:
    """Section ``loss``: the parameters of the losses that ``train.loss`` chooses from."""

    bins: int | None = None  # of ap, dir-ap, tie-aware-ap; null: 20 of ap, 25 of the others
    lowest: float | None = None  # cosine of the last bin; null: -1 of ap, 0 of the others
    distance: bool = False  # dir-ap, tie-aware-ap: bins of distances, not of cosines
    simplified: bool = False  # tie-aware-ap: its simplified form
    temperature: float | None = None  # of contrastive and sare; null: as published, 2 and 1
    kernel: str = "gaussian"  # of sare: gaussian | cauchy | exponential
    mode: str = "independent"  # of sare, how negatives count: independent | joint
    reduction: str = "pair"  # of sare, triplet, contrastive-margin: a mean over pair | tuple
    negatives: int = 10  # of sare, triplet: the hardest of each query; 0: all
    margin: float | None = None  # triplet 0.1, contrastive-margin 0.85, cosface 0.4 where null
    alpha: float = 1.0  # of multi-similarity: how sharply positives weigh
    beta: float = 50.0  # of multi-similarity: how sharply negatives weigh
    base: float = 0.0  # of multi-similarity: the cosine from which both are counted
    epsilon: float | None = 0.1  # of multi-similarity: its miner's slack; null: no miner
    scale: float = 30.0  # of cosface: what cosines are multiplied by


def check_config(config: LossConfig) -> None:
    """Raise InputError, naming the key, where a value is not one that a loss can take."""
    choices = {
        "loss.kernel": (config.kernel, KERNELS),
        "loss.mode": (config.mode, MODES),
        "loss.reduction": (config.reduction, REDUCTIONS),
    }
    for key, (value, allowed) in choices.items():
        if value not in allowed:
            raise InputError(f"{key}: '{value}' is not a choice{nearest(value, allowed)}")
    if config.bins is not None and config.bins < 2:
        raise InputError(f"loss.bins: {config.bins} is less than 2")
    if config.lowest is not None and not -1 <= config.lowest < 1:
        raise InputError(f"loss.lowest: {config.lowest} is not a cosine from -1 to below 1")
    if config.temperature is not None and not config.temperature > 0:
        raise InputError(f"loss.temperature: {config.temperature} is not above 0")
    positive = {name: getattr(config, name) for name in ("margin", "alpha", "beta", "scale")}
    for key, value in positive.items():
        if value is not None and not 0 < value < inf:
            raise InputError(f"loss.{key}: {value} is not a finite number above 0")
    if config.epsilon is not None and not 0 <= config.epsilon <= 2:
        raise InputError(f"loss.epsilon: {config.epsilon} is not from 0 to 2")
    if not -1 <= config.base <= 1:
        raise InputError(f"loss.base: {config.base} is not a cosine")
    if config.negatives < 0:
        raise InputError(f"loss.negatives: {config.negatives} is less than 0")
