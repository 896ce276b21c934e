"""How far a confidence can be relied on: does it come true, and does it sort right from wrong.

Arrays of Q answers throughout: confidence (Q,), of what is called one a probability in [0, 1], of
what only sorts any number; correct (Q,) bool. Equal confidences are never told apart: no figure
depends on the order in which the queries are given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gcsa.errors import InputError

BINS = 10
# A sum of probabilities in single precision may end beyond 1 by so much.
ROUNDING = 1e-4
DRAWS, SEED = 200, 0


@dataclass(frozen=True, eq=False)
class Reliability:
    """Answers by their confidence, in b bins of equal width; NaN where a bin is empty.

    edges: (b + 1,) of the bins, each with its lower edge, the last with both. confidence: (b,)
    mean. correct: (b,) share that is right. count: (b,) int64.
    """

    edges: np.ndarray
    confidence: np.ndarray
    correct: np.ndarray
    count: np.ndarray

    @property
    def error(self) -> float:
        """Mean of |confidence - correct| over the bins, by their counts; NaN without answers."""
        if not self.count.sum():
            return float("nan")
        held = self.count > 0
        gaps = np.abs(self.confidence - self.correct)[held]
        return float(np.average(gaps, weights=self.count[held]))


def reliability(confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> Reliability:
    """Mean confidence and share of right answers, bin by bin.

    Raises InputError where a confidence is not in [0, 1], or its number is not that of ``correct``.
    """
    confidence, correct = _checked(confidence, correct)
    beyond = (confidence < -ROUNDING) | (confidence > 1 + ROUNDING)
    if beyond.any():
        raise InputError(f"confidence: {confidence[beyond][0]:g} is not between 0 and 1")
    confidence = confidence.clip(0, 1)
    number = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    count = np.bincount(number, minlength=bins)
    sums = (np.bincount(number, values, bins) for values in (confidence, correct))
    with np.errstate(invalid="ignore"):
        means = [total / count for total in sums]
    return Reliability(np.linspace(0, 1, bins + 1), means[0], means[1], count)


def expected_calibration_error(
    confidence: np.ndarray, correct: np.ndarray, bins: int = BINS
) -> float:
    """How far confidence is from what comes true, bin by bin, in [0, 1]; NaN without answers.

    Naeini, Cooper and Hauskrecht, AAAI 2015; Guo et al., ICML 2017.
    """
    return reliability(confidence, correct, bins).error


def error_by_chance(confidence: np.ndarray, bins: int = BINS) -> float:
    """The calibration error that so few answers have where their confidence is exactly true.

    Mean over DRAWS draws of what is right, seeded. What is not above it cannot be improved on.
    """
    random = np.random.default_rng(SEED)
    draws = random.random((DRAWS, len(confidence))) < confidence
    return float(np.mean([expected_calibration_error(confidence, d, bins) for d in draws]))


def answered_curve(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Who answers the surest queries alone: share that is answered, share of those that is right.

    Two arrays (t,), one point for each of the t confidences that occur, the highest first; the last
    one is all queries. 1 minus the second is the risk at the coverage that the first one is
    (El-Yaniv and Wiener, JMLR 2010).
    """
    answered, right = _by_threshold(confidence, correct)
    return answered / max(1, len(confidence)), right / answered


def auc_pr(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Area under precision against recall of "this answer is right", as average precision.

    Sum over the confidences that occur, from the highest, of what recall gains there times the
    precision there: by steps, without a line between points. NaN where no answer is right.
    """
    answered, right = _by_threshold(confidence, correct)
    if not len(right) or not right[-1]:
        return float("nan")
    gained = np.diff(right, prepend=0) / right[-1]
    return float((gained * right / answered).sum())


def _by_threshold(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many answers are at or above each confidence that occurs, and how many are right."""
    confidence, correct = _checked(confidence, correct)
    values, group = np.unique(-confidence, return_inverse=True)
    answered = np.bincount(group, minlength=len(values)).cumsum()
    return answered, np.bincount(group, correct, len(values)).cumsum()


def _checked(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    confidence, correct = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=bool)
    if confidence.ndim != 1 or confidence.shape != correct.shape:
        raise InputError(
            f"confidence: {confidence.shape} values for {correct.shape} answers, expected one each"
        )
    if np.isnan(confidence).any():
        raise InputError(f"confidence: not a number, of answer {np.isnan(confidence).argmax()}")
    return confidence, correct
