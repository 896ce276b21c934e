"""The queries of a device as what asks: a camera on its own, or a rig with several.

The cameras of a rig are localised together: each candidate of each camera proposes a pose of the
rig, and the rig's pose gives those of its cameras.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gcsa.datasets.lamar.scene import DEVICES, Part
from gcsa.errors import given
from gcsa.localization.poses import Poses, best_pose, mean_pose
from gcsa.localization.views import Views
from gcsa.ranking.lists import Ranking

ESTIMATES = {"top1": best_pose, "mean": mean_pose}


@dataclass(frozen=True, eq=False)
class Device:
    """The queries of one device: q queries with n images, of a phone one each, of a rig several.

    rows: (n,) rows of the scene's queries. query: (n,) which query each is of. to_rig: (n,)
    camera-to-rig poses, the identity for a camera on its own. timestamps, ids: (q,) what asks.
    """

    name: str
    rows: np.ndarray
    query: np.ndarray
    to_rig: Poses
    timestamps: np.ndarray
    ids: np.ndarray
    views: Views

    @staticmethod
    def of(part: Part, first_row: int) -> Device:
        """The device of a query session, whose images start at a row of the scene's queries."""
        session, queries = part.session, part.session.asked
        sensors = session.listed.sensor_ids[part.rows]
        places = {
            (rig_id, sensor): (*q, *t)
            for rig_id, rig in session.rigs.items()
            for sensor, q, t in zip(rig.sensor_ids, rig.quaternions, rig.translations, strict=True)
        }
        query = given(part.queries, f"{session.folder}: queries")
        owners = queries.device_ids[query]
        alone = (1.0, 0, 0, 0, 0, 0, 0)
        found = [places.get(key, alone) for key in zip(owners, sensors, strict=True)]
        table = np.array(found, dtype=np.float64).reshape(-1, 7)
        return Device(
            name=next(name for name in DEVICES if session.folder.name.endswith(name)),
            rows=first_row + np.arange(len(part.rows)),
            query=query,
            to_rig=Poses.from_quaternions(table[:, :4], table[:, 4:]),
            timestamps=queries.timestamps,
            ids=queries.device_ids,
            views=Views.of([part]),
        )

    def rig_poses(self, proposals: Poses, scores: np.ndarray, method: str) -> Poses:
        """Poses (q,) of what asks, from proposed camera poses (n, k) and their scores (n, k)."""
        rigs = proposals @ self.to_rig.inverse()[:, None]
        counts = np.bincount(self.query, minlength=len(self.ids))
        order = np.argsort(self.query, kind="stable")
        slot = np.empty_like(order)
        slot[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        q, most, k = len(counts), counts.max(initial=0), scores.shape[1]
        together, weights = Poses.missing((q, most, k)), np.full((q, most, k), -np.inf)
        together.rotations[self.query, slot] = rigs.rotations
        together.positions[self.query, slot] = rigs.positions
        weights[self.query, slot] = scores
        flat = Poses(together.rotations.reshape(q, -1, 3, 3), together.positions.reshape(q, -1, 3))
        return ESTIMATES[method](flat, weights.reshape(q, -1))

    def camera_poses(self, rigs: Poses) -> Poses:
        """Poses (n,) of the images from those (q,) of what asks."""
        return rigs[self.query] @ self.to_rig


def retrieved_poses(database: Poses, ranking: Ranking, num: int) -> tuple[Poses, np.ndarray]:
    """Poses and scores (n, k) of the first ``num`` candidates; missing where a list is padded."""
    indices = ranking.indices[:, :num]
    poses = database[np.maximum(indices, 0)]
    poses.positions[indices < 0] = np.nan
    return poses, ranking.scores[:, :num]
