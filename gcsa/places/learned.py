"""What a network says of a query's candidates, in the place of the evidence that it has read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# Evidence by the kinds of side information in which a network has read it; looks it always has.
READ_AS = {
    "compass": {"heading"},
    "position": {"position"},
    "radio": {"radio"},
    "inliers": {"geometric"},
}


@dataclass(frozen=True, eq=False)
class Learned:
    """What :mod:`gcsa.models.head` gives of Q queries, K candidates each.

    logits: (Q, K) float64, against that of "none of these"; anything where a list is padded. kinds:
    of side information that the network has read, by their names in docs/concepts.md. What it has
    not read is evidence beside it. How often a place was photographed is not: the share of photos
    among what is right is in the likelihood that the network was trained by.
    """

    logits: np.ndarray
    kinds: frozenset[str]

    @classmethod
    def of(cls, scores: np.ndarray, kinds: Iterable[str]) -> Learned:
        """From the scores (Q, 1+K) of a network with a head, "none of these" first."""
        scores = scores.astype(np.float64)
        return cls(scores[:, 1:] - scores[:, :1], frozenset(kinds))

    def has_read(self, evidence: str) -> bool:
        """Whether a kind of evidence, a key of READ_AS, is in the logits already."""
        return bool(READ_AS[evidence] & self.kinds)
