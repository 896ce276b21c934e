"""The points that the map's images see, triangulated image by image when they are asked for.

A keypoint of an image is triangulated from its own ray and those of its matches in the image's
neighbours, all at their known poses; matches off the epipolar line are left out before. No image
needs another one's points, so that memory is bounded however large the map is, and only what
queries are compared with is ever made.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from gcsa.datasets.lamar.cameras import mean_focal, pixels_to_rays
from gcsa.local.matched import Matched
from gcsa.localization.near_views import Near
from gcsa.localization.sampson import MIN_BASELINE, relative_pose, sampson_error
from gcsa.localization.triangulation import triangulate
from gcsa.localization.views import Views

MISS = 3.0  # pixels that a ray may miss its point by, and a match its epipolar line
# Images whose points and rays stay in memory: 40 bytes a keypoint, 330 MB of 2000 each.
KEPT = 4096


class Surfaces:
    """Points in space of the keypoints of database images.

    views: the images with poses and cameras. near: those that each is triangulated with. matched:
    of local features.
    """

    def __init__(self, views: Views, near: Near, matched: Matched):
        self.views, self.near, self.matched = views, near, matched
        self._known = views.poses.known
        self.points = lru_cache(KEPT)(self._points)
        self.rays = lru_cache(KEPT)(self._undistorted)

    def _directions(self, row: int) -> np.ndarray:
        """Unit directions (N, 3) in the world of an image's keypoints, NaN where there is none."""
        rays = self.rays(row)
        local = np.column_stack([rays, np.ones(len(rays))])
        local /= np.linalg.norm(local, axis=1, keepdims=True)
        return local @ self.views.poses.rotations[row].T

    def _undistorted(self, row: int) -> np.ndarray:
        """Rays (N, 2) of an image's keypoints in its plane z = 1."""
        camera, name = self.views.cameras[row], str(self.views.names[row])
        return pixels_to_rays(camera.model, camera.params, self.matched.keypoints(name))

    def _points(self, row: int) -> np.ndarray:
        """(N, 3) of an image's keypoints, metres in the world; NaN where none was found."""
        own, poses = self._directions(row), self.views.poses
        parts = [(np.full(len(own), row), np.arange(len(own)), own)]
        if self._known[row]:
            for other in self.near[row].tolist():
                if self._known[other]:
                    pairs = self._agreeing(row, other)
                    theirs = self._directions(other)[pairs[:, 1]]
                    parts.append((np.full(len(pairs), other), pairs[:, 0], theirs))
        image, track, directions = (np.concatenate(part) for part in zip(*parts, strict=True))
        focal = {i: self._focal(i) for i in np.unique(image).tolist()}
        most = MISS / np.array([focal[i] for i in image.tolist()])
        points, used = triangulate(
            poses.positions[image], directions, track, len(own), np.broadcast_to(most, len(image))
        )
        points[~used[: len(own)]] = np.nan
        return points

    def _agreeing(self, a: int, b: int) -> np.ndarray:
        """Matches (m, 2) of two images within MISS of their epipolar lines."""
        rows = self.matched.rows(str(self.views.names[a]), str(self.views.names[b]))
        poses = self.views.poses
        pose = relative_pose(
            poses.rotations[a], poses.positions[a], poses.rotations[b], poses.positions[b]
        )
        if np.linalg.norm(pose[1]) < MIN_BASELINE:
            return rows[:0]
        error = sampson_error(self.rays(a)[rows[:, 0]], self.rays(b)[rows[:, 1]], *pose)
        return rows[error * (self._focal(a) + self._focal(b)) / 2 <= MISS]

    def _focal(self, row: int) -> float:
        camera = self.views.cameras[row]
        return mean_focal(camera.model, camera.params)
