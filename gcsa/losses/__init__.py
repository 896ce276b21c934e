"""Losses on the scores of ranked lists, one a file.

All take ``(scores, labels, valid)``: cosines (B, N) of queries with the entries of their lists,
which entries are relevant, and which are there at all (None: every one), and return a scalar.
``place`` takes logits in their stead, and that of "none of these" beside.
"""

from __future__ import annotations

from torch import nn

from gcsa.errors import InputError, nearest
from gcsa.losses.ap import APLoss
from gcsa.losses.config import LossConfig, check_config
from gcsa.losses.contrastive import ContrastiveLoss
from gcsa.losses.contrastive_margin import ContrastiveMarginLoss
from gcsa.losses.cosface import CosFaceLoss
from gcsa.losses.dir_ap import DirAPLoss
from gcsa.losses.multi_similarity import MultiSimilarityLoss
from gcsa.losses.place import PlaceLoss, place_loss
from gcsa.losses.sare import SARELoss
from gcsa.losses.tie_aware_ap import TieAwareAPLoss
from gcsa.losses.triplet import TripletLoss

__all__ = [
    "LOSSES",
    "APLoss",
    "ContrastiveLoss",
    "ContrastiveMarginLoss",
    "CosFaceLoss",
    "DirAPLoss",
    "MultiSimilarityLoss",
    "LossConfig",
    "PlaceLoss",
    "SARELoss",
    "TieAwareAPLoss",
    "TripletLoss",
    "check_loss",
    "make_loss",
    "place_loss",
]


def _ap(config: LossConfig, skip_empty: bool) -> nn.Module:
    return APLoss(*_bins(config, 20, -1.0), skip_empty=skip_empty)


def _dir_ap(config: LossConfig, skip_empty: bool) -> nn.Module:
    return DirAPLoss(*_bins(config, 25, 0.0), config.distance, skip_empty)


def _tie_aware_ap(config: LossConfig, skip_empty: bool) -> nn.Module:
    bins = _bins(config, 25, 0.0)
    return TieAwareAPLoss(*bins, config.distance, skip_empty, simplified=config.simplified)


def _contrastive(config: LossConfig, skip_empty: bool) -> nn.Module:
    return ContrastiveLoss(config.temperature or 2.0)


def _sare(config: LossConfig, skip_empty: bool) -> nn.Module:
    temperature = config.temperature or 1.0
    return SARELoss(config.kernel, config.mode, temperature, config.reduction, config.negatives)


def _triplet(config: LossConfig, skip_empty: bool) -> nn.Module:
    return TripletLoss(config.margin or 0.1, config.reduction, config.negatives)


def _contrastive_margin(config: LossConfig, skip_empty: bool) -> nn.Module:
    return ContrastiveMarginLoss(config.margin or 0.85, config.reduction)


def _multi_similarity(config: LossConfig, skip_empty: bool) -> nn.Module:
    return MultiSimilarityLoss(config.alpha, config.beta, config.base, config.epsilon)


def _cosface(config: LossConfig, skip_empty: bool) -> nn.Module:
    return CosFaceLoss(config.scale, config.margin or 0.4)


def _place(config: LossConfig, skip_empty: bool) -> nn.Module:
    return PlaceLoss(skip_empty)


def _bins(config: LossConfig, bins: int, lowest: float) -> tuple[int, tuple[float, float]]:
    bins = bins if config.bins is None else config.bins
    return bins, (lowest if config.lowest is None else config.lowest, 1.0)


LOSSES = {
    "ap": _ap,
    "dir-ap": _dir_ap,
    "tie-aware-ap": _tie_aware_ap,
    "contrastive": _contrastive,
    "sare": _sare,
    "triplet": _triplet,
    "contrastive-margin": _contrastive_margin,
    "multi-similarity": _multi_similarity,
    "cosface": _cosface,
    "place": _place,
}


def make_loss(name: str, config: LossConfig, skip_empty: bool) -> nn.Module:
    """The loss of a name, with the settings of the section ``loss``.

    skip_empty: leave queries without a relevant entry out of the mean; otherwise the AP losses
    count them with an AP of 0, and ``place`` takes "none of these" for their answer. The others,
    undefined there, always leave them out.
    """
    check_loss(name, config)
    return LOSSES[name](config, skip_empty)


def check_loss(name: str, config: LossConfig, own_positive: bool = False) -> None:
    """Raise InputError where a loss cannot be made, or not used with the query in its own list."""
    if name not in LOSSES:
        raise InputError(f"train.loss: '{name}' is not a choice{nearest(name, LOSSES)}")
    check_config(config)
    if name in ("sare", "triplet") and own_positive:
        raise InputError(
            f"train.own_positive: {name} takes the nearest positive, which would be the query "
            "itself; set it to false"
        )
    if name == "place" and own_positive:
        raise InputError(
            "train.own_positive: place asks which candidate is right, and the query is none of "
            "its own; set it to false"
        )
