"""The queries of a device placed in the map's points, and what is left where that fails."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gcsa.errors import InputError
from gcsa.local.matched import Matched
from gcsa.localization.near_views import Overlapping
from gcsa.localization.placing import Asked, Placed, place
from gcsa.localization.poses import Poses
from gcsa.localization.rigs import Device, retrieved_poses
from gcsa.localization.surfaces import Surfaces
from gcsa.localization.views import Views
from gcsa.places.located import Located
from gcsa.ranking.lists import Ranking
from gcsa.scene import Scene

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocalFiles:
    """Files of local features, and of matches or none, of a scene's images."""

    features: Path
    matches: Path | None = None


def surfaces_of(scene: Scene, views: Views, files: LocalFiles) -> Surfaces:
    """The points of a scene's database images, whose ``views`` have poses and cameras."""
    near = Overlapping(views.names, views.poses.positions, scene.database.headings)
    return Surfaces(views, near, Matched(files.features, files.matches))


def map_poses(
    device: Device, surfaces: Surfaces, ranking: Ranking, num: int, where: str
) -> tuple[Poses, Placed]:
    """Poses (q,) of what asks, by the first ``num`` candidates of the device's images.

    ranking: of the scene's queries. Where the map places no pose it is the first candidate's, at
    the posterior's position where the ranking has one; how many these are is said. where: for
    that message.
    """
    lists = ranking.indices[device.rows, :num]
    asked = []
    for query in range(len(device.ids)):
        rows = np.flatnonzero(device.query == query)
        listed = [lists[row][lists[row] >= 0] for row in rows]
        cameras = [device.views.cameras[row] for row in rows]
        asked.append(Asked(device.views.names[rows].tolist(), cameras, device.to_rig[rows], listed))
    placed = place(asked, surfaces)
    lacking = surfaces.matched.lacking & set(device.views.names.tolist())
    if len(lacking) == len(device.views.names):
        path = surfaces.matched.paths[0]
        raise InputError(f"{path}: has no features of {where}, such as '{min(lacking)}'")
    failed = ~placed.poses.known
    left, how = fallback(device, surfaces.views.poses, ranking, num)
    placed.poses.rotations[failed] = left.rotations[failed]
    placed.poses.positions[failed] = left.positions[failed]
    text = "%s: %d of %d queries placed in the map; the others have %s"
    logger.info(text, where, int((~failed).sum()), len(failed), how)
    return placed.poses, placed


def fallback(device: Device, database: Poses, ranking: Ranking, num: int) -> tuple[Poses, str]:
    """Poses (q,) without local features, and in words what they are."""
    own = Ranking(ranking.indices[device.rows], ranking.scores[device.rows])
    poses = device.rig_poses(*retrieved_poses(database, own, num), "top1")
    if not isinstance(ranking, Located):
        return poses, "the pose of their first image"
    count = np.bincount(device.query, minlength=len(device.ids))
    position, known = ranking.position[device.rows], poses.known
    for axis in (0, 1):
        total = np.bincount(device.query, position[:, axis], len(device.ids))
        moved = total / np.maximum(count, 1)
        better = known & np.isfinite(moved)
        poses.positions[better, axis] = moved[better]
    return poses, "the posterior's position and the heading of their first image"
