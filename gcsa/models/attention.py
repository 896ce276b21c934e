"""Scaled dot-product attention, with a dropout of its weights that is fast on a CPU too."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from gcsa.models.dropout import dropout


def attend(q: Tensor, k: Tensor, v: Tensor, keep: Tensor | None, dropout_p: float) -> Tensor:
    """Mix the values of the rows that each row attends to: (B, heads, T, d) each -> the same.

    keep: (B, T) bool, False for rows that none may attend to. dropout_p: of the weights; 0
    outside of training.
    """
    mask = None if keep is None else keep[:, None, None, :]
    if dropout_p > 0 and q.device.type == "cpu":
        return _with_own_dropout(q, k, v, mask, dropout_p)
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout_p)


def _with_own_dropout(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout_p: float
) -> Tensor:
    logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
    if mask is not None:
        logits = logits.masked_fill(~mask, -torch.inf)
    return dropout(logits.softmax(-1), dropout_p, training=True).to(v.dtype) @ v
