"""Average precision as the DIR code takes it: 25 bins of [0, 1], those at the ends open.

Revaud, Almazan, Rezende, de Souza: "Learning with Average Precision: Training Image Retrieval
with a Listwise Loss", ICCV 2019 (arXiv 1906.07589).
"""

from __future__ import annotations

from torch import Tensor

from gcsa.losses.bins import BinnedAPLoss


class DirAPLoss(BinnedAPLoss):
    """1 - mAP, the sum over bins of the precision down to the bin, times its share of recall."""

    def of_contents(self, every: Tensor, relevant: Tensor, total: Tensor) -> Tensor:
        precision = relevant.cumsum(-1) / (every.cumsum(-1) + 1e-16)
        # The contents sum to the total. Their slopes cancel, too, except on the centre of a bin,
        # where only this sum gives the published gradient.
        recall = relevant / relevant.sum(-1, keepdim=True).clamp(min=1e-16)
        return (precision * recall).sum(-1)
