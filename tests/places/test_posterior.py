"""The posterior and its rankings against loops, brute force and wrong sensors."""

import itertools
import math

import numpy as np
import pytest
import torch

from gcsa.places import kernels as relevance
from gcsa.places import posterior
from gcsa.places.kernels import Discs, Distance, Places
from gcsa.places.posterior import Observed, RankingConfig, Spread
from gcsa.sideinfo import evidence

DISCS = Discs(25.0)
EXACT = RankingConfig(cut=0.0, most=1000)


def scene(queries=6, n=60, N=20, seed=0):
    """Positions of a database, lists of it, and evidence."""
    random = np.random.default_rng(seed)
    positions = random.uniform(0, 200, (n, 2))
    rows = np.stack([random.permutation(n)[:N] for _ in range(queries)])
    return positions, rows, random.normal(0, 3, (queries, N))


def ranked(positions, rows, logits, config=EXACT, none=0.5, observed=None):
    places = Places.of(positions)
    kernel = Distance(places, DISCS)
    return posterior.posterior(logits, rows, none, kernel, places, Spread(6.0), observed, config)


def exact(positions, rows, logits, none=0.5):
    """p (Q, N) and K (Q, N, N), [i, j], by the formulas."""
    weight = np.exp(logits)
    chance = weight / (weight.sum(1, keepdims=True) + math.exp(none))
    at = positions[rows]
    away = np.hypot(*(at[:, :, None] - at[:, None]).transpose(3, 0, 1, 2))
    return chance, relevance.disc(away, 6.0, 25.0)


def test_relevance_is_the_sum_of_the_formula():
    positions, rows, logits = scene()
    found = ranked(positions, rows, logits)
    chance, kernel = exact(positions, rows, logits)
    expected = np.einsum("qi,qij->qj", chance, kernel)
    assert np.abs(found.probability - chance).max() < 1e-6
    assert np.abs(found.none - (1 - chance.sum(1))).max() < 1e-6
    assert np.abs(found.scores - expected).max() < 0.01
    falling = np.take_along_axis(found.scores, found.order, 1)
    assert (np.diff(falling, axis=1) <= 0).all()
    assert np.allclose(found.confidence, found.scores.max(1))


def test_the_cut_changes_little():
    positions, rows, logits = scene()
    whole, cut = (ranked(positions, rows, logits, c) for c in (EXACT, RankingConfig()))
    assert np.abs(whole.scores - cut.scores).max() < 0.01


@pytest.mark.parametrize("precision", [1.0, 0.5, 0.0])
def test_permuted_candidates_permute_the_answer(precision):
    positions, rows, logits = scene()
    config = RankingConfig(precision=precision)
    columns = np.random.default_rng(1).permutation(rows.shape[1])
    found = ranked(positions, rows, logits, config)
    moved = ranked(positions, rows[:, columns], logits[:, columns], config)
    assert (moved.scores == found.scores[:, columns]).all()
    assert (columns[moved.order] == found.order).all()
    assert (columns[moved.best] == found.best).all()
    assert np.array_equal(moved.position, found.position)


@pytest.mark.parametrize("precision", [1.0, 0.0])
def test_padding_never_matters(precision):
    positions, rows, logits = scene()
    config = RankingConfig(precision=precision)
    short = ranked(positions, rows, logits, config)
    padded = ranked(
        positions,
        np.pad(rows, ((0, 0), (0, 5)), constant_values=-1),
        np.pad(logits, ((0, 0), (0, 5)), constant_values=-np.inf),
        config,
    )
    count = rows.shape[1]
    assert (padded.order[:, :count] == short.order).all()
    assert (padded.order[:, count:] >= count).all()
    assert np.allclose(padded.scores[:, :count], short.scores, atol=1e-6)
    assert (padded.scores[:, count:] == 0).all()
    assert np.allclose(padded.position, short.position) and np.allclose(padded.radius, short.radius)


def covered(chance, kernel, chosen):
    return float((chance * (1 - np.prod(1 - kernel[:, list(chosen)], axis=1))).sum())


def test_greedy_is_the_greedy_of_a_loop_and_within_its_bound():
    positions, rows, logits = scene(queries=4, N=10)
    found = ranked(positions, rows, logits, RankingConfig(precision=0, cut=0.0, most=1000))
    chance, kernel = exact(positions, rows, logits)
    for q in range(len(rows)):
        chosen = []
        for rank in range(4):
            gains = [covered(chance[q], kernel[q], [*chosen, j]) for j in range(10)]
            mine = covered(chance[q], kernel[q], [*chosen, found.order[q, rank]])
            assert mine == pytest.approx(max(gains), abs=0.01)
            chosen.append(int(found.order[q, rank]))
        best = max(covered(chance[q], kernel[q], c) for c in itertools.combinations(range(10), 4))
        assert covered(chance[q], kernel[q], chosen) >= (1 - 1 / math.e) * best


