"""A LaMAR scene whose cameras can be placed by local features: its map, and what asks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gcsa.datasets.lamar.scene import Part, read_map, read_queries
from gcsa.errors import InputError
from gcsa.localization.mapped import LocalFiles, map_poses, surfaces_of
from gcsa.localization.poses import Poses, pose_errors
from gcsa.localization.rigs import Device
from gcsa.localization.surfaces import Surfaces
from gcsa.localization.views import HEIGHT, Views
from gcsa.ranking.lists import Ranking
from gcsa.scene import Scene

SHOWN = 60  # images whose points a picture shows: each takes some ten milliseconds


def parts_of(scene: Scene, folder: Path, split: str) -> tuple[Part, list[Part]]:
    """The map and the query sessions in ``folder``; InputError where they are not the scene's."""
    mapped, parts = read_map(folder), read_queries(folder, split)
    names = np.concatenate([part.names for part in parts])
    for images, expected in ((scene.database, mapped.names), (scene.queries, names)):
        if not np.array_equal(images.names, expected):
            raise InputError(f"{folder}: its sessions do not have the images of the scene")
    return mapped, parts


@dataclass(frozen=True, eq=False)
class Cameras:
    """The Q images of a scene's queries, placed.

    poses: camera-to-world (Q,), of all of them: where the map places none they are the fallback
    of :func:`gcsa.localization.mapped.map_poses`. agreeing: (Q,) keypoints that agree, 0 for the
    fallback; a rig's cameras share theirs. owner: (Q,) int64, which of the phones and rigs each
    camera is of.
    """

    poses: Poses
    agreeing: np.ndarray
    owner: np.ndarray


class MappedScene:
    """The points of a scene's map, and the devices that ask where they are.

    folder: of the scene, <root>/lamar/<name>; files: of its local features.
    """

    def __init__(self, scene: Scene, folder: Path, split: str, files: LocalFiles):
        mapped, parts = parts_of(scene, folder, split)
        self.scene, self.devices = scene, list[Device]()
        self.surfaces: Surfaces = surfaces_of(scene, Views.of([mapped]), files)
        for part in parts:
            self.devices.append(Device.of(part, sum(len(d.rows) for d in self.devices)))

    @property
    def truth(self) -> Poses:
        """The true poses (Q,) of the queries; missing where they are not told."""
        parts = [device.views.poses for device in self.devices]
        rotations, positions = ([getattr(p, n) for p in parts] for n in ("rotations", "positions"))
        return Poses(np.concatenate(rotations), np.concatenate(positions))

    def place(self, ranking: Ranking, num: int, name: str = "placing") -> Cameras:
        """All queries by the first ``num`` images of their lists. name: for what is logged."""
        found, agreeing, owner, before = Poses.missing(len(ranking)), [], [], 0
        for device in self.devices:
            where = f"{self.scene.name} {device.name}, {name}"
            rigs, placed = map_poses(device, self.surfaces, ranking, num, where)
            cameras = device.camera_poses(rigs)
            found.rotations[device.rows] = cameras.rotations
            found.positions[device.rows] = cameras.positions
            agreeing.append(placed.inliers[device.query])
            owner.append(device.query + before)
            before += len(device.ids)
        return Cameras(found, np.concatenate(agreeing), np.concatenate(owner))

    def errors(self, cameras: Cameras) -> tuple[np.ndarray, np.ndarray]:
        """Rotation in degrees and translation in metres (c,) of the cameras whose truth is told."""
        known = self.truth.known
        return pose_errors(cameras.poses[known], self.truth[known])

    def around(
        self, position: np.ndarray, half: float, most: int = SHOWN
    ) -> tuple[np.ndarray, np.ndarray]:
        """What lies about a position (3,) on its floor: points (m, 3) that the map's images there
        see, at most so many images evenly chosen, and these and all other cameras there (n, 3).

        half: metres to the edges of a square, axis by axis.
        """
        there = self.surfaces.views.poses.positions
        with np.errstate(invalid="ignore"):
            inside = (np.abs(there - position) <= [half, half, HEIGHT]).all(axis=1)
        rows = np.flatnonzero(inside)
        chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int))]
        seen = [self.surfaces.points(row) for row in chosen.tolist()]
        points = np.concatenate([np.empty((0, 3)), *seen])
        return points[np.isfinite(points).all(axis=1)], there[rows]
