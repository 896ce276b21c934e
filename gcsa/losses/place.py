"""How likely the right place is: a distribution over the candidates and "none of these".

The likelihood that the posterior over places is calibrated by (:mod:`gcsa.places.fitting`), as a
loss of networks that give a logit a candidate. All relevant candidates are right: their
probabilities are summed inside one logarithm, as in multiple-instance learning (Miech et al.:
"End-to-End Learning of Visual Representations from Uncurated Instructional Videos", CVPR 2020, eq.
1, MIL-NCE). Units are nats: log(N + 1) where nothing is known of N candidates.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gcsa.losses.rows import mean_over, positives, without_padding


def place_loss(
    logits: Tensor, none: Tensor, relevant: Tensor, valid: Tensor | None = None
) -> Tensor:
    """-log of the probability of what is right, of each query: (...), nats, from 0.

    logits: (..., K), log-likelihoods of the candidates up to a constant a query. none: (...), the
    logit of "none of these", which is right where no candidate is relevant. relevant: (..., K)
    bool. valid: (..., K) bool, False for padding, whose logits may be anything; None: all are
    there.
    """
    right = positives(relevant, valid)
    logits = without_padding(logits, valid)
    kept = logits if valid is None else logits.masked_fill(~valid, -torch.inf)
    every = torch.cat([kept, none.to(logits)[..., None]], dim=-1)
    # The last column, "none of these", is right where nothing else is.
    chosen = functional.pad(right, (0, 1))
    chosen[..., -1] = ~right.any(dim=-1)
    return every.logsumexp(dim=-1) - every.masked_fill(~chosen, -torch.inf).logsumexp(dim=-1)


class PlaceLoss(nn.Module):
    """Mean over queries of :func:`place_loss`.

    skip_empty: leave queries without a relevant candidate out of the mean. Otherwise "none of
    these" is their answer.
    """

    def __init__(self, skip_empty: bool = False):
        super().__init__()
        self.skip_empty = skip_empty

    def forward(
        self,
        logits: Tensor,
        labels: Tensor,
        valid: Tensor | None = None,
        none: Tensor | None = None,
    ) -> Tensor:
        """logits: (B, N); labels: (B, N) bool; valid: (B, N) bool, False is not there -> ().

        none: (B,), the logits of "none of these"; 0 where there are none.
        """
        none = logits.new_zeros(len(logits)) if none is None else none
        losses = place_loss(logits, none, labels, valid)
        return mean_over(losses, positives(labels, valid).any(dim=1) | (not self.skip_empty))
