"""Marks on a map moved apart until none covers another, as little as that takes."""

from __future__ import annotations

import numpy as np

TURN = np.pi * (3 - np.sqrt(5))  # golden angle: marks at one place leave it in all directions
PASSES = 400  # at most; a dozen marks at one place need about 60
SLACK = 0.02  # of a mark's radius, that marks may overlap


def apart(
    places: np.ndarray, radii: np.ndarray, free: np.ndarray, edge: np.ndarray, half: float
) -> np.ndarray:
    """Places (n, 2) of round marks with ``radii`` (n,), moved so that no two overlap.

    free: (n,) bool, which may move. edge: (n,) bool, which move along the edge of the square
    |x|, |y| <= half alone; the others do not leave it. Marks that overlap nothing stay exactly
    where they are. Where there is no room, they overlap a little.
    """
    places = places.astype(float)
    bound = np.maximum(half, np.abs(places))
    spiral = np.arange(len(places)) * TURN
    spiral = np.stack([np.cos(spiral), np.sin(spiral)], axis=1)
    needed = radii[:, None] + radii
    # Each of two gives way by half; all of it where the other cannot.
    share = free[:, None] / np.maximum(1, free[:, None].astype(int) + free)
    for _ in range(PASSES):
        away = places[:, None] - places
        distance = np.hypot(*np.moveaxis(away, -1, 0))
        lack = np.maximum(needed - distance, 0) * share
        np.fill_diagonal(lack, 0)
        if lack.max(initial=0) <= SLACK * radii.min(initial=1):
            break
        together = (distance == 0)[..., None]
        away = np.where(together, spiral[:, None] - spiral, away)
        length = np.maximum(np.hypot(*np.moveaxis(away, -1, 0)), 1e-12)
        moves = ((lack / length)[..., None] * away).sum(axis=1)
        # The sum of many pushes would throw a mark farther than any of them asks for.
        places += moves / np.maximum(1, (lack > 0).sum(axis=1) / 2)[:, None]
        places = np.clip(places, -bound, bound)
        places[edge] *= (half / np.abs(places[edge]).max(axis=1))[:, None]
    return places
