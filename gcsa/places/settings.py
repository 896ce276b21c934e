"""Section ``posterior`` of the settings."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gcsa.errors import InputError

OBJECTIVES = {"precision": 1.0, "recall": 0.0}
SEQUENCES = ("off", "both", "online")


@dataclass
class PosteriorConfig:
    """Section ``posterior``: how the posterior over places ranks, and by which numbers."""

    objective: str = "precision"  # precision | recall | a weight: 1 is precision, 0 recall
    calibration: str = ""  # file of gcsa calibrate; empty: the database calibrates itself
    verify: int = 50  # candidates whose local features are matched, at most, where there are any
    sequences: str = "off"  # frames of a query's sequence help each other: off | both | online

    @property
    def precision(self) -> float:
        """The weight of the objective; InputError where it is none."""
        if self.objective in OBJECTIVES:
            return OBJECTIVES[self.objective]
        try:
            weight = float(self.objective)
        except ValueError:
            weight = math.nan
        if not 0 <= weight <= 1:
            raise InputError(
                f"posterior.objective: '{self.objective}' is neither precision nor recall nor a "
                "weight from 0 to 1"
            )
        return weight

    def check(self) -> None:
        """Raise InputError at a value that cannot be."""
        _ = self.precision
        if self.sequences not in SEQUENCES:
            raise InputError(
                f"posterior.sequences: '{self.sequences}' is not one of {', '.join(SEQUENCES)}"
            )
        if self.verify < 0:
            raise InputError(f"posterior.verify: {self.verify} is less than 0")
