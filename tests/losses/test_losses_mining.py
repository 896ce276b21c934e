"""Hard-negative mining against explicit loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gcsa.errors import InputError
from gcsa.losses import SARELoss, mining
from gcsa.losses.mining import MiningConfig, TupleMiner


def world(seed=0, queries=7, database=200, dim=6, extent=60.0):
    random = np.random.default_rng(seed)
    positions = random.uniform(0, extent, (queries, 2)), random.uniform(0, extent, (database, 2))
    features = random.normal(size=(queries, dim)), random.normal(size=(database, dim))
    return positions, tuple(torch.tensor(f, dtype=torch.float32) for f in features)


def looped(query, database, query_feature, features, config):
    """Positive and, were all of them drawn, hardest negatives of one query."""
    near, far = [], []
    for row, (place, feature) in enumerate(zip(database, features, strict=True)):
        metres = np.hypot(*(place - query))
        likeness = float(((feature - query_feature) ** 2).sum())
        if config.nearest < metres <= config.farthest:
            near.append((likeness, row))
        if metres > config.negative:
            far.append((likeness, row))
    rows = [row for _, row in sorted(far)[: config.negatives]]
    rows += [-1] * (config.negatives - len(rows))
    return min(near, default=(0, -1))[1], rows


@pytest.mark.parametrize("config", [MiningConfig(), MiningConfig(5, 8, 50, 1000, 40)])
def test_with_all_drawn_it_is_the_loops(config):
    (queries, database), (own, features) = world()
    miner = TupleMiner(queries, database, config, np.random.default_rng(0))
    rows = np.array([5, 0, 3, 6])
    found = miner.mine(rows, own, features)
    for place, row in enumerate(rows):
        positive, negatives = looped(queries[row], database, own[row], features, config)
        assert found.positives[place] == positive
        assert found.negatives[place].tolist() == negatives
    assert (found.queries == rows).all()
    assert found.negatives.shape == (4, config.negatives)


def test_blocks_change_nothing(monkeypatch):
    (queries, database), (own, features) = world(1)
    config = MiningConfig(draws=20, negatives=4)

    def mined():
        miner = TupleMiner(queries, database, config, np.random.default_rng(3))
        return miner.mine(np.arange(7), own, features)

    whole = mined()
    monkeypatch.setattr(mining, "CELLS", 2 * len(database))
    monkeypatch.setattr(mining, "NUMBERS", 30)
    parts = mined()
    assert (whole.positives == parts.positives).all()
    assert (whole.negatives == parts.negatives).all()


def test_the_cache_keeps_the_hardest_seen_so_far():
    (queries, database), (own, features) = world(2)
    config = MiningConfig(draws=8, negatives=5)
    miner = TupleMiner(queries, database, config, np.random.default_rng(0))
    # The same draws again, by hand.
    twin, seen = np.random.default_rng(0), [set() for _ in queries]
    metres = np.linalg.norm(queries[:, None] - database, axis=2)
    likeness = torch.cdist(own.double(), features.double()).numpy()
    for _ in range(6):
        found = miner.mine(np.arange(7), own, features)
        keys = twin.random(metres.shape, dtype=np.float32)
        for row in range(7):
            far = np.flatnonzero(metres[row] > 25)
            seen[row] |= set(far[np.argsort(keys[row, far])[:8]].tolist())
            expected = sorted(seen[row], key=lambda i: likeness[row, i])[:5]
            assert found.negatives[row].tolist() == expected
            seen[row] = set(expected)
    assert (miner.cache == found.negatives).all()


def test_features_that_move_are_compared_anew():
    (queries, database), (own, features) = world(3)
    config = MiningConfig(draws=300, negatives=3)
    miner = TupleMiner(queries, database, config, np.random.default_rng(0))
    miner.mine(np.arange(7), own, features)
    found = miner.mine(np.arange(7), -own, features)
    expected = [looped(q, database, f, features, config)[1]
                for q, f in zip(queries, -own, strict=True)]  # fmt: skip
    assert found.negatives.tolist() == expected


def test_draws_are_even_and_without_repeats():
    database = np.concatenate([np.full((10, 2), 100.0), np.zeros((5, 2))])
    config = MiningConfig(draws=4, negatives=4)
    counts = np.zeros(15)
    own, features = torch.zeros(400, 2), torch.zeros(15, 2)
    miner = TupleMiner(np.zeros((400, 2)), database, config, np.random.default_rng(0))
    negatives = miner.mine(np.arange(400), own, features).negatives
    assert all(len(set(row)) == 4 for row in negatives.tolist())
    np.add.at(counts, negatives, 1)
    assert (counts[10:] == 0).all()
    assert np.abs(counts[:10] - 160).max() < 50  # five standard deviations


def test_distances_on_the_border():
    """More than 1 m and at most 10 m; negatives farther than 25 m."""
    east = np.array([0.0, 1.0, 1.001, 10.0, 10.001, 25.0, 25.001])
    database = np.stack([east, np.zeros(7)], axis=1)
    features = torch.arange(7.0)[:, None]
    miner = TupleMiner(np.zeros((1, 2)), database, MiningConfig(), np.random.default_rng(0))
    at_ten = miner.mine(np.array([0]), torch.tensor([[9.0]]), features)
    assert at_ten.positives.tolist() == [3]
    at_one = miner.mine(np.array([0]), torch.tensor([[0.0]]), features)
    assert at_one.positives.tolist() == [2]
    assert at_one.negatives.tolist() == [[6] + [-1] * 9]


def test_unknown_positions_and_nothing_near_or_far():
    database = np.array([[0.0, 5.0, 0.0], [np.nan] * 3, [0.0, 0.0, 40.0]])
    queries = np.array([[0.0, 0.0, 0.0], [np.nan] * 3, [0.0, 20.0, 20.0]])
    miner = TupleMiner(queries, database, MiningConfig(negatives=2), np.random.default_rng(0))
    found = miner.mine(np.arange(3), torch.ones(3, 4), torch.ones(3, 4))
    assert found.positives.tolist() == [0, -1, -1]
    assert found.negatives[:2].tolist() == [[2, -1], [-1, -1]]
    assert sorted(found.negatives[2].tolist()) == [-1, 2]
    none = miner.mine(np.empty(0, dtype=np.int64), torch.ones(3, 4), torch.ones(3, 4))
    assert none.positives.shape == (0,) and none.negatives.shape == (0, 2)


def test_tuples_feed_the_loss():
    """The mined negatives are the loss's hardest: both see the same order."""
    (queries, database), (own, features) = world(4)
    own, features = (torch.nn.functional.normalize(f, dim=1) for f in (own, features))
    miner = TupleMiner(queries, database, MiningConfig(), np.random.default_rng(0))
    found = miner.mine(np.arange(7), own, features)
    rows = torch.from_numpy(np.column_stack([found.positives, found.negatives]))
    scores = (own[:, None] * features[rows]).sum(-1)
    labels = (torch.arange(11) == 0).expand(7, 11)
    assert (scores[:, 1:].diff(dim=1) <= 1e-6).all()
    assert torch.isfinite(SARELoss()(scores, labels, rows >= 0))


@pytest.mark.parametrize(
    ("config", "key"),
    [
        (MiningConfig(nearest=11), "mining.farthest"),
        (MiningConfig(negative=9), "mining.negative"),
        (MiningConfig(draws=0), "mining.draws"),
        (MiningConfig(negatives=0), "mining.negatives"),
    ],
)
def test_bad_settings_are_named(config, key):
    with pytest.raises(InputError, match=key):
        TupleMiner(np.zeros((1, 2)), np.zeros((1, 2)), config, np.random.default_rng(0))
