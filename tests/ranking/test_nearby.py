"""Images near the device's position join a list: against plain loops."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcsa.ranking.lists import Ranking
from gcsa.ranking.nearby import with_nearby
from gcsa.ranking.retrieval import retrieve
from gcsa.scene import ImageSet, Scene


def scene_of(positions, queries, own=(), seed=0):
    """A scene with random looks; own: {query: row} of queries that are images of the database."""
    random = np.random.default_rng(seed)

    def looks(n):
        rows = random.normal(size=(n, 8))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)

    names = np.array([f"q{i}" for i in range(len(queries))], dtype="<U9")
    for query, row in dict(own).items():
        names[query] = f"d{row}"
    return Scene(
        "s",
        ImageSet(
            np.array([f"d{i}" for i in range(len(positions))]), looks(len(positions)), positions
        ),
        ImageSet(names, looks(len(queries)), queries),
    )


def by_hand(scene, ranking, num):
    """Each query's list with its nearest images, as {row: score}."""
    alike = scene.queries.descriptors.astype("f4") @ scene.database.descriptors.astype("f4").T
    lists = []
    for q, place in enumerate(scene.queries.positions):
        kept = ranking.indices[q] >= 0
        found = dict(zip(ranking.indices[q][kept], ranking.scores[q][kept], strict=True))
        if not np.isnan(place).any():
            away = np.linalg.norm(scene.database.positions[:, :2] - place[:2], axis=1)
            for row in np.argsort(away, kind="stable")[:num]:  # NaN last
                if not np.isnan(away[row]) and scene.database.names[row] != scene.queries.names[q]:
                    found.setdefault(row, alike[q, row])
        lists.append(found)
    return lists


def check(scene, ranking, num):
    found = with_nearby(scene, ranking, num)
    for q, expected in enumerate(by_hand(scene, ranking, num)):
        kept = found.indices[q] >= 0
        rows = found.indices[q][kept].tolist()
        assert len(rows) == len(set(rows)) and set(rows) == set(expected)
        np.testing.assert_allclose(
            found.scores[q][kept], [expected[r] for r in rows], atol=1e-3, rtol=0
        )
        assert (np.diff(found.scores[q][kept]) <= 0).all()
        assert (found.scores[q][~kept] == -np.inf).all() and not kept[kept.sum() :].any()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 20), num=st.integers(1, 25), axes=st.booleans())
def test_the_right_images_join(seed, n, num, axes):
    random = np.random.default_rng(seed)
    positions = random.uniform(0, 100, (n, 3 if axes else 2))
    queries = random.uniform(0, 100, (4, 2))
    positions[random.random(n) < 0.2], queries[random.random(4) < 0.3] = np.nan, np.nan
    scene = scene_of(positions, queries, own={1: int(random.integers(n))}, seed=seed)
    # Deeper than the database: padded.
    check(scene, retrieve(scene, int(random.integers(1, n + 4))), num)


def test_a_small_case():
    """d2 is nearest; d0 is listed already; d1 is the query itself."""
    positions = np.array([[1.0, 0], [0, 0], [0.5, 0], [50, 0]])
    scene = scene_of(positions, np.zeros((1, 2)), own={0: 1})
    ranking = Ranking(np.array([[0, 3, -1]]), np.array([[2.0, -2.0, -np.inf]], dtype=np.float32))
    found = with_nearby(scene, ranking, 3)
    assert found.indices[0].tolist() == [0, 2, 3, -1, -1, -1]
    assert found.indices.dtype == np.int64


@pytest.mark.parametrize("lacking", ["queries", "database", "num", "values"])
def test_nothing_known_changes_nothing(lacking):
    random = np.random.default_rng(0)
    queries = random.uniform(0, 9, (2, 2)) if lacking != "values" else np.full((2, 2), np.nan)
    scene = scene_of(random.uniform(0, 9, (5, 2)), queries)
    if lacking in ("queries", "database"):
        bare = replace(getattr(scene, lacking), positions=None)
        scene = replace(scene, **{lacking: bare})
    num = 0 if lacking == "num" else 2
    ranking = retrieve(scene, 3)
    assert with_nearby(scene, ranking, num) is ranking


def test_a_query_of_unknown_position_keeps_its_list():
    random = np.random.default_rng(1)
    queries = np.array([[np.nan, np.nan], [5.0, 5.0]])
    scene = scene_of(random.uniform(0, 9, (12, 2)), queries)
    ranking = retrieve(scene, 3)
    found = with_nearby(scene, ranking, 6)
    assert found.indices[0, :3].tolist() == ranking.indices[0].tolist()
    assert (found.indices[0, 3:] == -1).all() and (found.indices[1] >= 0).sum() > 3
