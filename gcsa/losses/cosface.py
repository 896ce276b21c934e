"""A softmax over classes whose own cosine must win by a margin.

Wang et al.: "CosFace: Large Margin Cosine Loss for Deep Face Recognition", CVPR 2018; CosPlace
(Berton, Masone, Caputo, CVPR 2022) classifies places so.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gcsa.losses.rows import mean_over, negatives, positives, without_padding


class CosFaceLoss(nn.Module):
    """ln(1 + sum_n exp(scale (s_n - s_p + margin))) of each row's positive p, averaged over rows.

    Scores s are cosines with what stands for each class, of which a row has one positive; where
    it has several, their mean counts. Rows without one are not counted.
    """

    def __init__(self, scale: float = 30.0, margin: float = 0.4):
        super().__init__()
        self.scale, self.margin = scale, margin

    def forward(self, scores: Tensor, labels: Tensor, valid: Tensor | None = None) -> Tensor:
        """scores: (B, C) cosines; labels, valid: (B, C) bool, False is not ranked -> ()."""
        logits = self.scale * without_padding(scores, valid)
        own, others = positives(labels, valid), negatives(labels, valid)
        # The log-sum of nothing has no slope: a row without negatives takes part with all.
        alone = ~others.any(dim=1, keepdim=True)
        against = logits.masked_fill(~others & ~alone, -torch.inf).logsumexp(dim=1, keepdim=True)
        losses = functional.softplus(against - logits + self.scale * self.margin)
        losses = losses.masked_fill(~own | alone, 0).sum(dim=1) / own.sum(dim=1).clamp(min=1)
        return mean_over(losses, own.any(dim=1))
