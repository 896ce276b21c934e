"""From a config to ranked scenes: every scene of a split read, its candidates retrieved."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from gcsa import distributed
from gcsa.datasets.readers import scene_names
from gcsa.datasets.settings import DataConfig
from gcsa.descriptors.hdf5 import RESIDENT
from gcsa.errors import InputError
from gcsa.evaluation.listed import ListedTruth
from gcsa.evaluation.truth import Judged, Truth, check_depth, labels
from gcsa.ranking.batches import RankedScene
from gcsa.ranking.lists import Ranking
from gcsa.ranking.nearby import similarities, with_nearby
from gcsa.ranking.retrieval import retrieve
from gcsa.scene import Scene
from gcsa.scoring.reading import read_scene
from gcsa.sideinfo.affinity import SideInformation, check_kinds
from gcsa.sideinfo.fov import FovConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class JudgedScene(RankedScene):
    """A ranked scene and what the benchmark knows of it; truth is None where it is not published.

    labels: None without truth, and where truth is lists, which are for evaluation alone.
    """

    truth: Truth | ListedTruth | None = None

    @property
    def judged(self) -> Truth:
        """The truth that a rule judges by; InputError where it is lists, or not published."""
        if not isinstance(self.truth, Truth):
            raise InputError(f"{self.scene.name}: has no truth that a rule could judge by")
        return self.truth


def prepare(
    data: DataConfig,
    fov: FovConfig,
    kinds: Sequence[str],
    split: str,
    num: int,
    device: torch.device | str = "cpu",
    read_by_rankers: int | None = None,
) -> list[JudgedScene]:
    """Read every scene of a split and retrieve ``num`` candidates for each of its queries.

    read_by_rankers: how many of them are re-ranked, all if not given: a smaller database is said,
    and the others are only as many as a label file judges. Where truth is lists the whole database
    is ranked, as their protocols ask for.
    """
    check_kinds(kinds)
    RESIDENT.limit = int(data.memory * 1e9)
    names = scene_names(data, split)
    rule = data.train_labels if split == "train" else data.val_labels
    scenes = []
    quiet = distributed.rank() > 0 or None  # None: if there is no terminal
    for name in tqdm(names, desc=f"reading {split}", unit="scene", leave=False, disable=quiet):
        scene, truth = read_scene(data, name, split)
        depth = max(num, len(scene.database)) if isinstance(truth, ListedTruth) else num
        if isinstance(truth, Truth) and truth.judged is not None and read_by_rankers is not None:
            depth = max(read_by_rankers, min(num, truth.judged.depth))
        candidates = first_round(data, scene, truth, depth, device)
        candidates = with_nearby(scene, candidates, data.near_device)
        if len(scene.database) < (num if read_by_rankers is None else read_by_rankers):
            logger.info("%s: %d database images, lists padded", name, len(scene.database))
        relevant = None
        if isinstance(truth, Truth):
            check_depth(scene, truth, min(depth, len(scene.database) - 1))
            relevant = labels(rule, scene, truth, candidates.indices, fov)
        side = SideInformation(scene, kinds, fov, data.unknown_radio)
        scenes.append(JudgedScene(scene, candidates, side, relevant, truth))
    return scenes


def first_round(
    data: DataConfig,
    scene: Scene,
    truth: Truth | ListedTruth | None,
    num: int,
    device: torch.device | str,
) -> Ranking:
    """``num`` candidates of each query: retrieved, or by ``data.candidates`` a label file's topk.

    Of the latter each score is the inner product, or that of an entry before if it is lower.
    """
    judged = truth.judged if isinstance(truth, Truth) else None
    if judged is None and data.candidates == "labels":
        raise InputError(
            f"data.candidates=labels: {scene.name} has no label file in use "
            "(LaMAR, data.train_labels and data.val_labels: score)"
        )
    if judged is None or not (data.candidates == "labels" or _as_published(data, judged)):
        return retrieve(scene, num, device, data.searching)
    logger.info("%s: candidates are those of its label file", scene.name)
    indices = judged.topk[:, :num]
    scores = np.minimum.accumulate(similarities(scene, indices), axis=1)
    return Ranking(indices, scores)


def _as_published(data: DataConfig, judged: Judged) -> bool:
    return data.candidates == "published" and judged.published
