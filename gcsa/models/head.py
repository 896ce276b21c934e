"""Logits in the place of cosines: a head on the refined rows, for what is trained by a likelihood.

Shapes: B queries, K candidates, D' the length of a row; row 0 is the query.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Cosines are divided by it where a head has learned nothing: about the calibrated posterior's.
TEMPERATURE = 0.05
# What the names of its tensors begin with in a checkpoint.
PREFIX = "head."


class Head(nn.Module):
    """How likely each candidate shows the query's place, and how likely none of them does.

    The logit of candidate i is cos(x_i, x_0) / t, and what is learned of the products of the two
    rows and of the candidate's own: u . (x_i * x_0) + v . x_i. That of "none of these" is
    log K + w . x_0 + b, against a candidate of the list's mean logit: as likely as the whole list,
    where nothing is known of either. u, v, w and b are 0 at first, and the head ranks by cosine
    then. Entries of rows are about 1 here, not 1 / sqrt(D'), so that u, v and w learn no slower
    than the layers below.
    """

    temperature: Tensor

    def __init__(self, dim: int, temperature: float = TEMPERATURE):
        super().__init__()
        self.register_buffer("temperature", torch.tensor(float(temperature)))
        self.product = nn.Parameter(torch.zeros(dim))
        self.own = nn.Parameter(torch.zeros(dim))
        self.none = nn.Parameter(torch.zeros(dim))
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, refined: Tensor, valid: Tensor | None = None) -> Tensor:
        """Unit rows (B, 1+K, D'), the query first -> logits (B, 1+K) float32, "none" first.

        valid: (B, K+) bool, False for padded candidates: no other logit depends on theirs.
        """
        rows = refined.float()
        query, rows = rows[:, :1], rows[:, 1:]
        scaled = rows.shape[-1] ** 0.5
        # Sums of products, not products of matrices: those would be of half precision.
        alike = query * (1 / self.temperature + scaled**2 * self.product) + scaled * self.own
        logits = (rows * alike).sum(-1)
        there = torch.ones_like(logits) if valid is None else valid[:, : logits.shape[1]].float()
        count = there.sum(dim=1, keepdim=True).clamp(min=1)
        mean = logits.where(there > 0, 0).sum(dim=1, keepdim=True) / count
        none = count.log() + (scaled * query * self.none).sum(-1) + self.bias
        return torch.cat([none, logits - mean], dim=1)
