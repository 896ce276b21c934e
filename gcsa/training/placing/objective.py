"""What the network of places is trained by: the place loss, and the relevance of what is listed."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from gcsa.losses.place import place_loss
from gcsa.models.place import Correction
from gcsa.places.learned import FAINT
from gcsa.training.placing.augmentation import Read

# Of the loss of relevance, summed over a list, beside that of the place.
RELEVANCE = 0.1


def loss_of(change: Correction, read: Read, residual: bool) -> Tensor:
    """The weighted mean of the place loss, and the loss of relevance of queries without positions.

    The latter is the cross-entropy of each listed image, from the probability that the query was
    taken there. residual: of the network.
    """
    evidence, valid = read.evidence, read.evidence.valid
    logits, none = evidence.corrected(change, residual)
    weight = read.weight / read.weight.sum().clamp(min=FAINT)
    loss = (weight * place_loss(logits, none, read.relevant, valid)).sum()
    if not read.apart.any():
        return loss + 0 * change.relevance.sum()
    with torch.no_grad():
        chance = torch.softmax(torch.cat([logits, none[:, None]], dim=1), dim=1)[:, :-1]
        known = torch.logit(chance.clamp(FAINT, 1 - FAINT))
    each = functional.binary_cross_entropy_with_logits(
        known + change.relevance, read.relevant.float(), reduction="none"
    )
    return loss + RELEVANCE * (weight * read.apart * (each * valid).sum(1)).sum()
