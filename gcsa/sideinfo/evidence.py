"""Evidence for where a query was taken: one log-likelihood ratio a candidate and kind.

Hypothesis i: the query's camera stands about where candidate i stands. Each function returns
log p(observation | i) - log p(observation | some other place), (Q, N) float64: 0 is no evidence
either way, and exactly 0 is what anything unknown (NaN) or padded adds. So kinds are added up, one
that is missing changes no bit, and "none of these candidates" has 0 for all kinds but looks.

Angles are radians clockwise from north, positions and accuracies metres.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import erf

# Share of a 2D Gaussian error that the stated accuracy of a device's position holds (Android's
# Location.getAccuracy), and so the radius that holds it, in standard deviations.
ACCURACY_SHARE = 0.68
ACCURACY_SIGMAS = math.sqrt(-2 * math.log(1 - ACCURACY_SHARE))


@dataclass(frozen=True, eq=False)
class Table:
    """A log-likelihood ratio as a function of one measured number, linear between the knots.

    knots: (B,) rising; log_ratio: (B,). Beyond the first and last knot it stays constant.
    """

    knots: np.ndarray
    log_ratio: np.ndarray


def looks(similarity: np.ndarray, valid: np.ndarray, temperature: float) -> np.ndarray:
    """``temperature`` (an inverse one) times the similarity above the list's mean: (Q, N).

    similarity: (Q, N) of descriptors, or logits of a network with temperature 1. The mean makes
    lists comparable whose similarities are all low (a query by night) to the hypothesis "none of
    these", which has 0 here; it changes nothing between candidates.
    """
    known = valid & np.isfinite(similarity)
    value = np.where(known, similarity, 0.0).astype(np.float64)
    mean = value.sum(1, keepdims=True) / np.maximum(known.sum(1, keepdims=True), 1)
    return np.where(known, temperature * (value - mean), 0.0)


def compass(
    query: np.ndarray, candidates: np.ndarray, sigma: np.ndarray | float, outliers: float
) -> np.ndarray:
    """Headings (Q,) of queries against those (Q, N) of their candidates: (Q, N).

    log(e + (1 - e) f(d) 2 pi), f the normal density of ``sigma`` radians, a number or (Q,), cut at
    half a turn, d the wrapped difference, e the share ``outliers`` of pairs that look any way: a
    broken compass, or two cameras of one place that look elsewhere. A density against the uniform
    one, instead of a bump of height 1, leaves "none of these" at 0.
    """
    turn = wrapped(np.asarray(query, dtype=np.float64)[:, None] - candidates)
    width = np.broadcast_to(np.asarray(sigma, dtype=np.float64), len(query))[:, None]
    whole = math.sqrt(2 * math.pi) * width * erf(math.pi / (math.sqrt(2) * width))
    ratio = np.exp(-0.5 * (turn / width) ** 2) * (2 * math.pi / whole)
    return _known(_mixture(outliers, ratio))


def position(
    query: np.ndarray,
    accuracy: np.ndarray,
    candidates: np.ndarray,
    spread: float,
    outliers: float,
    area: float,
) -> np.ndarray:
    """Positions (Q, 2) that devices report, against those (Q, N, 2) of the candidates: (Q, N).

    log(e + (1 - e) A N(x; x_i, sigma^2 + spread^2)), A the ``area`` of the scene in square metres,
    sigma from the ``accuracy`` (Q,) of 68 %. An accuracy of NaN makes a position unknown: give a
    default before.
    """
    offset = np.asarray(query, dtype=np.float64)[:, None] - candidates
    variance = (device_sigma(accuracy) ** 2 + spread**2)[:, None]
    ratio = area / (2 * math.pi * variance) * np.exp(-0.5 * (offset**2).sum(-1) / variance)
    return _known(_mixture(outliers, ratio))


def device_sigma(accuracy: np.ndarray | float) -> np.ndarray:
    """Standard deviation along one axis, metres, of a position with that accuracy (68 %)."""
    return np.asarray(accuracy, dtype=np.float64) / ACCURACY_SIGMAS


def tabulated(measured: np.ndarray, table: Table) -> np.ndarray:
    """Any number (Q, N) measured of query and candidate, NaN unknown, through its table: (Q, N).

    Radio affinities, numbers of inliers of local features: what calibration found of p(number |
    same place) / p(number | another place).
    """
    measured = np.asarray(measured, dtype=np.float64)
    value = np.interp(np.nan_to_num(measured), table.knots, table.log_ratio)
    return np.where(np.isnan(measured), 0.0, value)


def trust(log_ratio: np.ndarray, outliers: float, known: np.ndarray) -> np.ndarray:
    """The probability under each hypothesis that the sensor was no outlier, (Q, N).

    log_ratio: of :func:`position` or :func:`compass`; 1 - outliers / ratio, 0 where not ``known``.
    """
    return np.where(known, 1 - outliers * np.exp(-log_ratio), 0.0)


def density(photos: np.ndarray, gamma: float) -> np.ndarray:
    """Prior of a candidate, -gamma log(sum_j K(i, j)): photos (Q, N) -> (Q, N).

    photos: how many photos show the place of a candidate. gamma 1: each place is as likely; 0:
    each photo.
    """
    known = np.isfinite(photos) & (photos > 0)
    return np.where(known, -gamma * np.log(np.where(known, photos, 1.0)), 0.0)


def total(kinds: Iterable[np.ndarray], valid: np.ndarray) -> np.ndarray:
    """The sum of all kinds of evidence, each (Q, N), -inf where a candidate is padding."""
    summed = np.zeros(valid.shape)
    for kind in kinds:
        summed += kind
    return np.where(valid, summed, -np.inf)


def of_rows(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Values (n, ...) of database rows as (Q, N, ...), NaN where the row is -1 (padding)."""
    taken = np.asarray(values, dtype=np.float64)[np.maximum(rows, 0)]
    taken[rows < 0] = np.nan
    return taken


def wrapped(angle: np.ndarray) -> np.ndarray:
    """Angles in [-pi, pi)."""
    return (angle + math.pi) % (2 * math.pi) - math.pi


def _mixture(outliers: float, ratio: np.ndarray) -> np.ndarray:
    return np.log(outliers + (1 - outliers) * ratio)


def _known(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values, nan=0.0)
