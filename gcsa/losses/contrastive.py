"""The contrastive loss of CSA: all positives of a list against the whole list.

Ouyang et al.: "Contextual Similarity Aggregation with Self-attention for Visual Re-ranking",
NeurIPS 2021 (arXiv 2110.13430), as its published code has it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gcsa.losses.rows import mean_over, positives, without_padding


class ContrastiveLoss(nn.Module):
    """Mean over queries of -ln(sum of e over the positives / sum of e over all), e = exp(s / t).

    One logarithm a query: the positives are summed inside. With cosines s, a share p of positives
    and temperature t the least value is ln(1 + exp(-2 / t) (1 - p) / p), reached with s = 1 and
    s = -1: 2.08 at t = 2, p = 0.05. Queries without a positive are left out of the mean.
    """

    def __init__(self, temperature: float = 2.0):
        super().__init__()
        self.temperature = temperature

    def forward(self, scores: Tensor, labels: Tensor, valid: Tensor | None = None) -> Tensor:
        """scores: (B, N); labels: (B, N) bool; valid: (B, N) bool, False is not ranked -> ()."""
        mask = positives(labels, valid)
        filled = mask.any(dim=1)
        logits = without_padding(scores, valid) / self.temperature
        # Rows that do not count take part with all entries: in older versions of torch the
        # gradient of a log-sum of nothing is NaN.
        empty = ~filled[:, None]
        everything = logits if valid is None else _only(logits, valid | empty)
        losses = everything.logsumexp(dim=1) - _only(logits, mask | empty).logsumexp(dim=1)
        return mean_over(losses, filled)


def _only(logits: Tensor, mask: Tensor) -> Tensor:
    return logits.masked_fill(~mask, -torch.inf)
