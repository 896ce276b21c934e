"""The captured LaMAR scene with local features, and lists by the true distance."""

from pathlib import Path

import numpy as np
from captures import write_scene
from hloc_inputs import write_local

from gcsa.datasets.lamar.scene import read_map, read_queries, read_scene
from gcsa.evaluation.truth import Truth
from gcsa.localization.views import Views
from gcsa.ranking.lists import Ranking
from gcsa.scene import Scene


def posed_scene(root: Path) -> tuple[Scene, Truth, Ranking]:
    """Written under ``root``: datasets/lamar/CAB, and outputs/lamar/CAB/f.h5."""
    folder, features = root / "datasets/lamar/CAB", root / "outputs/lamar/CAB/f.h5"
    write_scene(folder)
    scene, truth = read_scene(folder.parent, "CAB")
    features.parent.mkdir(parents=True)
    write_local(features, Views.of([read_map(folder), *read_queries(folder, "val")]))
    away = np.linalg.norm(truth.positions[:, None] - scene.database.positions, axis=2)
    order = np.argsort(np.nan_to_num(away, nan=1e9), axis=1)
    return scene, truth, Ranking(order, np.zeros(order.shape, np.float32))
