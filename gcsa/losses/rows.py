"""What the losses share: which entries of a row count, and which rows of a batch."""

from __future__ import annotations

import torch
from torch import Tensor


def positives(labels: Tensor, valid: Tensor | None) -> Tensor:
    """(B, N) bool: the entries that are relevant and not padding."""
    labels = labels.bool()
    return labels if valid is None else labels & valid


def negatives(labels: Tensor, valid: Tensor | None) -> Tensor:
    """(B, N) bool: the entries that are neither relevant nor padding."""
    labels = labels.bool()
    return ~labels if valid is None else ~labels & valid


def without_padding(scores: Tensor, valid: Tensor | None) -> Tensor:
    """The scores, 0 where padded: whatever stood there, NaN too, reaches no gradient.

    In single precision at least: in half the small numbers that keep quotients finite are 0.
    """
    if scores.dtype in (torch.float16, torch.bfloat16):
        scores = scores.float()
    return scores if valid is None else scores.masked_fill(~valid, 0)


def mean_over(losses: Tensor, counted: Tensor) -> Tensor:
    """Mean of the losses (B,) of the rows that count; 0, and still a function of them, if none."""
    return losses.where(counted, losses.new_zeros(())).sum() / counted.sum().clamp(min=1)
