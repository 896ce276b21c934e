"""Pairs files over many scenes: each query's best images of all databases together."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gcsa.config import Config
from gcsa.datasets.hloc import write_pairs, write_scores
from gcsa.datasets.readers import reader, scene_names
from gcsa.descriptors.hdf5 import RESIDENT
from gcsa.ranking.union import UnionRanking, retrieve_in_all
from gcsa.scene import Scene
from gcsa.scoring.ranker import pick_device

logger = logging.getLogger(__name__)


def pairs_across(
    config: Config, output: str, split: str, num: int, scores: str | None = None
) -> Path:
    """Write one pairs file of all scenes of a split, names led by that of their scene.

    num: database images of a query, of all databases together. scores: a file to write
    "query database score" lines to. Of each scene it is said in which scenes the first images are.
    """
    RESIDENT.limit = int(config.data.memory * 1e9)
    data = replace(config.data, train_labels="dist", val_labels="dist")  # no label files
    scenes = [reader(data).read(data, name, split)[0] for name in scene_names(data, split)]
    device, searching = pick_device(config.train.device), data.searching
    found = [
        retrieve_in_all(scene.queries, scenes, num, device, searching, own)
        for own, scene in enumerate(scenes)
    ]
    for scene, lists in zip(scenes, found, strict=True):
        first = Counter(scenes[i].name for i in lists.scenes[:, 0] if i >= 0)
        told = ", ".join(f"{count} in {name}" for name, count in first.most_common())
        logger.info("%s: the first images of %d queries are %s", scene.name, len(lists), told)
    names = [_names(*each, scenes) for each in zip(scenes, found, strict=True)]
    asked, listed = (np.concatenate(part) for part in zip(*names, strict=True))
    write_pairs(output, asked, listed)
    if scores is not None:
        kept = [lists.scores[lists.valid] for lists in found]
        write_scores(scores, asked, listed, np.concatenate(kept))
    return Path(output)


def _names(
    scene: Scene, lists: UnionRanking, scenes: Sequence[Scene]
) -> tuple[np.ndarray, np.ndarray]:
    """Names of queries and images of all pairs (m,), each led by that of its scene."""
    query, column = np.nonzero(lists.valid)
    of, row = lists.scenes[query, column], lists.indices[query, column]
    images = [
        f"{scenes[i].name}/{scenes[i].database.names[j]}" for i, j in zip(of, row, strict=True)
    ]
    return np.array([f"{scene.name}/{scene.queries.names[q]}" for q in query]), np.array(images)
