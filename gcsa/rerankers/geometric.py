"""``geometric``: candidates by how many matches of local features agree with one geometry.

The classic verification (Philbin et al., Object Retrieval with Large Vocabularies and Fast Spatial
Matching, CVPR 2007). A count sorts; what it is worth as evidence, ``posterior`` asks a calibration.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gcsa.errors import InputError, given
from gcsa.ranking.lists import Ranking
from gcsa.rerankers.lists import depth_of
from gcsa.scene import Scene
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import Rule


@dataclass
class GeometricConfig:
    """Parameters of :func:`geometric`."""

    verified: int = 50  # candidates whose inliers are counted; those after them stay behind
    K: int = 0  # candidates re-ranked; 0: all listed


def geometric(
    scene: Scene, candidates: Ranking, config: GeometricConfig, rule: Rule, fov: FovConfig
) -> Ranking:
    """The candidates by inliers, equal ones in the order of the first round.

    Raises InputError where the scene has no local features.
    """
    if config.verified < 1:
        raise InputError(f"geometric.verified: {config.verified} is less than 1")
    local = given(scene.local, f"{scene.name}: geometric: local features (data.local_fn)")
    K = min(depth_of(candidates, config.K), config.verified)
    rows = candidates.indices[:, :K]
    counts = np.full(rows.shape, -np.inf)
    query, column = np.nonzero(rows >= 0)
    names = scene.queries.names[query], scene.database.names[rows[query, column]]
    counts[query, column] = np.nan_to_num(local.inliers(*names))
    return candidates.reordered(counts.astype(np.float32))
