"""The evidence of some queries for their candidates, kind by kind."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gcsa.places.standing import Observed
from gcsa.sideinfo import evidence


@dataclass(frozen=True, eq=False)
class Weighed:
    """The evidence of Q queries for their candidates.

    kinds: (Q, N) log-likelihood ratios by name, exactly 0 where nothing is known; "density" is the
    prior. valid: (Q, N), False where padded. observed: what the queries' own sensors say.
    """

    kinds: dict[str, np.ndarray]
    valid: np.ndarray
    observed: Observed | None = None

    @property
    def total(self) -> np.ndarray:
        """Their sum, (Q, N), -inf where padded."""
        return evidence.total(self.kinds.values(), self.valid)

    def beside(self, **kinds: np.ndarray) -> Weighed:
        """With further kinds."""
        return replace(self, kinds=self.kinds | kinds)
