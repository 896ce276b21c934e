"""Which images of a map one is triangulated with, found when they are asked for.

Nothing is made of a map beforehand but a tree of where its images stand.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import numpy as np
from scipy.spatial import cKDTree

from gcsa.localization.near_poses import Cameras, by_distance, by_overlap
from gcsa.localization.poses import Poses
from gcsa.localization.views import FIELD

NEIGHBOURS = 10  # images that one is triangulated with
LOOKED = 40  # of those that see most in common; those at the same spot tell no depth
BASELINE = 0.2  # metres that a neighbour stands away, where there are enough
# Of so many nearest images those that look within TURN of the same way; of these the nearest, and
# ever fewer further off. The near ones match best, the far ones tell depth, and nobody knows how
# long a unit of the model is (other spreads: docs/hloc.md).
NEAREST = 400
SPREAD = np.array([1, 2, 3, 4, 6, 8, 11, 14, 18, 23]) - 1
TURN = np.radians(60)
KEPT = 4096  # images whose neighbours stay in memory


class Near(Protocol):
    """Of an image the rows of its neighbours, best first."""

    def __getitem__(self, row: int, /) -> np.ndarray: ...


class Overlapping:
    """A :class:`Near` in metres: those that see most in common and stand BASELINE away."""

    def __init__(self, names: np.ndarray, positions: np.ndarray, headings: np.ndarray | None):
        self._cameras = Cameras(names, positions, headings)
        self._known = np.flatnonzero(np.isfinite(positions).all(axis=1))
        self._tree = cKDTree(positions[self._known, :2])
        self._near = lru_cache(KEPT)(self._found)

    def __getitem__(self, row: int, /) -> np.ndarray:
        return self._near(row)

    def _found(self, row: int) -> np.ndarray:
        position = self._cameras.positions[row]
        if not np.isfinite(position).all():
            return np.empty(0, dtype=np.int64)
        reach = 2 * FIELD.radius * (1 + 1e-9)
        around = np.sort(self._known[self._tree.query_ball_point(position[:2], reach)])
        own, others = self._of(np.array([row])), self._of(around)
        if own.headings is None:
            found = by_distance(own, others, LOOKED, 2 * FIELD.radius).indices[0]
        else:
            found = by_overlap(own, others, LOOKED, 0.0, FIELD).indices[0]
        listed = around[found[found >= 0]]
        close = np.linalg.norm(self._cameras.positions[listed] - position, axis=1) < BASELINE
        return listed[np.argsort(close, kind="stable")][:NEIGHBOURS]

    def _of(self, rows: np.ndarray) -> Cameras:
        names, positions, headings = (
            self._cameras.names,
            self._cameras.positions,
            self._cameras.headings,
        )
        return Cameras(names[rows], positions[rows], None if headings is None else headings[rows])


class Nearest:
    """A :class:`Near` in a world of any unit: some of the nearest that look the same way."""

    def __init__(self, poses: Poses):
        self._positions, self._axes = poses.positions, poses.rotations[:, :, 2]
        self._tree = cKDTree(poses.positions)
        self._near = lru_cache(KEPT)(self._found)

    def __getitem__(self, row: int, /) -> np.ndarray:
        return self._near(row)

    def _found(self, row: int) -> np.ndarray:
        count = min(NEAREST, len(self._positions))
        _, near = self._tree.query(self._positions[row], k=[*range(1, count + 1)])
        alike = self._axes[near] @ self._axes[row] >= np.cos(TURN)
        near = near[(near != row) & alike]
        return near[SPREAD] if len(near) > SPREAD[-1] else near[: len(SPREAD)]
