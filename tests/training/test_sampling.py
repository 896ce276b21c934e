"""Every training query once an epoch; near each other where that is asked for."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import overrides

from gcsa.config import load_config
from gcsa.evaluation.truth import Truth
from gcsa.scoring.split import prepare
from gcsa.training.sampling import Sampler, _along


@pytest.fixture
def scenes(world):
    config = load_config(None, overrides(world))
    return prepare(config.data, config.fov, [], "train", 40)


@pytest.mark.parametrize("nearby", [1, 3, 8, 100])
def test_an_epoch_is_every_query_once(scenes, nearby):
    every = Sampler(scenes, 40, with_positives=False, nearby=nearby)
    order = every.epoch(np.random.default_rng(0))
    expected = [(i, q) for i, s in enumerate(scenes) for q in range(len(s.candidates))]
    assert len(every) == 40 and sorted(map(tuple, order.tolist())) == expected
    assert (order != every.epoch(np.random.default_rng(1))).any()
    np.testing.assert_array_equal(order, every.epoch(np.random.default_rng(0)))


def test_queries_with_positives_among_those_re_ranked(scenes):
    random = np.random.default_rng(0)
    few = [replace(s, labels=random.random(s.labels.shape) < 0.1) for s in scenes]
    some = Sampler(few, 5, with_positives=True, nearby=1)
    expected = [(i, q) for i, s in enumerate(few)
                for q in np.flatnonzero(s.labels[:, :5].any(1))]  # fmt: skip
    assert sorted(map(tuple, some.epoch(np.random.default_rng(0)).tolist())) == expected
    assert 0 < len(some) < sum(s.labels.any(1).sum() for s in few)


def test_groups_lie_near_each_other(scenes):
    positions = np.random.default_rng(0).uniform(0, 1000, (400, 2))
    city = replace(scenes[0], labels=np.ones((400, 40), bool), truth=Truth(positions))

    def spread(nearby):
        sampler = Sampler([city], 40, with_positives=False, nearby=nearby)
        places = positions[sampler.epoch(np.random.default_rng(3))[:, 1]].reshape(-1, 8, 2)
        return np.linalg.norm(places - places.mean(1, keepdims=True), axis=2).mean()

    assert spread(8) < 0.35 * spread(1)


def test_unknown_positions_come_last():
    positions = np.random.default_rng(0).normal(size=(50, 2))
    positions[7] = positions[20] = np.nan
    order = _along(positions, 4)
    assert sorted(order) == list(range(50)) and set(order[-2:]) == {7, 20}
    assert list(_along(np.full((3, 2), np.nan), 2)) == [0, 1, 2]
