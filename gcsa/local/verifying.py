"""How many matches of two images agree with one geometry: PoseLib's RANSAC (LO-RANSAC)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gcsa.local.optional import package

THRESHOLD = 2.0  # pixels: of the Sampson error, or of the transfer
# A pair of hundreds that a query has must not take long: with half of the matches right, seven of
# them are so in one of 128 draws.
OPTIONS = {"max_iterations": 1000, "min_iterations": 50, "success_prob": 0.999, "seed": 0}
# Matches that a geometry is estimated from: fewer agree with anything.
LEAST = {"fundamental": 8, "homography": 5, "essential": 6}
# An image's name and pixels (m, 2) of it -> rays (m, 2) in the plane z = 1, NaN where its lens
# shows none, and the focal length in pixels.
Rays = Callable[[str, np.ndarray], tuple[np.ndarray, float]]


def inliers(
    points_a: np.ndarray, points_b: np.ndarray, model: str = "fundamental", most: float = THRESHOLD
) -> np.ndarray:
    """Which matches (m,) bool, of pixels (m, 2) each, agree with the model that most agree with.

    model: "fundamental" or "homography"; most: pixels.
    """
    if len(points_a) < LEAST[model]:
        return np.zeros(len(points_a), dtype=bool)
    poselib = package("poselib", "poselib==2.0.5")
    estimate: Callable[..., Any] = getattr(poselib, f"estimate_{model}")
    # Version 3 calls it max_error, and passes over what it does not know: the extra is pinned.
    key = "max_epipolar_error" if model == "fundamental" else "max_reproj_error"
    a, b = (np.ascontiguousarray(p, dtype=np.float64) for p in (points_a, points_b))
    _, found = estimate(a, b, {**OPTIONS, key: most})
    return np.asarray(found["inliers"], dtype=bool)


def calibrated_inliers(
    rays: tuple[np.ndarray, np.ndarray], focals: tuple[float, float], most: float = THRESHOLD
) -> np.ndarray:
    """Which matches (m,) bool, of rays (m, 2) in the planes z = 1 of two cameras, agree with the
    essential matrix that most agree with: the relative pose by five of them (Nister, PAMI 2004).

    focals: of the cameras, pixels, in which ``most`` counts. A ray that is NaN agrees with none.
    """
    good = np.isfinite(np.concatenate(rays, axis=1)).all(axis=1)
    agreeing = np.zeros(len(good), dtype=bool)
    if good.sum() < LEAST["essential"]:
        return agreeing
    poselib = package("poselib", "poselib==2.0.5")
    cameras = [
        {"model": "SIMPLE_PINHOLE", "width": 1, "height": 1, "params": [focal, 0.0, 0.0]}
        for focal in focals
    ]
    a, b = (part[good] * focal for part, focal in zip(rays, focals, strict=True))
    options = {**OPTIONS, "max_epipolar_error": most}
    _, found = poselib.estimate_relative_pose(a, b, *cameras, options)
    agreeing[good] = np.asarray(found["inliers"], dtype=bool)
    return agreeing
