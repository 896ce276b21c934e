"""The same photos described otherwise: cut, whitened and noised anew.

A network of places must read descriptors that it has never seen. What they differ in, to it, is how
similarities are spread: by how many numbers, how evenly, with how much noise.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from gcsa.descriptors import whitening
from gcsa.evaluation.truth import labels
from gcsa.ranking.lists import Ranking
from gcsa.ranking.nearby import similarities
from gcsa.ranking.retrieval import retrieve
from gcsa.scene import Scene
from gcsa.scoring.split import JudgedScene
from gcsa.sideinfo.fov import FovConfig

# The fewest numbers of a descriptor that is cut; powers of the variances; shares of noise.
FEWEST = 24
POWERS = (0.0, 0.5)
NOISE = (0.0, 0.6)
FITTED = 2000  # images that the axes are found on


def variant(judged: JudgedScene, rule: str, fov: FovConfig, random: np.random.Generator):
    """A labelled scene with its descriptors changed at random, and its lists made anew.

    Where a label file judges listed pairs alone the lists keep their images, in another order.
    """
    scene, truth = judged.scene, judged.judged
    scene = changed(scene, random)
    if truth.judged is not None:
        found = _reordered(scene, judged.candidates)
    else:
        found = retrieve(scene, judged.candidates.indices.shape[1], torch.device("cpu"))
    relevant = labels(rule, scene, truth, found.indices, fov)
    return replace(judged, scene=scene, candidates=found, labels=relevant)


def changed(scene: Scene, random: np.random.Generator) -> Scene:
    """The scene with other descriptors, of unit length, float16."""
    database = np.asarray(scene.database.descriptors[:], dtype=np.float32)
    queries = np.asarray(scene.queries.descriptors[:], dtype=np.float32)
    chosen = random.permutation(len(database))[:FITTED]
    fitted = whitening.fit(database[chosen])
    length = len(fitted.components)
    dims = int(np.exp(random.uniform(np.log(min(FEWEST, length)), np.log(length + 1))))
    power, share = random.uniform(*POWERS), random.uniform(*NOISE)
    described = []
    for rows in (database, queries):
        projected = fitted.apply(rows, power, min(max(dims, 1), length))
        noise = random.normal(0, share / np.sqrt(projected.shape[1]), projected.shape)
        noised = projected + noise.astype(np.float32)
        noised /= np.maximum(np.linalg.norm(noised, axis=1, keepdims=True), 1e-12)
        described.append(noised.astype(np.float16))
    return replace(
        scene,
        database=replace(scene.database, descriptors=described[0]),
        queries=replace(scene.queries, descriptors=described[1]),
    )


def _reordered(scene: Scene, candidates: Ranking) -> Ranking:
    scores = np.where(candidates.valid, similarities(scene, candidates.indices), -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")
    each = (candidates.indices, scores.astype(np.float32))
    return Ranking(*(np.take_along_axis(values, order, axis=1) for values in each))
