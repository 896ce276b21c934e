"""Queries that the network of places is trained on: labelled ones, and images of databases."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from gcsa.config import Config, load_config
from gcsa.errors import InputError, given
from gcsa.places.calibrating import calibrated, database_of, own_sample
from gcsa.places.calibration import Calibration
from gcsa.places.settings import PosteriorConfig
from gcsa.ranking.lists import Ranking
from gcsa.scene import Scene
from gcsa.scoring.split import JudgedScene, prepare
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import Rule
from gcsa.training.placing.variants import variant


@dataclass(frozen=True, eq=False)
class Questions:
    """Queries of a scene, their lists, and what is right.

    relevant: (Q, N) bool. weight: (Q,), how much a query counts. left_out: (Q, n) bool, images that
    are no candidates; None: none is left out. verify: candidates of a query whose local features
    are matched, at most, where the scene has any.
    """

    scene: Scene
    rule: Rule
    fov: FovConfig
    calibration: Calibration
    candidates: Ranking
    relevant: np.ndarray
    weight: np.ndarray
    left_out: np.ndarray | None = None
    verify: int = PosteriorConfig.verify

    def __len__(self) -> int:
        return len(self.weight)

    def of_rows(self, rows: np.ndarray) -> Questions:
        """Some of them, in the order of ``rows``."""
        lists = Ranking(self.candidates.indices[rows], self.candidates.scores[rows])
        return replace(
            self,
            scene=replace(self.scene, queries=self.scene.queries.of_rows(rows)),
            candidates=lists,
            relevant=self.relevant[rows],
            weight=self.weight[rows],
            left_out=None if self.left_out is None else self.left_out[rows],
        )


def training_questions(config: Config, device: torch.device) -> list[Questions]:
    """All questions of the training scenes of a config, and of the configs that it names."""
    found: list[Questions] = []
    for each in [config, *map(load_config, config.place.also)]:
        scenes = prepare(each.data, each.fov, [], "train", config.model.K, device)
        for judged in scenes:
            relevant = given(judged.labels, f"{judged.scene.name}: what is relevant to its queries")
            first = replace(judged, labels=relevant)
            for described in (first, *_variants(first, each, config, len(found))):
                found += questions_of(described, Rule.of(each.data.train_labels), each.fov, config)
    if config.place.queries:
        found = _some(found, config.place.queries, config.train.seed)
    if not any(q.relevant.any() for q in found):
        raise InputError("no query of the training scenes has a relevant candidate")
    return [replace(q, verify=config.posterior.verify) for q in found]


def _some(questions: list[Questions], count: int, seed: int) -> list[Questions]:
    """At most ``count`` of all, drawn at random."""
    lengths = [len(q) for q in questions]
    chosen = np.sort(np.random.default_rng(seed).permutation(sum(lengths))[:count])
    starts = np.cumsum([0, *lengths])
    parts = [chosen[(chosen >= a) & (chosen < b)] - a for a, b in itertools.pairwise(starts)]
    return [q.of_rows(rows) for q, rows in zip(questions, parts, strict=True) if len(rows)]


def _variants(
    judged: JudgedScene, its: Config, config: Config, number: int
) -> Iterator[JudgedScene]:
    for k in range(config.place.variants):
        random = np.random.default_rng([config.train.seed, number, k])
        yield variant(judged, its.data.train_labels, its.fov, random)


def questions_of(
    judged: JudgedScene, rule: Rule, fov: FovConfig, config: Config
) -> list[Questions]:
    """The labelled queries of a scene, and the images of its database as queries."""
    scene, N = judged.scene, judged.candidates.indices.shape[1]
    calibration = calibrated(scene, rule, fov, N)
    weight = np.ones(len(scene.queries))
    lists = judged.candidates
    found = [Questions(scene, rule, fov, calibration, lists, judged.relevant, weight)]
    if config.place.own:
        found.append(own_questions(scene, rule, fov, calibration, N))
    return found


def own_questions(
    scene: Scene, rule: Rule, fov: FovConfig, calibration: Calibration, num: int
) -> Questions:
    """Images of the database as queries, what was taken together with them left out."""
    sample = own_sample(scene, rule, fov, min(num, len(scene.database) - 1))
    own = given(sample.own, "rows of the queries")
    database = database_of(scene, rule, fov)
    if database.sessions == 1:
        database = replace(database, groups=None)
    left_out = database.together(own[:, None], np.arange(len(scene.database)))
    queries = scene.database.of_rows(own)
    # What a database knows beyond a query, a query does not report of itself.
    queries = replace(queries, positions=None, accuracy=None, frames=None, sequences=None)
    scores = np.where(sample.valid, sample.similarity, -np.inf).astype(np.float32)
    short = ((0, 0), (0, num - scores.shape[1]))
    lists = Ranking(
        np.pad(sample.rows, short, constant_values=-1),
        np.pad(scores, short, constant_values=-np.inf),
    )
    relevant = np.pad(sample.relevant, short)
    asked = replace(scene, queries=queries)
    return Questions(asked, rule, fov, calibration, lists, relevant, sample.weight, left_out)
