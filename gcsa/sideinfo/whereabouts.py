"""Where a query may be, as its device reports, against what database cameras see.

A position with an accuracy is a Gaussian about the reading. Its share in a camera's field, the
circular sector of radius R about the camera, is the integral over the directions of the sector of
what lies along each, and that has a closed form: with a and b the reading along and across a ray,

    (1 / 2 pi s^2) exp(-b^2 / 2 s^2) int_0^R r exp(-(r - a)^2 / 2 s^2) dr.

Positions are metres (east, north), angles radians clockwise from north.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erf

from gcsa.sideinfo.evidence import device_sigma

# Metres, 68 %, of a device that states no accuracy.
ACCURACY = 20.0
# Metres along an axis: however sure a device is, positions of a database err as well.
LEAST_SIGMA = 3.0


def share_in_field(
    reading: np.ndarray,
    accuracy: np.ndarray,
    positions: np.ndarray,
    headings: np.ndarray,
    radius: float,
    angle: float,
) -> np.ndarray:
    """The probability that a device is in the field of view of each camera: (B, N) in [0, 1].

    reading: (B, 2); accuracy: (B,) metres that hold 68 %, NaN for ACCURACY; positions: (B, N, 2)
    and headings: (B, N) of cameras; radius: metres; angle: the full opening. NaN where a reading
    or a camera is unknown.
    """
    stated = np.where(np.isnan(accuracy), ACCURACY, accuracy)
    sigma = np.maximum(device_sigma(stated), LEAST_SIGMA)
    offset = reading[:, None] - positions
    away = np.linalg.norm(offset, axis=-1)
    result = np.where(np.isnan(away) | np.isnan(headings), np.nan, 0.0)
    # Five deviations beyond the field, 4e-6 of the mass is left.
    query, column = np.nonzero(~np.isnan(result) & (away <= radius + 5 * sigma[:, None]))
    near = offset[query, column], headings[query, column], sigma[query]
    result[query, column] = _share(*near, radius, angle)
    return result


def _share(
    offset: np.ndarray, headings: np.ndarray, sigma: np.ndarray, radius: float, angle: float
) -> np.ndarray:
    """Of readings at ``offset`` (m, 2) from cameras (m,): (m,)."""
    # Nodes as dense at the arc as the narrowest Gaussian is wide.
    count = max(16, math.ceil(1.5 * angle * radius / LEAST_SIGMA))
    nodes, weights = np.polynomial.legendre.leggauss(count)
    ray = headings[:, None] + angle / 2 * nodes
    east, north = offset[:, :1] / sigma[:, None], offset[:, 1:] / sigma[:, None]
    along = east * np.sin(ray) + north * np.cos(ray)
    across = east * np.cos(ray) - north * np.sin(ray)
    end = radius / sigma[:, None]
    # int_0^e r exp(-(r - a)^2 / 2) dr, everything in deviations.
    part = np.exp(-0.5 * along**2) - np.exp(-0.5 * (end - along) ** 2)
    spread = erf((end - along) / math.sqrt(2)) + erf(along / math.sqrt(2))
    inner = part + along * math.sqrt(math.pi / 2) * spread
    density = np.exp(-0.5 * across**2) * inner / (2 * math.pi)
    return (density @ weights * angle / 2).clip(0, 1)
