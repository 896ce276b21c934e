"""Every image of a batch against its positives and negatives, mined by how alike they are.

Wang, Han, Huang, Dong, Scott: "Multi-Similarity Loss with General Pair Weighting for Deep Metric
Learning", CVPR 2019, with the miner of its section 3; GSV-Cities' networks are trained so.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gcsa.losses.rows import mean_over, negatives, positives, without_padding


class MultiSimilarityLoss(nn.Module):
    """Mean over rows of ln(1 + sum_p exp(-alpha (s_p - base))) / alpha
    + ln(1 + sum_n exp(beta (s_n - base))) / beta, over the pairs that the miner keeps.

    A positive p is kept where s_p - epsilon is below the row's highest negative, a negative n
    where s_n + epsilon is above its lowest positive; of a row without negatives none are. epsilon
    None keeps every pair. The mean is over the rows with a positive, a row of which no pair is
    kept adds 0: pytorch-metric-learning's default reduction, on a batch where each row has one.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        beta: float = 50.0,
        base: float = 0.0,
        epsilon: float | None = 0.1,
    ):
        super().__init__()
        self.alpha, self.beta, self.base, self.epsilon = alpha, beta, base, epsilon

    def forward(self, scores: Tensor, labels: Tensor, valid: Tensor | None = None) -> Tensor:
        """scores: (B, N) cosines; labels, valid: (B, N) bool, False is not ranked -> ()."""
        scores = without_padding(scores, valid)
        near, far = self.mined(scores.detach(), labels, valid)
        pulled = _log_of_sum(-self.alpha * (scores - self.base), near) / self.alpha
        pushed = _log_of_sum(self.beta * (scores - self.base), far) / self.beta
        return mean_over(pulled + pushed, positives(labels, valid).any(dim=1))

    def mined(self, scores: Tensor, labels: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """The positives and the negatives that are kept, (B, N) bool each."""
        near, far = positives(labels, valid), negatives(labels, valid)
        if self.epsilon is None:
            return near, far
        hardest = scores.masked_fill(~far, -torch.inf).amax(dim=1, keepdim=True)
        easiest = scores.masked_fill(~near, torch.inf).amin(dim=1, keepdim=True)
        return near & (scores - self.epsilon < hardest), far & (scores + self.epsilon > easiest)


def _log_of_sum(exponents: Tensor, mask: Tensor) -> Tensor:
    """ln(1 + sum of e^x within the mask) of each row: (B, N) -> (B,)."""
    kept = exponents.masked_fill(~mask, -torch.inf)
    return functional.pad(kept, (1, 0)).logsumexp(dim=1)
