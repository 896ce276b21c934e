"""Fusion of first-round and refined scores.

A re-ranker is right about groups of images and may be wrong about the first; the first round the
other way round. A weighted sum keeps some of both. The two scales have nothing to do with each
other, so each list's scores are normalised first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gcsa.errors import InputError
from gcsa.ranking.lists import Ranking
from gcsa.rerankers.lists import one_of

NORMALISATIONS = ("min-max", "z")


@dataclass(frozen=True)
class Fusion:
    """How much of the refined scores counts beside the first round's; see :func:`fuse`."""

    weight: float = 0.5
    normalise: str = "min-max"

    def __post_init__(self) -> None:
        one_of("normalise", self.normalise, NORMALISATIONS)
        if not 0 <= self.weight <= 1:
            raise InputError(f"weight: {self.weight} is not from 0 to 1")

    def __str__(self) -> str:
        return f"fused with the first round, weight {self.weight:g}, {self.normalise}"

    @classmethod
    def given(cls, text: str | None) -> Fusion | None:
        """A command line's "WEIGHT" or "WEIGHT:NORMALISE", as 0.7 or 0.7:z; None: none."""
        if text is None:
            return None
        weight, colon, normalise = text.partition(":")
        try:
            return cls(float(weight), normalise if colon else "min-max")
        except ValueError as error:  # InputError is one
            raise InputError(
                f"--fusion: '{text}': expected a weight from 0 (the first round) to 1 (the "
                f"re-ranking), and behind it, if wanted, :{' or :'.join(NORMALISATIONS)}"
            ) from error


def fuse(first: Ranking, refined: Ranking, weight: float, normalise: str = "min-max") -> Ranking:
    """Lists by (1 - weight) * first-round score + weight * refined score, each normalised.

    first, refined: the same lists, in their two orders. weight: 0 gives the first round's order,
    1 the refined one. normalise: "min-max" brings the scores of a list to [0, 1], "z" to mean 0
    and standard deviation 1; scores that are all equal count 0. Only candidates that have both
    scores take part; the others (beyond a re-ranker's K) keep first-round order behind them, and
    so do equals.
    """
    Fusion(weight, normalise)  # InputError for what cannot be
    again = _in_order_of(first, refined)
    scored = np.isfinite(first.scores) & np.isfinite(again) & first.valid
    old = _normalised(first.scores, scored, normalise)
    new = _normalised(again, scored, normalise)
    return first.reordered(np.where(scored, (1 - weight) * old + weight * new, -np.inf))


def _in_order_of(first: Ranking, refined: Ranking) -> np.ndarray:
    """Refined scores (Q, N), each where ``first`` has its candidate."""
    if first.indices.shape != refined.indices.shape:
        raise InputError(
            f"fusion: lists of shape {first.indices.shape} and {refined.indices.shape}"
        )
    before = np.argsort(first.indices, axis=1, kind="stable")
    after = np.argsort(refined.indices, axis=1, kind="stable")
    same = np.take_along_axis(first.indices, before, axis=1) == np.take_along_axis(
        refined.indices, after, axis=1
    )
    if not same.all():
        raise InputError(f"fusion: list {int((~same).any(axis=1).argmax())} holds other candidates")
    scores = np.empty(first.indices.shape, dtype=np.float32)
    np.put_along_axis(scores, before, np.take_along_axis(refined.scores, after, axis=1), axis=1)
    return scores


def _normalised(scores: np.ndarray, scored: np.ndarray, how: str) -> np.ndarray:
    """Scores (Q, N) float64 brought to one scale by list; what is not scored is left out, and 0."""
    values = np.where(scored, scores, 0).astype(np.float64)
    least = np.min(values, axis=1, keepdims=True, initial=np.inf, where=scored)
    most = np.max(values, axis=1, keepdims=True, initial=-np.inf, where=scored)
    start, spread = least, most - least
    if how == "z":
        count = np.maximum(scored.sum(axis=1, keepdims=True), 1)
        start = values.sum(axis=1, keepdims=True) / count
        spread = np.sqrt((np.where(scored, values - start, 0) ** 2).sum(1, keepdims=True) / count)
    return np.where(scored, values - start, 0) / np.where(most > least, spread, 1)
