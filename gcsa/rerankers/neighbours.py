"""The neighbours of the first candidate: rules that any figure of a list must be held against.

They know where the database's images were taken and nothing of the query: whatever a list gains in
mAP by them says that it was filled with one place, not that the place is right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gcsa.errors import InputError
from gcsa.ranking.lists import Ranking
from gcsa.rerankers.lists import depth_of
from gcsa.scene import Scene
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import Poses, Rule, overlaps


@dataclass
class NeighboursConfig:
    """Parameters of :func:`by_distance` and :func:`by_overlap`."""

    K: int = 0  # candidates re-ranked; 0: all listed


def by_distance(
    scene: Scene, candidates: Ranking, config: NeighboursConfig, rule: Rule, fov: FovConfig
) -> Ranking:
    """The candidates by their distance to the first one; unknown positions behind, as they were.

    Raises InputError where no positions are known.
    """
    poses = Poses.of(scene.database, f"{scene.name}: neighbours")
    rows, first = _listed(candidates, config)
    offset = poses.positions[rows, :2] - poses.positions[first, None, :2]
    away = np.hypot(offset[..., 0], offset[..., 1])
    return candidates.reordered(np.where(np.isnan(away), -np.inf, -away).astype(np.float32))


def by_overlap(
    scene: Scene, candidates: Ranking, config: NeighboursConfig, rule: Rule, fov: FovConfig
) -> Ranking:
    """The candidates by how their fields of view overlap the first one's, equal ones as they were.

    Raises InputError where no positions and headings are known.
    """
    poses = Poses.of(scene.database, f"{scene.name}: neighbours-overlap")
    if poses.headings is None:
        raise InputError(f"{scene.name}: neighbours-overlap: no headings are known")
    rows, first = _listed(candidates, config)
    each = np.broadcast_to(first[:, None], rows.shape)
    found = overlaps(fov, poses, poses, each.ravel(), rows.ravel()).reshape(rows.shape)
    # The first one is its own neighbour, wherever it stands.
    return candidates.reordered(np.where(rows == each, 2, found).astype(np.float32))


def _listed(candidates: Ranking, config: NeighboursConfig) -> tuple[np.ndarray, np.ndarray]:
    """Database rows (Q, K) of the candidates, the first one's row (Q,) in the place of padding."""
    rows = candidates.indices[:, : depth_of(candidates, config.K)]
    first = np.maximum(rows[:, 0], 0)
    return np.where(rows < 0, first[:, None], rows), first
