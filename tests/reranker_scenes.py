"""Small scenes for the tests of re-rankers: descriptors, first-round lists, matrices."""

from __future__ import annotations

import numpy as np

from gcsa.ranking.lists import Ranking
from gcsa.rerankers.similarity import FromDescriptors, FromDistances, FromMatrices
from gcsa.scene import ImageSet, Scene


def make_scene(queries: np.ndarray, database: np.ndarray) -> Scene:
    """A scene of given descriptors, in their own precision."""

    def images(prefix: str, rows: np.ndarray) -> ImageSet:
        return ImageSet(np.array([f"{prefix}{i}" for i in range(len(rows))]), descriptors=rows)

    return Scene("s", images("d", database), images("q", queries))


def unit(random: np.random.Generator, count: int, dim: int = 12, looks: int = 5) -> np.ndarray:
    """(count, dim) float32 unit vectors around a few looks."""
    centres = np.random.default_rng(99).normal(size=(looks, dim))
    rows = centres[random.integers(looks, size=count)] + random.normal(size=(count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def random_scene(seed: int, queries: int = 4, database: int = 30, dim: int = 12) -> Scene:
    random = np.random.default_rng(seed)
    return make_scene(unit(random, queries, dim), unit(random, database, dim))


def ranked(similarity: np.ndarray, num: int) -> Ranking:
    """The best ``num`` columns of each row of (Q, G), padded where there are fewer."""
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :num]
    scores = np.take_along_axis(similarity, order, axis=1).astype(np.float32)
    return pad(Ranking(order.astype(np.int64), scores), num - order.shape[1])


def first_round(scene: Scene, num: int) -> Ranking:
    return ranked(scene.queries.descriptors @ scene.database.descriptors.T, num)


def pad(candidates: Ranking, more: int) -> Ranking:
    """The same lists with padding behind."""
    width = ((0, 0), (0, more))
    return Ranking(
        np.pad(candidates.indices, width, constant_values=-1),
        np.pad(candidates.scores, width, constant_values=-np.inf),
    )


def matrices_of(scene: Scene) -> FromMatrices:
    queries, database = scene.queries.descriptors, scene.database.descriptors
    return FromMatrices(queries @ database.T, database @ database.T)


def distances_of(scene: Scene) -> FromDistances:
    """Euclidean distances, from differences."""
    queries, database = scene.queries.descriptors, scene.database.descriptors

    def table(rows: np.ndarray) -> np.ndarray:
        return np.linalg.norm(rows[:, None] - database[None], axis=2)

    return FromDistances(table(queries), table(database))


def descriptors_of(scene: Scene) -> FromDescriptors:
    return FromDescriptors(scene)


def list_block(scene: Scene, query: int, listed: np.ndarray) -> np.ndarray:
    """Similarities (1+K, 1+K) of a query and its candidates in float64, the query first."""
    rows = np.concatenate(
        [scene.queries.descriptors[query][None], scene.database.descriptors[listed]]
    )
    return rows.astype(np.float64) @ rows.astype(np.float64).T


def by_index(candidates: Ranking, query: int) -> dict[int, float]:
    """Scores of one list by database row, without what is padded or not scored."""
    pairs = zip(candidates.indices[query], candidates.scores[query], strict=True)
    return {int(i): float(s) for i, s in pairs if i >= 0 and np.isfinite(s)}
