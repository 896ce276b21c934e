"""Average precision on quantised scores, differentiable.

Revaud, Almazan, Rezende, de Souza: "Learning with Average Precision: Training Image Retrieval
with a Listwise Loss", ICCV 2019 (arXiv 1906.07589), section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gcsa.losses.rows import mean_over, positives, without_padding


class APLoss(nn.Module):
    """1 - mAP, each AP over M = ``num_bins`` soft bins of the scores.

    The bin centres are spread evenly over ``value_range``, highest first; a triangular kernel as
    wide as the spacing shares a score between the two nearest. Precision of a bin is taken over
    that bin and those above; AP weights it with the bin's share of the relevant entries.

    skip_empty: leave queries without a relevant entry out of the mean. Otherwise their AP is 0.
    """

    def __init__(
        self,
        num_bins: int = 20,
        value_range: tuple[float, float] = (-1.0, 1.0),
        skip_empty: bool = False,
    ):
        super().__init__()
        self.num_bins, self.skip_empty = num_bins, skip_empty
        self.low, self.high = value_range

    def forward(self, scores: Tensor, labels: Tensor, valid: Tensor | None = None) -> Tensor:
        """scores: (B, N); labels: (B, N) bool; valid: (B, N) bool, False is not ranked -> ()."""
        ap = self.average_precision(scores, labels, valid)
        if not self.skip_empty:
            return 1 - ap.mean()
        return mean_over(1 - ap, positives(labels, valid).any(dim=1))

    def average_precision(self, scores: Tensor, labels: Tensor, valid: Tensor | None) -> Tensor:
        """Quantised AP of each query: (B,) in [0, 1]; arguments as in :meth:`forward`."""
        scores = without_padding(scores, valid)
        centres = torch.linspace(
            self.high, self.low, self.num_bins, dtype=scores.dtype, device=scores.device
        )
        spacing = (self.high - self.low) / (self.num_bins - 1)
        # Rounding may push a cosine a hair beyond the last centre: it belongs in the last bin.
        inside = scores.clamp(self.low, self.high)
        distance = (inside[:, None, :] - centres[:, None]).abs()  # (B, M, N)
        share = (1 - distance / spacing).clamp(min=0)
        if valid is not None:
            share = share * valid[:, None, :]
        relevant = (share * positives(labels, valid)[:, None, :]).sum(-1)  # (B, M)
        precision = relevant.cumsum(-1) / (share.sum(-1).cumsum(-1) + 1e-16)
        total = relevant.sum(-1, keepdim=True)
        recall = relevant / total.clamp(min=1e-16)
        return (precision * recall).sum(-1)
