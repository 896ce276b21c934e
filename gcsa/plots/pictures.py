"""What a picture of ranked lists shows: image files, relevance, distance to the query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gcsa.errors import given
from gcsa.evaluation.truth import Truth, labels
from gcsa.ranking.lists import Ranking
from gcsa.scene import Scene
from gcsa.sideinfo.fov import FovConfig


@dataclass(frozen=True, eq=False)
class Top:
    """The best of each query's ranked list, as pictures show it.

    indices: (Q, n) int64 database rows, best first; -1 where a list is shorter.
    scores: (Q, n) float32. relevant: (Q, n) bool; None where the truth is not known.
    distances: (Q, n) float64 metres from the query's true position (in 3D where heights are
        known); NaN where either is unknown.
    """

    indices: np.ndarray
    scores: np.ndarray
    relevant: np.ndarray | None
    distances: np.ndarray

    @property
    def judged(self) -> np.ndarray:
        """``relevant`` where the truth is known, else InputError."""
        return given(self.relevant, "what is relevant")


def top(
    scene: Scene,
    truth: Truth | None,
    ranking: Ranking,
    rule: str,
    fov: FovConfig,
    num: int = 10,
) -> Top:
    """The best ``num`` of each ranked list; ``rule``: what is relevant, of the module truth."""
    indices = ranking.indices[:, :num]
    relevant = None if truth is None else labels(rule, scene, truth, indices, fov)
    return Top(indices, ranking.scores[:, :num], relevant, _distances(scene, truth, indices))


def query_pose(scene: Scene, truth: Truth | None, query: int) -> tuple[np.ndarray, float]:
    """Position (2,), metres (east, north), and heading of a query, the true ones where they are
    known; NaN where nothing is.
    """
    known = scene.queries
    places = known.positions if truth is None else truth.positions
    headings = known.headings if truth is None or truth.headings is None else truth.headings
    place = np.full(2, np.nan) if places is None else places[query, :2]
    return place, np.nan if headings is None else float(headings[query])


def _distances(scene: Scene, truth: Truth | None, indices: np.ndarray) -> np.ndarray:
    known = scene.database.positions
    own = scene.queries.positions if truth is None else truth.positions
    if known is None or own is None:
        return np.full(indices.shape, np.nan)
    axes = min(known.shape[1], own.shape[1])
    offsets = known[indices, :axes] - own[:, None, :axes]
    return np.where(indices >= 0, np.linalg.norm(offsets, axis=-1), np.nan)
