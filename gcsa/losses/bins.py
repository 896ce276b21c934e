"""What DIR's two AP losses share: bins with open ends, distances for scores, query weights.

DIR is the published code (naver/deep-image-retrieval) of Revaud et al., ICCV 2019
(arXiv 1906.07589).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gcsa.losses.rows import mean_over, positives, without_padding


def soft_bins(scores: Tensor, num_bins: int, low: float, high: float) -> Tensor:
    """Share of each score in each bin: (B, N) -> (B, M, N), the highest bin first.

    Triangles around M centres from ``high`` down to ``low``, as wide as their spacing; beyond the
    first and the last centre a score lies wholly in that bin, so that its shares sum to 1 wherever
    it is. The triangle is the lesser of two lines: on a centre their slopes are averaged, and a
    score on the foot of a triangle still feels its slope, as in DIR.
    """
    slope = (num_bins - 1) / (high - low)
    bins = torch.arange(num_bins, dtype=scores.dtype, device=scores.device)[:, None]
    scaled = slope * scores[:, None, :]
    falling = (slope * low + num_bins - bins) - scaled  # (B, M, N), 1 on the centre
    rising = scaled + (2 - num_bins + bins - slope * low)
    one = scores.new_ones(())
    falling = falling.where(bins > 0, one)
    rising = rising.where(bins < num_bins - 1, one)
    return torch.minimum(falling, rising).clamp(min=0)


class BinnedAPLoss(nn.Module):
    """1 - the mean of an average precision over soft bins, which a subclass defines.

    num_bins, value_range: see :func:`soft_bins`. A score outside the range has no gradient: with
    DIR's default (0, 1) negative cosines have none.
    by_distance: bins of 1 - sqrt(2.001 - 2 s), a distance turned round, instead of the cosine s.
    skip_empty: leave queries without a relevant entry out of the mean. Otherwise their AP is 0.
    """

    def __init__(
        self,
        num_bins: int = 25,
        value_range: tuple[float, float] = (0.0, 1.0),
        by_distance: bool = False,
        skip_empty: bool = False,
    ):
        super().__init__()
        self.num_bins, self.by_distance, self.skip_empty = num_bins, by_distance, skip_empty
        self.low, self.high = value_range

    def forward(
        self,
        scores: Tensor,
        labels: Tensor,
        valid: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """scores: (B, N); labels: (B, N) bool; valid: (B, N) bool, False is not ranked -> ().

        weights: (B,) factors of the queries' APs; the sum is not divided by theirs.
        """
        ap = self.average_precision(scores, labels, valid)
        if weights is not None:
            ap = weights * ap
        if not self.skip_empty:
            return 1 - ap.mean()
        return mean_over(1 - ap, positives(labels, valid).any(dim=1))

    def average_precision(self, scores: Tensor, labels: Tensor, valid: Tensor | None) -> Tensor:
        """AP of each query, (B,), 0 without a relevant entry; arguments as in forward."""
        scores = without_padding(scores, valid)
        if self.by_distance:
            scores = 1 - (2.001 - 2 * scores.clamp(max=1)).sqrt()
        share = soft_bins(scores, self.num_bins, self.low, self.high)
        if valid is not None:
            share = share * valid[:, None, :]
        mask = positives(labels, valid)
        relevant = (share * mask[:, None, :]).sum(-1)
        return self.of_contents(share.sum(-1), relevant, mask.sum(-1).clamp(min=1))

    def of_contents(self, every: Tensor, relevant: Tensor, total: Tensor) -> Tensor:
        """AP (B,) from the contents (B, M) of the bins; total: (B,) number of relevant entries."""
        raise NotImplementedError
