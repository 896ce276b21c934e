"""Matches of any pair of images, from a file of matches or found when they are asked for."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from gcsa.errors import InputError
from gcsa.local.files import LocalFeatures
from gcsa.local.matching import mutual

KEPT = 256  # images whose features stay in memory, a megabyte each


class Matched:
    """hloc's files of local features, and of matches or none.

    Pairs that the matches lack are matched here, mutual and by ratio, as are all without them.
    """

    def __init__(self, features: Path, matches: Path | None = None, kept: int = KEPT):
        self._local, self.paths = LocalFeatures(features, matches), (features, matches)
        self.lacking: set[str] = set()
        self._features = lru_cache(kept)(self._read)

    def has(self, name: str) -> bool:
        """Whether an image has features; those asked for that have none are ``lacking``."""
        return self._features(name) is not None

    def keypoints(self, name: str) -> np.ndarray:
        """(N, 2) pixels of an image, origin at its corner; none where it has no features."""
        found = self._features(name)
        return np.empty((0, 2)) if found is None else found[0]

    def rows(self, a: str, b: str) -> np.ndarray:
        """Rows (m, 2) of the keypoints of both images that match."""
        first, second = self._features(a), self._features(b)
        if first is None or second is None:
            return np.empty((0, 2), dtype=np.int64)
        found = self._local.matches(a, b)
        return mutual(first[1], second[1])[0] if found is None else found

    def _read(self, name: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Keypoints and descriptors of an image; the latter are empty where matches are read."""
        if not self._local.has(name):
            self.lacking.add(name)
            return None
        points = self._local.keypoints(name)
        try:
            rows = np.asarray(self._local.descriptors(name), dtype=np.float32)
        except InputError:
            if not self._local.has_matches:
                raise
            rows = np.empty((0, 0), dtype=np.float32)
        return points, rows
