"""Average precision where the entries of a bin are tied: about its mean over their orders.

He, Cakir, Bargal, Sclaroff: "Hashing as Tie-Aware Learning to Rank", CVPR 2018 (arXiv 1705.08562);
on soft bins as in the published DIR code (naver/deep-image-retrieval).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from gcsa.losses.bins import BinnedAPLoss

# The share of irrelevant entries among the others of a bin, (c - p) / (c - 1), has no bounded slope
# as the bin's content c falls to 1. Below 1 + MARGIN its slope is taken as if c were that. Of a bin
# without irrelevant entries the share is 0 for every c: there the slope, 0, needs no bound.
MARGIN = 0.1
TINY = 1e-8  # DIR's guard against 0 / 0


class TieAwareAPLoss(BinnedAPLoss):
    """1 - mAP with ties accounted for.

    With c and p the entries and the relevant ones of a bin, C and P those of the bins above, and
    r = max(p - 1, 0) / max(c - 1, 0), the AP is the sum over bins, divided by that of all p, of
    p / c * (c r + (P + 1 - r (C + 1)) ln((C + c + 1) / (C + 1))),
    or in its simplified form of p (2 P + p + 1) / (2 C + c + 1).
    Values are the published ones; gradients too, but where c lies between 1 and 1 + MARGIN: there
    those of r are bounded, as DIR's are as large as 1e8.
    """

    def __init__(
        self,
        num_bins: int = 25,
        value_range: tuple[float, float] = (0.0, 1.0),
        by_distance: bool = False,
        skip_empty: bool = False,
        simplified: bool = False,
    ):
        super().__init__(num_bins, value_range, by_distance, skip_empty)
        self.simplified = simplified

    def of_contents(self, every: Tensor, relevant: Tensor, total: Tensor) -> Tensor:
        above, relevant_above = _above(every), _above(relevant)
        if self.simplified:
            ratio = (2 * relevant_above + relevant + 1) / (2 * above + every + 1)
            return (relevant * ratio).sum(-1) / total
        others = _share_of_others(every, relevant)
        spread = (relevant_above + 1 - others * (above + 1)) * (every / (above + 1)).log1p()
        return (relevant / (every + TINY) * (every * others + spread)).sum(-1) / total


def _above(content: Tensor) -> Tensor:
    """Content of all bins above each: (B, M) -> (B, M)."""
    return pad(content.cumsum(-1)[:, :-1], (1, 0))


def _share_of_others(every: Tensor, relevant: Tensor) -> Tensor:
    """r of :class:`TieAwareAPLoss`, (B, M), with a slope of at most 1 / MARGIN."""
    others = (every - 1).clamp(min=0) + TINY
    exact = (relevant - 1).clamp(min=0) / others
    bounded = 1 - (every - relevant + TINY) / others.clamp(min=MARGIN)
    bounded = bounded.where(relevant >= 1, torch.zeros_like(bounded))
    return bounded + (exact - bounded).detach()
