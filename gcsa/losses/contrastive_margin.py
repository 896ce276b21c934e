"""Pairs pulled together or pushed apart beyond a margin: the contrastive loss of Siamese networks.

Chopra, Hadsell, LeCun, CVPR 2005; with half squares as cnnimageretrieval-pytorch (Radenovic et
al., TPAMI 2019), which has a margin of 0.85, and SARE's comparison, which has 0.7.
"""

from __future__ import annotations

from torch import Tensor, nn

from gcsa.losses.rows import mean_over, negatives, positives, without_padding
from gcsa.losses.sare import EPSILON


class ContrastiveMarginLoss(nn.Module):
    """d(q, p)^2 / 2 of every positive, max(0, margin - d(q, n))^2 / 2 of every negative.

    d^2 = 2 - 2 s of unit vectors with cosine s. reduction: "pair", the mean over all pairs |
    "tuple", the mean over queries of the sum. Queries without a positive are not counted.
    """

    def __init__(self, margin: float = 0.85, reduction: str = "tuple"):
        super().__init__()
        self.margin, self.reduction = margin, reduction

    def forward(self, scores: Tensor, labels: Tensor, valid: Tensor | None = None) -> Tensor:
        """scores: (B, N) cosines; labels, valid: (B, N) bool, False is not ranked -> ()."""
        scores = without_padding(scores, valid)
        near, far = positives(labels, valid), negatives(labels, valid)
        squared = (2 - 2 * scores).clamp(min=0)
        # The root's slope is unbounded at 0; a little below it is not seen at the margin.
        beyond = (self.margin - (squared + EPSILON).sqrt()).clamp(min=0).square()
        losses = squared.where(near, beyond) / 2
        used = (near | far) & near.any(dim=1, keepdim=True)
        if self.reduction == "pair":
            return mean_over(losses, used)
        return mean_over(losses.where(used, losses.new_zeros(())).sum(dim=1), used.any(dim=1))
