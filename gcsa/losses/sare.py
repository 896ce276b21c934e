"""Stochastic attraction-repulsion embedding: a positive against the hardest negatives.

Liu, Li, Dai: "Stochastic Attraction-Repulsion Embedding for Large Scale Image Localization",
ICCV 2019 (arXiv 1808.08779).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gcsa.losses.rows import negatives, positives

KERNELS = ("gaussian", "cauchy", "exponential")
MODES = ("independent", "joint")
REDUCTIONS = ("pair", "tuple")
# Under the root of a distance: about the rounding of 2 - 2 s for a float32 cosine s near 1, and
# a slope of 3,000 at equal descriptors.
EPSILON = 1e-7


class SARELoss(nn.Module):
    """Of each query, its nearest positive against its ``num_negatives`` nearest negatives.

    "Nearest" is the highest score. 0 negatives stand for all. A query that is in its own list as
    a positive would always be the nearest: leave it out.

    With the similarity h of two descriptors at distance d and r_j = (h(n_j) / h(p)) ** (1 / t):
    kernel: "gaussian", h = exp(-d^2) | "cauchy", h = 1 / (1 + d^2) | "exponential", h = exp(-d).
    mode: "independent", sum over negatives of ln(1 + r_j) | "joint", ln(1 + sum of r_j).
    temperature: t; 1 is the published loss. A Gaussian of t is a softmax of cosines at t / 2.
    reduction: what the sum over queries is divided by: "pair", the number of (query, negative)
    pairs, as published | "tuple", the number of queries. With n negatives everywhere "tuple" is
    "pair" at n times the learning rate.

    Queries without a positive or without a negative add nothing and are not counted.
    """

    def __init__(
        self,
        kernel: str = "gaussian",
        mode: str = "independent",
        temperature: float = 1.0,
        reduction: str = "pair",
        num_negatives: int = 10,
    ):
        super().__init__()
        self.kernel, self.mode, self.reduction = kernel, mode, reduction
        self.temperature, self.num_negatives = temperature, num_negatives

    def forward(self, scores: Tensor, labels: Tensor, valid: Tensor | None = None) -> Tensor:
        """scores: (B, N) cosines; labels, valid: (B, N) bool, False is not ranked -> ()."""
        near, has_positive = highest(scores, positives(labels, valid), 1)
        count = min(self.num_negatives or scores.shape[1], scores.shape[1])
        far, is_negative = highest(scores, negatives(labels, valid), count)
        used = is_negative & has_positive  # (B, n)
        ratios = (self._energy(near) - self._energy(far)) / self.temperature  # ln r_j
        ratios = ratios.masked_fill(~used, -torch.inf)
        if self.mode == "joint":
            ratios = functional.pad(ratios, (1, 0)).logsumexp(dim=1, keepdim=True)
            total = ratios.sum()
        else:
            total = functional.softplus(ratios).sum()
        counted = used if self.reduction == "pair" else used.any(dim=1)
        return total / counted.sum().clamp(min=1)

    def _energy(self, cosines: Tensor) -> Tensor:
        """-ln h of the distance between two unit vectors of these cosines."""
        squared = (2 - 2 * cosines).clamp(min=0)
        if self.kernel == "gaussian":
            return squared
        if self.kernel == "cauchy":
            return squared.log1p()
        return (squared + EPSILON).sqrt()


def highest(scores: Tensor, mask: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` highest scores within the mask, (B, count), and which of them are there."""
    found, where = scores.masked_fill(~mask, -torch.inf).topk(count, dim=1)
    there = mask.gather(1, where)
    return found.masked_fill(~there, 0), there
