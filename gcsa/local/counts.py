"""Inliers of pairs of images, counted from a file of local features when they are asked for."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gcsa.errors import InputError
from gcsa.local.files import LocalFeatures
from gcsa.local.matching import RATIO, mutual
from gcsa.local.verifying import THRESHOLD, inliers

logger = logging.getLogger(__name__)

KEPT = 256  # images whose features stay in memory, a megabyte each
MODEL = "fundamental"


class Counts:
    """A :class:`gcsa.scene.Common` by hloc's files of local features, and of matches or none.

    Pairs that the matches lack are matched here, mutual and by ratio, as are all without them. A
    pair is counted once: the counts stay in memory.
    """

    def __init__(self, features: Path, matches: Path | None = None, model: str = MODEL):
        self._local, self._model = LocalFeatures(features, matches), model
        self._paths = features, matches
        self._known: dict[tuple[str, str], float] = {}
        self._lacking: set[str] = set()
        self._features = lru_cache(KEPT)(self._read)

    @property
    def about(self) -> str:
        names = [path.name for path in self._paths if path is not None]
        return f"{self._model} matrix, {THRESHOLD:g} pixels, {RATIO:g}, {', '.join(names)}"

    def inliers(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        pairs, lacking = list(zip(map(str, a), map(str, b), strict=True)), len(self._lacking)
        todo = [pair for pair in dict.fromkeys(pairs) if pair not in self._known]
        # One image after the other: those of a query's list have it in common.
        for pair in tqdm(todo, desc="verifying", unit="pair", leave=False, disable=None):
            self._known[pair] = self._count(*pair)
        if len(self._lacking) > lacking:
            count, some = len(self._lacking), min(self._lacking)
            text = "%s: lacks %d images, such as %s, whose pairs count as unknown"
            logger.warning(text, self._paths[0], count, some)
        return np.array([self._known[pair] for pair in pairs], dtype=np.float64)

    def matched(self, a: str, b: str) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Pixels (m, 2) of the matches in both images, and which are inliers (m,); None where an
        image has no features.
        """
        found = self._features(a), self._features(b)
        if found[0] is None or found[1] is None:
            return None
        rows = self._local.matches(a, b)
        if rows is None:
            rows, _ = mutual(found[0][1], found[1][1])
        points = found[0][0][rows[:, 0]], found[1][0][rows[:, 1]]
        return (*points, inliers(*points, self._model))

    def _count(self, a: str, b: str) -> float:
        found = self.matched(a, b)
        return np.nan if found is None else float(found[2].sum())

    def _read(self, name: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Keypoints and descriptors of an image; the latter are empty where matches are read."""
        if not self._local.has(name):
            self._lacking.add(name)
            return None
        points = self._local.keypoints(name)
        try:
            rows = np.asarray(self._local.descriptors(name), dtype=np.float32)
        except InputError:
            if not self._local.has_matches:
                raise
            rows = np.empty((0, 0), dtype=np.float32)
        return points, rows
