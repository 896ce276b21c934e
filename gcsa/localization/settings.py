"""Settings of labels from matches."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class SampsonConfig:
    """How a pair of images is scored, and from which score on it counts as positive.

    The published labels' parameters are not known; these are ours.
    """

    threshold: float = 4.0  # pixels: a match with an error from this on adds nothing
    min_matches: int = 15  # fewer matches below the threshold: the pair has score 0
    min_score: float = 15.0  # a pair is positive from this score on
