"""What :class:`gcsa.models.place.PlaceNet` reads, as numbers that mean the same for any data set.

Similarities are standardised by list, evidence is in nats, distances are in units of the rule that
says what is relevant. What is unknown is 0, beside a flag that says so. Nothing depends on the
order of the candidates, only on their similarities. B queries, K candidates, M keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from gcsa.models.place import Correction, Pairs
from gcsa.places.affinities import AFFINITIES, NUMBER, Affinities

# Kinds of evidence beside looks that a token tells of, with a flag each: 0 is unknown.
KINDS = ("density", "compass", "position", "radio", "local")
# Where they stand in a token, behind similarity, gap, rank and looks.
OF_KINDS = slice(4, 4 + 2 * len(KINDS))
# What of a list the query's token tells.
OF_LIST = 10
# similarity, gap, rank, looks; the kinds; log p, p; of the list; which of three kinds of token.
FEATURES = 4 + 2 * len(KINDS) + 2 + OF_LIST + 3
# Of a pair: the affinities, and whether either is the query's token or that of "none of these".
PAIRS = len(AFFINITIES) + 3
# No logarithm of a probability is told below this.
LEAST = -12.0
FAINT = 1e-6  # a spread of similarities below this is of images all alike


@dataclass(frozen=True, eq=False)
class Evidence:
    """The evidence of B queries, as tensors.

    similarity: (B, K). kinds: name to (B, K), 0 unknown; none: (B,), the logit of "none of these".
    valid: (B, K), False where padded.
    """

    similarity: Tensor
    kinds: dict[str, Tensor]
    none: Tensor
    valid: Tensor

    @property
    def total(self) -> Tensor:
        """The sum of all kinds, (B, K), -inf where padded."""
        return self._of_valid(sum(self.kinds.values(), torch.zeros_like(self.similarity)))

    def corrected(self, change: Correction, residual: bool) -> tuple[Tensor, Tensor]:
        """The logits of the candidates, (B, K), -inf where padded, and of "none of these", (B,).

        Not ``residual``: those of the network alone.
        """
        if not residual:
            return self._of_valid(change.evidence), change.none
        return self.total + change.evidence, self.none + change.none

    def _of_valid(self, logits: Tensor) -> Tensor:
        return logits.masked_fill(~self.valid, -torch.inf)


class Inputs(NamedTuple):
    """The arguments of :class:`gcsa.models.place.PlaceNet`."""

    tokens: Tensor
    pairs: Pairs | None
    top: Tensor
    seen: Tensor

    def to(self, device: torch.device) -> Inputs:
        """On a device."""
        pairs = None if self.pairs is None else Pairs(*(each.to(device) for each in self.pairs))
        return Inputs(self.tokens.to(device), pairs, self.top.to(device), self.seen.to(device))


def inputs_of(
    evidence: Evidence, rows: Tensor, queries: Tensor, affinities: Affinities | None, keys: int
) -> Inputs:
    """The inputs of B queries.

    rows: (B, K) of the database, -1 padded; queries: (B,) rows of the queries. affinities: None
    for a network without layers. keys: how many candidates all attend to, at most.
    """
    total, valid = evidence.total, evidence.valid
    similarity = standardised(evidence.similarity, valid)
    tokens = _tokens(evidence, total, similarity)
    top = torch.topk(total, min(keys, rows.shape[1]), dim=1).indices
    pairs = None
    if affinities is not None:
        query = affinities.with_query(queries, rows)
        query[:, NUMBER["looks"]] = similarity / 2
        pairs = Pairs(affinities.between(rows, top), query)
    return Inputs(tokens, pairs, top, valid.gather(1, top))


def standardised(similarity: Tensor, valid: Tensor) -> Tensor:
    """Similarities (B, K) with mean 0 and variance 1 in each list, 0 where padded."""
    count = valid.sum(1, keepdim=True).clamp(min=1)
    known = similarity.masked_fill(~valid, 0)
    offset = (known - known.sum(1, keepdim=True) / count).masked_fill(~valid, 0)
    spread = (offset.square().sum(1, keepdim=True) / count).sqrt().clamp(min=FAINT)
    return offset / spread


def _tokens(evidence: Evidence, total: Tensor, similarity: Tensor) -> Tensor:
    """Features (B, 2 + K, F): the query, "none of these", the candidates."""
    B, K = similarity.shape
    logits = torch.cat([total, evidence.none[:, None]], dim=1)
    logs = torch.log_softmax(logits, dim=1).clamp(min=LEAST)
    chance = logs.exp()
    best = similarity.masked_fill(~evidence.valid, -torch.inf).max(1, keepdim=True).values
    rank = (-similarity.masked_fill(~evidence.valid, -torch.inf)).argsort(1).argsort(1)
    tokens = similarity.new_zeros(B, 2 + K, FEATURES)
    own = [similarity, best - similarity, torch.log1p(rank) / 3, evidence.kinds["looks"] / 4]
    for name in KINDS:
        kind = evidence.kinds.get(name, torch.zeros_like(similarity))
        own += [kind.clamp(-6, 6), (kind != 0).to(kind.dtype)]
    torch.stack(own, dim=-1, out=(each := similarity.new_empty(B, K, len(own))))
    tokens[:, 2:, : len(own)] = each
    place = len(own)
    tokens[:, 2:, place], tokens[:, 2:, place + 1] = logs[:, :-1] / 5, 3 * chance[:, :-1]
    tokens[:, 1, place], tokens[:, 1, place + 1] = logs[:, -1] / 5, 3 * chance[:, -1]
    of_list = _of_list(evidence, similarity, logs, chance)
    tokens[:, :, place + 2 : place + 2 + OF_LIST] = of_list[:, None]
    for number, part in enumerate((slice(0, 1), slice(1, 2), slice(2, None))):
        tokens[:, part, FEATURES - 3 + number] = 1
    tokens[:, 2:] *= evidence.valid[..., None]
    return tokens


def _of_list(evidence: Evidence, similarity: Tensor, logs: Tensor, chance: Tensor) -> Tensor:
    """How sure a list is of its best, (B, OF_LIST): gaps, contrast, probabilities, length."""
    first = similarity.masked_fill(~evidence.valid, -torch.inf)
    first = first.topk(min(10, first.shape[1]), dim=1).values.clamp(min=LEAST)
    gaps = [first[:, 0] - first[:, min(k, first.shape[1] - 1)] for k in (1, 4, 9)]
    looks = evidence.kinds["looks"]
    count = evidence.valid.sum(1).clamp(min=1)
    contrast = (looks.square().sum(1) / count).sqrt() / 3
    entropy = -(chance * logs).sum(1) / 2
    found = [first[:, 0], *gaps, contrast, evidence.none / 3]
    found += [3 * chance[:, -1], 3 * chance[:, :-1].max(1).values, entropy, count.log() / 5]
    return torch.stack(found, dim=-1)
