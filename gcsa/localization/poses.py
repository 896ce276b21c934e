"""Camera poses: errors and recall as LaMAR measures them, and estimates from retrieved images.

A pose maps camera (or rig) to world, p_world = R p_camera + position. Quaternions are wxyz.

Estimates need nothing but the poses of the database images that were retrieved: the pose of the
best one, or a robust mean of several. They show what re-ranking does to localisation everywhere;
hloc, which matches local features, is far more accurate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from gcsa.errors import InputError

# LaMAR's two recalls: degrees, metres.
THRESHOLDS = ((1.0, 0.1), (5.0, 1.0))
# Where the cumulative distribution of the position error is reported, metres.
CDF_POINTS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
# Retrieved cameras this near to one another are taken for the same place, metres.
CLUSTER_RADIUS = 3.0
# Standard deviations of the scores in which a weight falls by e: of ten candidates some count.
SOFTNESS = 2.0
MEDIAN_STEPS = 100
# Metres; keeps the weights of the median finite at a camera, and hence its accuracy.
MEDIAN_SOFTENING = 1e-4


@dataclass(frozen=True, eq=False)
class Poses:
    """Poses of any array shape (...): rotations (..., 3, 3), positions (..., 3) in metres.

    NaN stands for a missing pose.
    """

    rotations: np.ndarray
    positions: np.ndarray

    @staticmethod
    def from_quaternions(quaternions: np.ndarray, positions: np.ndarray) -> Poses:
        """From quaternions (..., 4) wxyz, of any length but 0; NaN is a missing pose."""
        q, positions = (np.asarray(a, dtype=np.float64) for a in (quaternions, positions))
        known = np.isfinite(q).all(-1) & np.isfinite(positions).all(-1)
        if (np.linalg.norm(q[known], axis=-1) == 0).any():
            raise InputError("a pose has the quaternion 0")
        poses = Poses.missing(known.shape)
        poses.rotations[known] = Rotation.from_quat(np.roll(q[known], -1, axis=-1)).as_matrix()
        poses.positions[known] = positions[known]
        return poses

    @staticmethod
    def missing(shape: int | tuple[int, ...]) -> Poses:
        """As many missing poses."""
        shape = (shape,) if isinstance(shape, int) else shape
        return Poses(np.full((*shape, 3, 3), np.nan), np.full((*shape, 3), np.nan))

    @property
    def known(self) -> np.ndarray:
        """(...) bool: False where the pose is missing."""
        return np.isfinite(self.rotations).all((-1, -2)) & np.isfinite(self.positions).all(-1)

    def quaternions(self) -> np.ndarray:
        """(..., 4) wxyz with w >= 0; NaN where missing."""
        result, known = np.full((*self.known.shape, 4), np.nan), self.known
        wxyz = np.roll(Rotation.from_matrix(self.rotations[known]).as_quat(), 1, axis=-1)
        result[known] = np.where(wxyz[:, :1] < 0, -wxyz, wxyz)
        return result

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index) -> Poses:
        return Poses(self.rotations[index], self.positions[index])

    def __matmul__(self, other: Poses) -> Poses:
        """The composition: other first, then self."""
        turned = np.einsum("...ij,...j->...i", self.rotations, other.positions)
        return Poses(self.rotations @ other.rotations, turned + self.positions)

    def inverse(self) -> Poses:
        """World-to-camera from camera-to-world, and back."""
        back = np.swapaxes(self.rotations, -1, -2)
        return Poses(back, -np.einsum("...ij,...j->...i", back, self.positions))


def pose_errors(estimated: Poses, true: Poses) -> tuple[np.ndarray, np.ndarray]:
    """Rotation (n,) in degrees and translation (n,) in metres of T_est^-1 T_true.

    Infinite where an estimate is missing. Raises InputError where the truth is.
    """
    if not true.known.all():
        raise InputError(f"pose {int(np.argmin(true.known))} of the truth is missing")
    known = estimated.known
    offset = estimated[known].inverse() @ true[known]
    rotation, translation = np.full(len(true), np.inf), np.full(len(true), np.inf)
    rotation[known] = np.rad2deg(Rotation.from_matrix(offset.rotations).magnitude())
    translation[known] = np.linalg.norm(offset.positions, axis=-1)
    return rotation, translation


def pose_recall(
    rotation: np.ndarray,
    translation: np.ndarray,
    thresholds: Sequence[tuple[float, float]] = THRESHOLDS,
) -> list[float]:
    """For each (degrees, metres) the share of poses with both errors strictly below; NaN of none.

    LaMAR's mean is over cameras: give a rig's pose once for each of its cameras.
    """
    if len(rotation) == 0:
        return [float("nan")] * len(thresholds)
    return [float(((rotation < d) & (translation < m)).mean()) for d, m in thresholds]


def cdf(errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cumulative distribution as a curve: errors (m,) rising, shares of all n at or below.

    m <= n: an infinite error is in the count but not on the curve.
    """
    finite = np.sort(errors[np.isfinite(errors)])
    return finite, np.arange(1, len(finite) + 1) / max(len(errors), 1)


