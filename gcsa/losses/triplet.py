"""A positive against negatives: nearer by a margin, on squared distances.

Arandjelovic et al.: "NetVLAD", CVPR 2016, as its MATLAB code has it: on squared distances, which
PyTorch versions with their margin on plain ones are not.
"""

from __future__ import annotations

from torch import Tensor, nn

from gcsa.losses.rows import mean_over, negatives, positives, without_padding
from gcsa.losses.sare import highest


class TripletLoss(nn.Module):
    """max(0, margin + d(q, p)^2 - d(q, n)^2) of each query's nearest positive and its negatives.

    "Nearest" is the highest score s, and d^2 = 2 - 2 s of unit vectors. reduction: "pair", the
    mean over the (query, negative) pairs, those within the margin and beyond it alike | "tuple",
    the mean over queries of the sum. num_negatives: the nearest that count, 0 for all.

    Queries without a positive or without a negative are not counted.
    """

    def __init__(self, margin: float = 0.1, reduction: str = "pair", num_negatives: int = 10):
        super().__init__()
        self.margin, self.reduction, self.num_negatives = margin, reduction, num_negatives

    def forward(self, scores: Tensor, labels: Tensor, valid: Tensor | None = None) -> Tensor:
        """scores: (B, N) cosines; labels, valid: (B, N) bool, False is not ranked -> ()."""
        scores = without_padding(scores, valid)
        near, has_positive = highest(scores, positives(labels, valid), 1)
        count = min(self.num_negatives or scores.shape[1], scores.shape[1])
        far, is_negative = highest(scores, negatives(labels, valid), count)
        used = is_negative & has_positive  # (B, n)
        hinges = (self.margin + 2 * far - 2 * near).clamp(min=0)
        if self.reduction == "pair":
            return mean_over(hinges, used)
        return mean_over(hinges.where(used, hinges.new_zeros(())).sum(dim=1), used.any(dim=1))
