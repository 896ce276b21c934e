"""Cameras and rigs placed by points that they and retrieved images see: P3P in a RANSAC, PoseLib's.

The candidates are put into clusters that see something in common; each cluster proposes a pose, and
so do all candidates together, and the one that most keypoints agree with is taken. A cluster has no
matches of look-alikes elsewhere (Sarlin et al., From Coarse to Fine, CVPR 2019); all together have
those of one place whose images are not neighbours in the map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.transform import Rotation

from gcsa.datasets.lamar.cameras import mean_focal, pixels_to_rays
from gcsa.datasets.lamar.records import Camera
from gcsa.local.optional import package
from gcsa.localization.near_views import Near
from gcsa.localization.poses import Poses
from gcsa.localization.surfaces import Surfaces

LEAST = 8  # keypoints that must agree with a pose
REPROJECTION = 4.0  # pixels
OPTIONS = {"max_iterations": 5000, "min_iterations": 100, "success_prob": 0.9999, "seed": 0}


@dataclass(eq=False)
class Asked:
    """One query: cameras of a rig, or one alone.

    names (c,) of its images; cameras: theirs; to_rig: camera-to-rig poses (c,); lists: rows of the
    candidates of each, best first.
    """

    names: Sequence[str]
    cameras: Sequence[Camera]
    to_rig: Poses
    lists: Sequence[np.ndarray]


@dataclass(eq=False)
class Placed:
    """Poses (q,) of queries, missing where none was found. inliers: (q,) that agree with each."""

    poses: Poses
    inliers: np.ndarray
    pairs: int = field(default=0)


def place(queries: Sequence[Asked], surfaces: Surfaces) -> Placed:
    """The pose of each query, rig-to-world."""
    placed = Placed(Poses.missing(len(queries)), np.zeros(len(queries), dtype=np.int64))
    for number, query in enumerate(queries):
        placed.pairs += sum(map(len, query.lists))
        for part in proposing(query.lists, surfaces.near):
            pose, count = _pose(query, part, surfaces)
            if count >= LEAST and count > placed.inliers[number]:
                placed.poses.rotations[number] = pose.rotations
                placed.poses.positions[number] = pose.positions
                placed.inliers[number] = count
    return placed


def proposing(lists: Sequence[np.ndarray], near: Near) -> list[set[int]]:
    """The groups of images whose matches propose a pose: each cluster, and all where there are two.

    Clusters come first, so that one of them is taken where all together agree with no more.
    """
    groups = clusters(lists, near)
    return groups if len(groups) < 2 else [*groups, set().union(*groups)]


def clusters(lists: Sequence[np.ndarray], near: Near) -> list[set[int]]:
    """The images of some lists, in groups linked by being neighbours in the map."""
    rows = np.unique(np.concatenate([np.asarray(part, np.int64) for part in lists]))
    place = {row: number for number, row in enumerate(rows.tolist())}
    links = [
        (number, place[other])
        for row, number in place.items()
        for other in near[row].tolist()
        if other in place
    ]
    i, j = np.array(links, dtype=np.int64).reshape(-1, 2).T
    graph = csr_array((np.ones(len(i)), (i, j)), shape=(len(rows), len(rows)))
    _, label = connected_components(graph, directed=False)
    return [set(rows[label == k].tolist()) for k in range(label.max(initial=-1) + 1)]


def _pose(query: Asked, part: set[int], surfaces: Surfaces) -> tuple[Poses, int]:
    """The pose that most matches with some images agree with, and how many keypoints these are."""
    pixels, points, cameras = [], [], []
    for name, camera, listed in zip(query.names, query.cameras, query.lists, strict=True):
        keypoint, found = _seen(name, [row for row in listed.tolist() if row in part], surfaces)
        # Undistorted, so that PoseLib need not know the camera's model.
        focal = mean_focal(camera.model, camera.params)
        at = surfaces.matched.keypoints(name)[keypoint]
        rays = pixels_to_rays(camera.model, camera.params, at)
        good = np.isfinite(rays).all(axis=1)
        pixels.append(rays[good] * focal)
        points.append(found[good])
        size = {"width": camera.width, "height": camera.height}
        cameras.append({"model": "SIMPLE_PINHOLE", "params": [focal, 0.0, 0.0], **size})
    if sum(map(len, points)) < LEAST:
        return Poses.missing(()), 0
    return _solve(pixels, points, cameras, query.to_rig)


def _seen(name: str, rows: Sequence[int], surfaces: Surfaces) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints (m,) of a query's image and the points (m, 3) that images of the map see there."""
    keypoints, points = [np.empty(0, np.int64)], [np.empty((0, 3))]
    for row in rows:
        pairs = surfaces.matched.rows(name, str(surfaces.views.names[row]))
        if len(pairs):
            found = surfaces.points(row)[pairs[:, 1]]
            known = np.isfinite(found[:, 0])
            keypoints.append(pairs[known, 0])
            points.append(found[known])
    return np.concatenate(keypoints), np.concatenate(points)


def _solve(
    pixels: list[np.ndarray], points: list[np.ndarray], cameras: list[dict], to_rig: Poses
) -> tuple[Poses, int]:
    """Rig-to-world from pixels (m, 2) and points (m, 3) of each camera."""
    poselib = package("poselib", "poselib==2.0.5")
    options = {**OPTIONS, "max_reproj_error": REPROJECTION}
    if len(cameras) == 1:
        pose, found = poselib.estimate_absolute_pose(pixels[0], points[0], cameras[0], options)
        inside = [found["inliers"]]
        back = _poses(pose).inverse() @ to_rig[0].inverse()
    else:
        from_rig = to_rig.inverse()
        places = [_of_poselib(poselib, from_rig[row]) for row in range(len(cameras))]
        pose, found = poselib.estimate_generalized_absolute_pose(
            pixels, points, places, cameras, options
        )
        inside, back = found["inliers"], _poses(pose).inverse()
    # A keypoint that several images match counts once.
    count = sum(
        len(np.unique(at[np.asarray(good, dtype=bool)], axis=0))
        for at, good in zip(pixels, inside, strict=True)
    )
    return back, count if back.known else 0


def _poses(pose) -> Poses:
    """PoseLib's pose: the wxyz quaternion and translation of world to camera."""
    rotation = Rotation.from_quat(np.roll(np.asarray(pose.q, dtype=np.float64), -1))
    return Poses(rotation.as_matrix(), np.asarray(pose.t, dtype=np.float64))


def _of_poselib(poselib, pose: Poses):
    made = poselib.CameraPose()
    made.q, made.t = pose.quaternions(), pose.positions
    return made
