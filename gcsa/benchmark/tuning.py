"""Parameters chosen on training scenes: every combination of a grid, the best by mAP@10.

Nothing here is handed the split that is reported.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import torch

from gcsa.benchmark.contenders import Contender
from gcsa.config import Config
from gcsa.datasets.readers import scene_names
from gcsa.errors import InputError
from gcsa.evaluation import metrics
from gcsa.evaluation.truth import Clusters, Truth, check_depth, labels, num_relevant
from gcsa.ranking.lists import Ranking
from gcsa.scene import Scene
from gcsa.scoring.reading import read_scene
from gcsa.scoring.split import JudgedScene, first_round
from gcsa.sideinfo.affinity import SideInformation

logger = logging.getLogger(__name__)

# The measure that decides, as it decides which epoch of a training is the best.
CUT = 10


def training_scenes(
    config: Config, depth: int, count: int, device: torch.device
) -> list[JudgedScene]:
    """The training scenes with ``depth`` candidates of at most ``count`` random queries in all.

    Relevant is what the validation's rule says (``data.val_labels``).
    """
    data = replace(config.data, train_labels=config.data.val_labels)
    try:
        names = scene_names(data, "train")
    except InputError as error:
        raise InputError(f"{error}: nothing to tune on, see --no_tuning") from error
    parts = [read_scene(data, name, "train") for name in names]
    sizes = [len(scene.queries) for scene, _ in parts]
    random = np.random.default_rng(config.train.seed)
    chosen = np.sort(random.permutation(sum(sizes))[:count])
    ends = np.searchsorted(chosen, np.cumsum(sizes)[:-1])
    scenes = []
    for (scene, truth), rows, start in zip(
        parts, np.split(chosen, ends), np.cumsum([0, *sizes]), strict=False
    ):
        if len(rows) > 0:
            scenes.append(_few(scene, truth, rows - start, config, depth, device))
    return scenes


def with_queries(scene: Scene, rows: np.ndarray) -> Scene:
    """The scene with the queries ``rows`` (m,) alone."""
    return replace(scene, queries=scene.queries.of_rows(rows))


def tune(contender: Contender, scenes: Sequence[JudgedScene], config: Config) -> dict[str, Any]:
    """The settings of the grid with the highest mAP@10 on some scenes, the first of equals.

    config: its ``data.val_labels`` and ``fov`` say what is relevant.
    """
    grid = contender.grid
    combinations = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    if len(combinations) < 2:
        return dict(contender.settings)
    start = time.perf_counter()
    scores: list[list[np.ndarray]] = [[] for _ in combinations]
    for scene in scenes:
        numbers, tried = _num_relevant(scene, config), contender.start(scene)
        for found, choice in zip(scores, combinations, strict=True):
            ranking = tried(**{**contender.settings, **choice})
            found.append(_precisions(scene, ranking, numbers, config))
    means = [float(np.concatenate(found).mean()) for found in scores]
    best = int(np.argmax(means))
    logger.info(
        "%s: %s, mAP@%d %.2f %% on training queries, best of %d settings, worst %.2f %%; %.0f s",
        contender.name,
        " ".join(f"{key}={value}" for key, value in combinations[best].items()),
        *(CUT, 100 * means[best], len(means), 100 * min(means), time.perf_counter() - start),
    )
    return {**contender.settings, **combinations[best]}


def check_relevant(scenes: Sequence[JudgedScene], config: Config) -> None:
    """Raise InputError where no training query has a relevant image, so that all settings tie."""
    if not any(_num_relevant(scene, config).any() for scene in scenes):
        raise InputError("no training query has a relevant image to tune by; see --no_tuning")


def _few(
    scene: Scene,
    truth: Any,
    rows: np.ndarray,
    config: Config,
    depth: int,
    device: torch.device,
) -> JudgedScene:
    """A judged scene of some of its queries alone."""
    if not isinstance(truth, Truth):
        raise InputError(f"{scene.name}: what is relevant is not known here; see --no_tuning")
    few, own = with_queries(scene, rows), _truth_of(truth, rows)
    check_depth(few, own, min(depth, len(few.database) - 1))
    candidates = first_round(config.data, few, own, depth, device)
    return JudgedScene(few, candidates, SideInformation(few, [], config.fov), None, own)


def _truth_of(truth: Truth, rows: np.ndarray) -> Truth:
    """The truth of some queries."""
    judged, clusters = truth.judged, truth.clusters
    if judged is not None:
        judged = judged.of_rows(rows)
    if clusters is not None:
        clusters = Clusters(clusters.queries[rows], clusters.database)
    headings = None if truth.headings is None else truth.headings[rows]
    return Truth(truth.positions[rows], headings, judged, clusters)


def _num_relevant(scene: JudgedScene, config: Config) -> np.ndarray:
    return num_relevant(config.data.val_labels, scene.scene, scene.judged, config.fov)


def _precisions(
    scene: JudgedScene, ranking: Ranking, numbers: np.ndarray, config: Config
) -> np.ndarray:
    """AP@10 of the queries that have a relevant image."""
    best = ranking.indices[:, :CUT]
    relevant = labels(config.data.val_labels, scene.scene, scene.judged, best, config.fov)
    kept = numbers > 0
    return metrics.average_precision_at_k(relevant[kept], numbers[kept], CUT)
