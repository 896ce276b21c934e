"""What is changed of training queries from epoch to epoch, so that a network relies on no source.

Headings of queries and positions of databases are noised; each query does not know some kinds of
evidence, drawn kind by kind. All chance comes from the generator that is given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gcsa.models.place import Pairs, PlaceConfig
from gcsa.places.affinities import NUMBER
from gcsa.places.inputs import Evidence, Inputs, inputs_of
from gcsa.places.learned import evidence_of
from gcsa.places.locator import Locator
from gcsa.places.weighed import Weighed
from gcsa.scene import Scene
from gcsa.training.placing.questions import Questions

# What a query that does not know a source lacks: kinds of evidence, and affinities.
SOURCES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "positions": (("density", "position"), ("placed", "kernel", "near", "far")),
    "compass": (("compass",), ()),
    "headings": (("compass",), ("headed", "facing")),
    "radio": (("radio",), ("heard", "radio")),
    "local": (("local",), ()),
    "sequences": ((), ("together",)),
}


class Read(NamedTuple):
    """Queries as a network reads them, and what is right.

    relevant: (B, K) bool. weight: (B,). apart: (B,) bool, no positions of the database are known.
    """

    evidence: Evidence
    inputs: Inputs
    relevant: Tensor
    weight: Tensor
    apart: Tensor


@dataclass(frozen=True, eq=False)
class Prepared:
    """The questions of one scene as they are in an epoch.

    unknown: (Q,) bool by source, which queries do not know it.
    """

    questions: Questions
    locator: Locator
    weighed: Weighed
    unknown: dict[str, np.ndarray]

    def read(self, rows: np.ndarray, K: int, keys: int, layers: bool) -> Read:
        """Some queries with lists of K candidates, as the network of so many keys reads them."""
        lists = self.questions.candidates
        listed = np.ascontiguousarray(lists.indices[rows, :K])
        kinds = {name: values[rows, :K] for name, values in self.weighed.kinds.items()}
        for source, (names, _) in SOURCES.items():
            out = self.unknown[source][rows][:, None]
            kinds |= {name: np.where(out, 0.0, kinds[name]) for name in names if name in kinds}
        part = Weighed(kinds, listed >= 0)
        none = self.questions.calibration.none
        evidence = evidence_of(lists.scores[rows, :K], part, slice(None), none, "cpu")
        between = self.locator.affinities if layers else None
        queries = torch.from_numpy(rows)
        inputs = inputs_of(evidence, torch.from_numpy(listed), queries, between, keys)
        if inputs.pairs is not None:
            self._forget(inputs.pairs, rows)
        relevant = torch.from_numpy(self.questions.relevant[rows, :K])
        weight = torch.from_numpy(self.questions.weight[rows]).float()
        apart = torch.from_numpy(self.unknown["positions"][rows])
        return Read(evidence, inputs, relevant, weight, apart)

    def _forget(self, pairs: Pairs, rows: np.ndarray) -> None:
        for source, (_, names) in SOURCES.items():
            out = torch.from_numpy(self.unknown[source][rows])
            for name in names:
                for each in pairs:
                    each[out, NUMBER[name]] = 0


def prepared(questions: Questions, config: PlaceConfig, random: np.random.Generator) -> Prepared:
    """The questions of a scene as an epoch has them."""
    noised = replace(questions, scene=_noised(questions, config, random))
    locator = Locator(noised.scene, noised.rule, noised.fov, noised.calibration)
    weighed = locator.weigh(noised.candidates, noised.left_out)
    weighed = locator.with_local(noised.candidates, weighed, noised.verify)
    unknown = {source: random.random(len(questions)) < config.drop for source in SOURCES}
    if questions.scene.database.positions is None:
        unknown["positions"][:] = True
    return Prepared(noised, locator, weighed, unknown)


def _noised(questions: Questions, config: PlaceConfig, random: np.random.Generator) -> Scene:
    scene = questions.scene
    queries, database = scene.queries, scene.database
    if queries.headings is not None:
        wrong = random.normal(0, np.radians(config.compass_noise), len(queries))
        queries = replace(queries, headings=queries.headings + wrong)
    if database.positions is not None:
        moved = database.positions.copy()
        moved[:, :2] += random.normal(0, config.position_noise, (len(moved), 2))
        database = replace(database, positions=moved)
    return replace(scene, queries=queries, database=database)
