"""Points in space from the rays of several cameras at known poses.

The point p of a track minimises the summed squares of the angles to its rays, to first order:
sum |(I - d d') (p - c)|^2 / |p - c|^2 over origins c and unit directions d, solved as weighted
linear least squares whose weights follow the last solution; rays that miss by more than is allowed
are left out, and it is solved anew.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

STEPS = 5
LEAST_ANGLE = np.radians(1.5)  # between two rays: below it depth is a guess
RIDGE = 1e-9


def triangulate(
    origins: np.ndarray, directions: np.ndarray, track: np.ndarray, count: int, most: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Points (count, 3), NaN where none fits, and which rays (m,) bool each is of.

    origins, directions: (m, 3), unit length. track: (m,) int64, which point each ray is of. most:
    (m,) radians that it may miss by. A point needs two rays, LEAST_ANGLE apart.
    """
    used = np.isfinite(directions).all(axis=1) & np.isfinite(origins).all(axis=1)
    weight = np.ones(len(track))
    points = np.full((count, 3), np.nan)
    for _ in range(STEPS):
        points = _solved(origins, directions, track, count, np.where(used, weight, 0.0))
        offset = points[track] - origins
        away = np.linalg.norm(offset, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            weight = np.nan_to_num(1 / np.maximum(away, 1e-6) ** 2)
            used &= _missed(offset, away, directions) <= most
    spread = _spread(points[track] - origins, track, count, used)
    few = np.bincount(track[used], minlength=count) < 2
    points[few | ~(spread >= LEAST_ANGLE)] = np.nan
    return points, used & np.isfinite(points[track, 0])


def _solved(
    origins: np.ndarray, directions: np.ndarray, track: np.ndarray, count: int, weight: np.ndarray
) -> np.ndarray:
    kept = np.flatnonzero(weight > 0)
    across = np.eye(3) - directions[kept][:, :, None] * directions[kept][:, None]
    track, at = track[kept], np.arange(len(kept))
    summed = csr_array((weight[kept], (track, at)), shape=(count, len(kept)))
    left = (summed @ across.reshape(-1, 9)).reshape(-1, 3, 3)
    right = summed @ np.einsum("mij,mj->mi", across, origins[kept])
    scale = np.trace(left, axis1=1, axis2=2)[:, None, None]
    some = (np.bincount(track, minlength=count) >= 2) & (scale[:, 0, 0] > 0)
    found = np.full((count, 3), np.nan)
    matrix = left[some] + RIDGE * scale[some] * np.eye(3)
    found[some] = np.linalg.solve(matrix, right[some][..., None])[..., 0]
    return found


def _missed(offset: np.ndarray, away: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Radians between rays and the directions in which their points lie; pi behind a camera."""
    ahead = (offset * directions).sum(axis=1)
    sine = np.linalg.norm(np.cross(offset, directions), axis=1) / np.maximum(away, 1e-12)
    return np.where(ahead > 0, np.arcsin(np.clip(sine, 0, 1)), np.pi)


def _spread(offset: np.ndarray, track: np.ndarray, count: int, used: np.ndarray) -> np.ndarray:
    """The largest angle between a track's first ray and another of it, (count,) radians."""
    unit = offset / np.maximum(np.linalg.norm(offset, axis=1, keepdims=True), 1e-12)
    rows = np.flatnonzero(used & np.isfinite(unit).all(axis=1))
    first = np.full(count, -1)
    first[track[rows[::-1]]] = rows[::-1]
    cross = np.linalg.norm(np.cross(unit[first[track[rows]]], unit[rows]), axis=1)
    spread = np.zeros(count)
    np.maximum.at(spread, track[rows], np.arcsin(np.clip(cross, 0, 1)))
    return spread
