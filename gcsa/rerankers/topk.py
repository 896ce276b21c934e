"""The most alike of each row, exactly: equal ones in the order of their columns.

``torch.topk`` alone picks any of equals, another one on another device or in another chunk.
"""

from __future__ import annotations

import torch
from torch import Tensor


def top(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Values and columns of the k largest of each row of (..., n), best first: each (..., k)."""
    if k == 0 or k >= scores.shape[-1]:
        return _sorted(scores, k)
    values, columns = scores.topk(k + 1, dim=-1)
    # Equals on both sides of the cut: which of them came in is chance.
    cut = values[..., -2] == values[..., -1]
    values, columns = values[..., :k], columns[..., :k]
    columns, by_column = columns.sort(dim=-1)
    values, by_value = values.gather(-1, by_column).sort(dim=-1, descending=True, stable=True)
    columns = columns.gather(-1, by_value)
    if cut.any():
        values[cut], columns[cut] = _sorted(scores[cut], k)
    return values, columns


def nearest(similarity: Tensor, valid: Tensor, k: int) -> Tensor:
    """The k images most alike to each of a list, itself left out, best first.

    similarity: (B, T, T). valid: (B, T) bool, False for padded images. Returns (B, T, min(k, T-1))
    columns; where fewer images are valid, padded ones fill the end.
    """
    T = similarity.shape[-1]
    own = torch.eye(T, dtype=torch.bool, device=similarity.device)
    others = similarity.masked_fill(own | ~valid[:, None, :], -torch.inf)
    return top(others, min(k, T - 1))[1]


def members(columns: Tensor, valid: Tensor) -> Tensor:
    """Lists of columns (B, T, k) as a table (B, T, T) bool: whether j is listed for i.

    Padded images are listed for none, and nothing for them; nor is an image for itself.
    """
    B, T, _ = columns.shape
    table = torch.zeros(B, T, T, dtype=torch.bool, device=columns.device)
    table.scatter_(2, columns, True)
    own = torch.eye(T, dtype=torch.bool, device=columns.device)
    return table & valid[:, :, None] & valid[:, None, :] & ~own


def _sorted(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    values, columns = scores.sort(dim=-1, descending=True, stable=True)
    return values[..., :k], columns[..., :k]
