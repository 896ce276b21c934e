"""What a network says of a query's candidates, in the place of the evidence that it has read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# Evidence, by its name in a Weighed, and the kinds of side information by which a network reads it.
# Looks, and with them how densely places are photographed, it has always read.
READ_AS = {
    "compass": {"heading"},
    "position": {"position"},
    "radio": {"radio"},
    "local": {"geometric"},
}


@dataclass(frozen=True, eq=False)
class Logits:
    """What :mod:`gcsa.models.head` gives of Q queries, K candidates each.

    values: (Q, K) float64, against that of "none of these"; anything where a list is padded. kinds:
    of side information that the network has read, by their names in docs/concepts.md. What it has
    not read is evidence beside it. How often a place was photographed is not: the share of photos
    among what is right is in the likelihood that the network was trained by.
    """

    values: np.ndarray
    kinds: frozenset[str]

    @classmethod
    def of(cls, scores: np.ndarray, kinds: Iterable[str]) -> Logits:
        """From the scores (Q, 1+K) of a network with a head, "none of these" first."""
        scores = scores.astype(np.float64)
        return cls(scores[:, 1:] - scores[:, :1], frozenset(kinds))

    def has_read(self, evidence: str) -> bool:
        """Whether a kind of evidence is in them already."""
        return evidence not in READ_AS or bool(READ_AS[evidence] & self.kinds)