def test_a_weight_between_mixes_both_objectives():
    positions, rows, logits = scene(queries=3, N=12)
    found = ranked(positions, rows, logits, RankingConfig(precision=0.4, cut=0.0, most=1000))
    chance, kernel = exact(positions, rows, logits)
    for q in range(len(rows)):
        left = chance[q].copy()
        for rank in range(5):
            gain = 0.4 * chance[q] @ kernel[q] + 0.6 * left @ kernel[q]
            gain[found.order[q, :rank]] = -1
            assert gain[found.order[q, rank]] == pytest.approx(gain.max(), abs=0.01)
            left *= 1 - kernel[q][:, found.order[q, rank]]


def test_none_of_these_takes_confidence():
    positions, rows, logits = scene()
    sure, unsure = (ranked(positions, rows, logits, none=none) for none in (-5.0, 8.0))
    assert (sure.confidence > unsure.confidence).all() and (unsure.none > sure.none).all()
    assert (sure.order == unsure.order).all()


def test_the_answer_stands_on_the_mass_and_its_radius_holds_the_share():
    positions = np.array([[0.0, 0.0], [4.0, 0.0], [150.0, 0.0]]) + 6e6
    logits = np.log([[0.45, 0.35, 0.2]])
    found = ranked(positions, np.array([[0, 1, 2]]), logits, none=-20.0)
    offset = found.position[0] - 6e6
    assert 0 < offset[0] < 4 and abs(offset[1]) < 0.1
    random = np.random.default_rng(0)
    which = random.choice(3, 100_000, p=[0.45, 0.35, 0.2])
    points = positions[which] + random.normal(0, 6, (100_000, 2))
    held = np.mean(np.hypot(*(points - found.position[0]).T) <= found.radius[0])
    assert held == pytest.approx(0.68, abs=0.08)


def test_a_device_position_moves_the_query_between_reading_and_photo():
    positions = np.array([[0.0, 0.0], [30.0, 0.0], [60.0, 0.0]])
    # The frame of the places has its origin in the median photo.
    observed = Observed(torch.tensor([[-10.0, 0.0]]), torch.tensor([3.0]), torch.ones(1, 3))
    found = ranked(positions, np.array([[0, 1, 2]]), np.array([[9.0, 0, 0]]), observed=observed)
    assert found.position[0, 0] == pytest.approx(20 * 36 / 45, abs=0.2)
    assert found.radius[0] < 6


def test_wrong_sensors_are_survived():
    random = np.random.default_rng(2)
    positions = random.uniform(0, 400, (50, 2))
    rows = np.arange(50)[None]
    similarity = np.full((1, 50), 0.1)
    similarity[0, 17] = 0.6
    valid, headings = rows >= 0, np.zeros((1, 50))
    looks = evidence.looks(similarity, valid, 25.0)
    turned = evidence.compass(np.array([math.pi]), headings, 0.2, 0.1)
    wrong = evidence.position(
        np.array([[5000.0, 0]]), np.array([10.0]), positions[rows], 6.0, 0.05, 1.6e5
    )
    plain = ranked(positions, rows, evidence.total([looks], valid))
    for kinds in ([looks, turned], [looks, wrong], [looks, turned, wrong]):
        found = ranked(positions, rows, evidence.total(kinds, valid))
        assert found.best[0] == plain.best[0] and found.order[0, 0] == plain.order[0, 0]
        assert np.allclose(found.position, plain.position, atol=0.5)


def test_without_places_the_identity_keeps_the_order_of_the_evidence():
    _, rows, logits = scene()
    found = posterior.posterior(logits, rows, 0.0, relevance.identity)
    assert (found.order == np.argsort(-logits, axis=1)).all()
    assert np.isnan(found.position).all()


def test_unknown_positions_rank_by_their_own_evidence():
    positions, rows, logits = scene()
    found = ranked(np.full_like(positions, np.nan), rows, logits)
    assert (found.order == np.argsort(-logits, axis=1)).all()
    assert np.isnan(found.position).all()


def test_a_weight_outside_the_scale_is_refused():
    with pytest.raises(ValueError, match="precision"):
        RankingConfig(precision=1.5)


def test_a_device_position_nobody_trusts_changes_nothing():
    positions, rows, logits = scene()
    count = len(rows)
    observed = Observed(
        torch.full((count, 2), torch.nan), torch.full((count,), torch.nan), torch.zeros(rows.shape)
    )
    config = RankingConfig()
    plain = ranked(positions, rows, logits, config)
    found = ranked(positions, rows, logits, config, observed=observed)
    assert np.array_equal(found.order, plain.order)
    assert np.allclose(found.scores, plain.scores, atol=1e-6)
    assert np.allclose(found.position, plain.position, atol=1e-3)
