"""How well matches of two images agree with the known poses of their cameras: Sampson error.

Rays are undistorted image points in the plane z = 1 (:mod:`gcsa.datasets.lamar.cameras`). A pose is
camera-to-world, p_world = R p_camera + position. With p_b = R p_a + t between the cameras, a
match (x_a, x_b) satisfies x_b' E x_a = 0, E = [t]x R; the Sampson error is the first-order
distance of the match to the nearest pair of points that satisfies it exactly:

    e^2 = (x_b' E x_a)^2 / ((E x_a)_1^2 + (E x_a)_2^2 + (E' x_b)_1^2 + (E' x_b)_2^2)

Hartley and Zisserman, Multiple View Geometry, 2nd edition, equation 11.9 (fundamental matrix), in
normalised coordinates; times the mean focal length of both cameras it is in pixels.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from tqdm import tqdm

from gcsa.datasets.lamar.cameras import mean_focal, pixels_to_rays
from gcsa.local.files import LocalFeatures
from gcsa.localization.settings import SampsonConfig
from gcsa.localization.views import Views

# Metres. Nearer than this two cameras see a scene 2 m away shifted by less than half a pixel
# (focal length 1000), so the direction of the baseline means nothing: rotation alone decides.
MIN_BASELINE = 1e-3
RAYS_KEPT = 4096  # images whose undistorted keypoints stay in memory


def relative_pose(
    rotation_a: np.ndarray, position_a: np.ndarray, rotation_b: np.ndarray, position_b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """R (3, 3) and t (3,) with p_b = R p_a + t, of two camera-to-world poses."""
    return rotation_b.T @ rotation_a, rotation_b.T @ (position_a - position_b)


def essential(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """E = [t]x R (3, 3) of a relative pose, with t scaled to unit length."""
    x, y, z = translation / np.linalg.norm(translation)
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) @ rotation


def sampson_error(
    rays_a: np.ndarray, rays_b: np.ndarray, rotation: np.ndarray, translation: np.ndarray
) -> np.ndarray:
    """Errors (m,) of matched rays (m, 2), in the plane z = 1, under p_b = R p_a + t.

    Without a baseline (:data:`MIN_BASELINE`) there is no epipolar geometry: the error is then half
    the root of the summed squared distances between each ray and its partner turned by R, in
    either image: a Sampson error too, where R changes no scale. A match at both epipoles has
    error 0; one that is NaN, or is turned behind the camera, has error infinity.
    """
    a, b = _homogeneous(rays_a), _homogeneous(rays_b)
    if np.linalg.norm(translation) < MIN_BASELINE:
        return _turn_error(a, b, rotation)
    matrix = essential(rotation, translation)
    line_b, line_a = a @ matrix.T, b @ matrix
    residual = (b * line_b).sum(axis=1) ** 2
    below = (line_b[:, :2] ** 2).sum(axis=1) + (line_a[:, :2] ** 2).sum(axis=1)
    # The gradient vanishes only at the two epipoles, where the residual does too.
    error = np.sqrt(np.divide(residual, below, out=np.zeros_like(residual), where=below != 0))
    return np.where(np.isnan(error), np.inf, error)


def in_front(
    rays_a: np.ndarray,
    rays_b: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    tolerance: float,
) -> np.ndarray:
    """(m,) bool: the matched rays meet in front of both cameras (cheirality).

    The depths are the least-squares solution of depth_b x_b = depth_a R x_a + t. Noise alone turns
    the sign of a far point's depth, so rays within ``tolerance`` radians of parallel pass; without
    a baseline there are no depths, and rays less than 90 degrees apart pass.
    """
    turned, b = _homogeneous(rays_a) @ rotation.T, _homogeneous(rays_b)
    turned /= np.linalg.norm(turned, axis=1, keepdims=True)
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    cosine, sine = (turned * b).sum(axis=1), np.linalg.norm(np.cross(turned, b), axis=1)
    if np.linalg.norm(translation) < MIN_BASELINE:
        return cosine > 0
    parallel = (sine <= tolerance) & (cosine > 0)
    # Normal equations of [-turned, b] (depth_a, depth_b) = t, without their positive determinant.
    along_a, along_b = turned @ translation, b @ translation
    depth_a, depth_b = cosine * along_b - along_a, along_b - cosine * along_a
    return parallel | ((depth_a > 0) & (depth_b > 0))


def pair_score(
    rays_a: np.ndarray,
    rays_b: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    focal: float,
    config: SampsonConfig,
) -> float:
    """Robust score of a pair of images: sum over its matches of max(0, 1 - (e / threshold)^2).

    e is the Sampson error in pixels, with ``focal`` the mean focal length of both cameras; a match
    behind a camera adds nothing. At most the number of matches; 0 with fewer than ``min_matches``
    good ones. The kernel is the truncated quadratic of MSAC (Torr and Zisserman, CVIU 2000),
    turned over so that more is better.
    """
    error = focal * sampson_error(rays_a, rays_b, rotation, translation)
    seen = in_front(rays_a, rays_b, rotation, translation, config.threshold / focal)
    good = seen & (error < config.threshold)
    if good.sum() < config.min_matches:
        return 0.0
    return float((1 - (error[good] / config.threshold) ** 2).sum())


def _homogeneous(rays: np.ndarray) -> np.ndarray:
    rays = np.asarray(rays, dtype=np.float64).reshape(-1, 2)
    return np.concatenate([rays, np.ones((len(rays), 1))], axis=1)


def _turn_error(a: np.ndarray, b: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    squares = np.zeros(len(a))
    for turned, other in ((a @ rotation.T, b), (b @ rotation, a)):
        ahead = turned[:, 2] > 0
        plane = turned[:, :2] / np.where(ahead, turned[:, 2], 1)[:, None]
        squares += np.where(ahead, ((plane - other[:, :2]) ** 2).sum(axis=1), np.inf)
    return np.where(np.isnan(squares), np.inf, np.sqrt(squares) / 2)


def match_scores(
    queries: Views, database: Views, topk: np.ndarray, local: LocalFeatures, config: SampsonConfig
) -> np.ndarray:
    """Scores (Q, N) float64 of candidates (Q, N), see sampson.pair_score.

    0 where a pair has no matches in the file or an image no pose.
    """

    @lru_cache(maxsize=RAYS_KEPT)
    def rays(views: Views, row: int) -> np.ndarray:
        camera = views.cameras[row]
        return pixels_to_rays(camera.model, camera.params, local.keypoints(views.names[row]))

    scores = np.zeros(topk.shape)
    known = queries.poses.known[:, None] & database.poses.known[np.maximum(topk, 0)] & (topk >= 0)
    for q, j in tqdm(np.argwhere(known), desc="scoring", unit="pair", leave=False, disable=None):
        d = topk[q, j]
        matches = local.matches(queries.names[q], database.names[d])
        if matches is None:
            continue
        pose = relative_pose(
            *(queries.poses.rotations[q], queries.poses.positions[q]),
            *(database.poses.rotations[d], database.poses.positions[d]),
        )
        cameras = queries.cameras[q], database.cameras[d]
        focal = np.mean([mean_focal(camera.model, camera.params) for camera in cameras])
        pair = rays(queries, int(q))[matches[:, 0]], rays(database, int(d))[matches[:, 1]]
        scores[q, j] = pair_score(*pair, *pose, float(focal), config)
    return scores