def cdf_at(errors: np.ndarray, points: Sequence[float] = CDF_POINTS) -> list[float]:
    """The share of the errors at or below each point; NaN of none."""
    if len(errors) == 0:
        return [float("nan")] * len(points)
    return [float((errors <= point).mean()) for point in points]


def best_pose(proposals: Poses, scores: np.ndarray) -> Poses:
    """The proposal with the greatest score, the first of equals: (n, k), (n, k) -> (n,).

    Missing proposals are passed over; where all are missing, so is the result.
    """
    if scores.shape[1] == 0:
        return Poses.missing(len(scores))
    # A candidate beyond the re-ranked ones has the score -inf, and still goes before a missing one.
    order = np.lexsort((-scores, ~proposals.known), axis=1)[:, 0]
    return proposals[np.arange(len(scores)), order]


def mean_pose(proposals: Poses, scores: np.ndarray, radius: float = CLUSTER_RADIUS) -> Poses:
    """A robust mean of proposals (n, k) with scores (n, k), greater is better: (n,).

    Of the cameras the heaviest cluster counts: those within ``radius`` metres of the one that
    has the most weight around it. Its position is their weighted geometric median (Weiszfeld),
    its rotation their weighted chordal mean: the rotation nearest to the weighted sum of the
    matrices (Hartley et al., Rotation Averaging, IJCV 2013). For the weights see :func:`weigh`.
    """
    weights = _in_cluster(proposals, weigh(scores, proposals.known), radius)
    result, some = Poses.missing(len(scores)), weights.sum(axis=1) > 0
    if not some.any():
        return result
    weights = weights[some] / weights[some].sum(axis=1, keepdims=True)
    used = weights[..., None] > 0
    positions = np.where(used, proposals.positions[some], 0)
    rotations = np.where(used[..., None], proposals.rotations[some], 0)
    result.positions[some] = _median(positions, weights)
    result.rotations[some] = _nearest_rotation(np.einsum("nk,nkij->nij", weights, rotations))
    return result


def weigh(scores: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Weights (n, k) in [0, 1] of scores (n, k): exp((score - best) / (2 standard deviations)).

    The standard deviation is that of the row's own scores, so that the scale of a model's scores
    does not matter. Missing proposals weigh nothing, nor do scores of -inf (a candidate beyond the
    re-ranked ones), unless a row has no other: then all weigh the same.
    """
    ranked = known & np.isfinite(scores)
    ranked = np.where(ranked.any(axis=1, keepdims=True), ranked, known)
    values = np.where(np.isfinite(scores), scores, 0).astype(np.float64)
    count = np.maximum(ranked.sum(axis=1, keepdims=True), 1)
    mean = np.sum(values, axis=1, where=ranked, keepdims=True) / count
    variance = np.sum((values - mean) ** 2, axis=1, where=ranked, keepdims=True) / count
    spread = SOFTNESS * np.sqrt(variance)
    best = np.max(values, axis=1, where=ranked, initial=-np.inf, keepdims=True)
    below = np.where(ranked, values - best, 0)
    return ranked * np.exp(np.divide(below, spread, out=np.zeros_like(below), where=spread > 0))


def _in_cluster(proposals: Poses, weights: np.ndarray, radius: float) -> np.ndarray:
    """The weights of each row's heaviest cluster, 0 outside it."""
    offsets = proposals.positions[:, :, None] - proposals.positions[:, None]
    near = np.linalg.norm(offsets, axis=-1) <= radius  # NaN is near to nothing
    around = np.where(weights > 0, (near * weights[:, None]).sum(axis=2), -1)
    centre = around.argmax(axis=1) if weights.shape[1] else np.zeros(len(weights), dtype=int)
    return weights * near[np.arange(len(weights)), centre] if weights.shape[1] else weights


def _median(positions: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted geometric medians (n, 3) of positions (n, k, 3); weights sum to 1 in each row."""
    middle = np.einsum("nk,nki->ni", weights, positions)
    for _ in range(MEDIAN_STEPS):
        distance = np.linalg.norm(positions - middle[:, None], axis=-1)
        pull = weights / np.hypot(distance, MEDIAN_SOFTENING)
        middle = np.einsum("nk,nki->ni", pull / pull.sum(axis=1, keepdims=True), positions)
    return middle


def _nearest_rotation(matrices: np.ndarray) -> np.ndarray:
    """The rotations (n, 3, 3) nearest to matrices, by their singular values."""
    left, _, right = np.linalg.svd(matrices)
    flip = np.ones((len(matrices), 3))
    flip[:, 2] = np.linalg.det(left @ right)
    return left * flip[:, None] @ right
