"""Queries searched in the databases of several scenes at once: cities, countries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch

from gcsa.ranking.index.settings import Searching
from gcsa.ranking.lists import Ranking
from gcsa.ranking.retrieval import retrieve
from gcsa.scene import ImageSet, Scene


@dataclass(frozen=True, eq=False)
class UnionRanking(Ranking):
    """Lists of images of several databases. scenes: (Q, N) int64, which database; -1 padded."""

    scenes: np.ndarray

    COLUMNS: ClassVar[tuple[str, ...]] = (*Ranking.COLUMNS, "scenes")


def retrieve_in_all(
    queries: ImageSet,
    scenes: Sequence[Scene],
    num: int,
    device: torch.device | str = "cpu",
    search: str | Searching = "auto",
    own: int | None = None,
) -> UnionRanking:
    """The ``num`` images most alike to each query, of the databases of all scenes together.

    Each database is searched by itself, in its own index where there is one, and the lists are
    merged by similarity. own: the scene that the queries are of, whose images of the same names
    are the queries themselves. Device positions are metres of a scene and choose nothing here.
    """
    shape = len(queries), 0
    lists = UnionRanking(np.empty(shape, np.int64), np.empty(shape, np.float32), np.empty(shape))
    elsewhere = replace(queries, positions=None, accuracy=None)
    names = np.char.add("query\n", queries.names)  # a name that no database has
    for number, scene in enumerate(scenes):
        asked = elsewhere if number == own else replace(elsewhere, names=names)
        found = retrieve(Scene(scene.name, scene.database, asked), num, device, search)
        lists = _merged(lists, found, number, num)
    return lists


def _merged(lists: UnionRanking, found: Ranking, number: int, num: int) -> UnionRanking:
    of = np.where(found.valid, number, -1)
    scores = np.concatenate([lists.scores, found.scores], axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :num]
    indices = np.concatenate([lists.indices, found.indices], axis=1)
    scenes = np.concatenate([lists.scenes, of], axis=1).astype(np.int64)
    parts = (np.take_along_axis(array, order, axis=1) for array in (indices, scores, scenes))
    return UnionRanking(*parts)
