"""Which local features of two images are alike: nearest to each other, and by far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gcsa.errors import InputError

RATIO = 0.8  # Lowe's, IJCV 2004, section 7.1


@dataclass(frozen=True, eq=False)
class Side:
    """An image's features: keypoints (N, 2) pixels, origin at its corner; descriptors (N, D)."""

    keypoints: np.ndarray
    descriptors: np.ndarray
    image_size: tuple[int, int]


def mutual(a: np.ndarray, b: np.ndarray, ratio: float = RATIO) -> tuple[np.ndarray, np.ndarray]:
    """Rows (m, 2) int64 of features that are each other's nearest, and their similarity (m,).

    a (n, D), b (k, D): descriptors of unit length. ratio: a match's distance over that to the
    second nearest of ``b`` is below it; 1 leaves this test out. The work is one matrix product.
    """
    if a.shape[1:] != b.shape[1:]:
        raise InputError(f"local features of {a.shape[1]} and {b.shape[1]} numbers: of two kinds")
    if len(a) == 0 or len(b) < 2:
        return np.empty((0, 2), dtype=np.int64), np.empty(0, dtype=np.float32)
    alike = np.asarray(a, np.float32) @ np.asarray(b, np.float32).T
    # Of its column the best, before its row's best is struck out to find the second.
    most, nearest, each = alike.max(axis=0), alike.argmax(axis=1), np.arange(len(a))
    best = alike[each, nearest]
    alike[each, nearest] = -np.inf
    second = alike.max(axis=1)
    good = best == most[nearest]
    if ratio < 1:
        good &= 1 - best < ratio**2 * (1 - second)
    first = np.flatnonzero(good)
    return np.stack([first, nearest[first]], axis=1), best[first]
