"""Device positions choose what is compared: against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcsa.config import load_config
from gcsa.errors import InputError
from gcsa.ranking.cells import CELL, Grid
from gcsa.ranking.index.settings import Searching
from gcsa.ranking.retrieval import retrieve
from gcsa.scene import ImageSet, Scene

NAN = np.nan


def images(prefix, count, seed, positions=None, accuracy=None):
    rows = np.random.default_rng(seed).normal(size=(count, 8))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
    names = np.array([f"{prefix}{i:03}" for i in range(count)])
    return ImageSet(names, rows, positions, accuracy=accuracy)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 1000), st.floats(0, 900), st.integers(0, 40))
def test_cells_hold_all_that_is_near_and_nothing_far(seed, radius, count):
    random = np.random.default_rng(seed)
    positions = random.uniform(-800, 800, (count, 2))
    positions[random.random(count) < 0.2] = NAN
    place = random.uniform(-1000, 1000, 2)
    found = Grid.of(positions).within(place, radius)
    away = np.abs(positions - place).max(axis=1)
    assert np.isin(np.flatnonzero(away <= radius), found).all()
    assert (away[found] <= radius + CELL).all()
    assert (np.diff(found) > 0).all()


def test_lists_are_of_what_is_near(caplog):
    random = np.random.default_rng(0)
    positions = random.uniform(0, 2000, (400, 2))
    places = random.uniform(0, 2000, (6, 2))
    places[4], places[5] = NAN, 9e6
    accuracy = np.array([30.0, 200.0, NAN, 5.0, NAN, 10.0])
    database = images("d", 400, 1, positions)
    scene = Scene("s", database, images("q", 6, 2, places, accuracy))
    with caplog.at_level("INFO"):
        found = retrieve(scene, 20, search=Searching("fp32", within=2.0))
    assert "4 of 6 queries are compared with what is near" in caplog.text
    assert "1 have nothing near it and 1 no position" in caplog.text
    whole = retrieve(scene, 20, search="fp32")
    similarity = scene.queries.descriptors.astype("f4") @ database.descriptors.astype("f4").T
    for query, metres in enumerate([60, 400, 40, 10]):
        corner = positions.min(axis=0)
        cells = (positions - corner) // CELL
        low, high = ((places[query] + way * metres - corner) // CELL for way in (-1, 1))
        near = np.flatnonzero(((cells >= low) & (cells <= high)).all(axis=1))
        best = near[np.argsort(-similarity[query, near], kind="stable")][:20]
        assert found.indices[query, : len(best)].tolist() == best.tolist()
        assert (found.indices[query, len(best) :] == -1).all()
        np.testing.assert_allclose(
            found.scores[query, : len(best)], similarity[query, best], atol=1e-6
        )
    np.testing.assert_array_equal(found.indices[4:], whole.indices[4:])


def test_a_query_is_not_its_own_candidate_in_its_cell():
    database = images("d", 30, 1, np.zeros((30, 2)))
    found = retrieve(Scene("s", database, database), 30, search=Searching("fp32", within=1.0))
    assert not (found.indices == np.arange(30)[:, None]).any()
    assert (found.indices[:, 28] >= 0).all() and (found.indices[:, 29] == -1).all()


def test_the_setting():
    assert load_config(overrides=["data.device_cells=3"]).data.searching.within == 3.0
    with pytest.raises(InputError, match="data.device_cells: -1.0 is not a number from 0"):
        load_config(overrides=["data.device_cells=-1"])
