"""Inliers of pairs of images, counted from a file of local features when they are asked for."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gcsa.errors import given
from gcsa.local.kept import SUFFIX, Kept
from gcsa.local.matched import Matched
from gcsa.local.matching import RATIO
from gcsa.local.verifying import THRESHOLD, Rays, calibrated_inliers, inliers

logger = logging.getLogger(__name__)

MODEL = "fundamental"
WAY = 1  # of counting: raised when it finds other numbers, so that kept ones do not count
TOGETHER = 256  # pairs counted before they are kept: what a killed program loses at most


class Counts:
    """A :class:`gcsa.scene.Common` by hloc's files of local features, and of matches or none.

    model: of :data:`gcsa.local.verifying.LEAST`; rays: what "essential" needs, those of a pixel. A
    pair is counted once: counts are kept in a file beside the features (:mod:`gcsa.local.kept`),
    or, where not ``kept``, as long as this lives.
    """

    def __init__(
        self,
        features: Path,
        matches: Path | None = None,
        model: str = MODEL,
        kept: bool = True,
        rays: Rays | None = None,
    ):
        self._matched, self._model, self._rays = Matched(features, matches), model, rays
        path = features.with_name(features.name + SUFFIX) if kept else None
        self._kept = Kept(features, matches, f"{WAY}, {self.about}", path)

    @property
    def about(self) -> str:
        names = [path.name for path in self._matched.paths if path is not None]
        return f"{self._model} matrix, {THRESHOLD:g} pixels, {RATIO:g}, {', '.join(names)}"

    def inliers(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        pairs, lacking = list(zip(map(str, a), map(str, b), strict=True)), self._matched.lacking
        found, before = self._kept.known(dict.fromkeys(pairs)), len(lacking)
        todo = [pair for pair in dict.fromkeys(pairs) if pair not in found]
        # One image after the other: those of a query's list have it in common.
        with tqdm(total=len(todo), desc="verifying", unit="pair", leave=False, disable=None) as bar:
            for start in range(0, len(todo), TOGETHER):
                counted = {pair: self._count(*pair) for pair in todo[start : start + TOGETHER]}
                self._kept.add({pair: n for pair, n in counted.items() if np.isfinite(n)})
                found.update(counted)
                bar.update(len(counted))
        if len(lacking) > before:
            text = "%s: lacks %d images, such as %s, whose pairs count as unknown"
            logger.warning(text, self._matched.paths[0], len(lacking), min(lacking))
        return np.array([found[pair] for pair in pairs], dtype=np.float64)

    def anew(self) -> Counts:
        """Of the same files, nothing counted yet."""
        features, matches = self._matched.paths
        return Counts(features, matches, self._model, kept=False, rays=self._rays)

    def matched(self, a: str, b: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixels (m, 2) of the matches in both images, and which are inliers (m,)."""
        rows = self._matched.rows(a, b)
        points = (self._matched.keypoints(n)[rows[:, k]] for k, n in enumerate((a, b)))
        first, second = points
        if self._model != "essential":
            return first, second, inliers(first, second, self._model)
        seen = given(self._rays, "intrinsics, of an essential matrix,")
        (rays_a, focal_a), (rays_b, focal_b) = seen(a, first), seen(b, second)
        return first, second, calibrated_inliers((rays_a, rays_b), (focal_a, focal_b))

    def _count(self, a: str, b: str) -> float:
        if not (self._matched.has(a) and self._matched.has(b)):
            return np.nan
        return float(self.matched(a, b)[2].sum())
