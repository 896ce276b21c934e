"""Kernels against Monte Carlo and loops."""

import math

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from gcsa.places import kernels as relevance
from gcsa.places.kernels import Discs, Distance, Hypotheses, Pairs, Places, Pose, SamePlace


@pytest.fixture
def random():
    return np.random.default_rng(0)


def standing(places, rows, spread=6.0, turn=0.3):
    """Hypotheses at the first candidates of lists ``rows`` (B, N)."""
    rows = torch.as_tensor(rows)
    at, like = rows.clamp(min=0), torch.zeros(rows.shape)
    column = torch.arange(rows.shape[1]).expand_as(rows)
    return Hypotheses(
        column, rows, places.positions[at], like + spread, places.headings[at], like + turn
    )


@pytest.mark.parametrize("spread", [0.5, 6.0, 40.0])
def test_disc_is_the_share_of_random_positions(random, spread):
    for distance in (0.0, 10.0, 25.0, 60.0):
        points = random.normal(0, spread, (200_000, 2)) + [distance, 0]
        share = np.mean(np.hypot(*points.T) <= 25)
        assert relevance.disc(distance, spread, 25.0) == pytest.approx(share, abs=0.005)


def test_the_table_follows_the_closed_form(random):
    distance = random.uniform(0, 120, (2, 7, 50))
    spread = np.exp(random.uniform(np.log(0.2), np.log(80), (2, 7)))
    found = Discs(25.0)(torch.tensor(distance), torch.tensor(spread)).numpy()
    for index in np.ndindex(found.shape):
        exact = relevance.disc(distance[index], spread[index[:2]], 25.0)
        # Spreads are rounded by 1.5 %.
        assert found[index] == pytest.approx(exact, abs=0.012)


def test_distance_in_coordinates_of_a_grid_zone(random):
    positions = random.uniform(0, 80, (30, 2)) + [348_000, 6_174_000]
    places = Places.of(positions)
    rows = np.arange(30)[None]
    found = Distance(places, Discs(25.0))(standing(places, rows), torch.tensor(rows))[0].numpy()
    away = np.hypot(*(positions[:, None] - positions).transpose(2, 0, 1))
    assert np.abs(found - relevance.disc(away, 6.0, 25.0)).max() < 0.012


def test_pose_is_the_share_of_random_poses(random):
    positions, headings = np.array([[0.0, 0], [8.0, 0], [3.0, 2.0]]), np.radians([0.0, 350, 90])
    places, rows = Places.of(positions, headings), np.array([[0, 1, 2]])
    kernel = Pose(places, Discs(10.0), math.radians(45))
    found = kernel(standing(places, rows, 4.0, 0.4), torch.tensor(rows))[0].numpy()
    for i, j in np.ndindex(3, 3):
        points = random.normal(0, 4, (100_000, 2)) + positions[i] - positions[j]
        turn = random.normal(0, 0.4, 100_000) + headings[i] - headings[j]
        right = (np.hypot(*points.T) <= 10) & (np.abs(np.angle(np.exp(1j * turn))) <= np.pi / 4)
        assert found[i, j] == pytest.approx(right.mean(), abs=0.01)


def test_an_unknown_pose_is_a_place_of_its_own():
    positions = np.array([[0.0, 0.0], [np.nan, np.nan], [np.nan, np.nan], [1.0, 0.0]])
    places, rows = Places.of(positions), np.array([[0, 1, 2, 3]])
    found = Distance(places, Discs(25.0))(standing(places, rows), torch.tensor(rows))[0].numpy()
    assert np.allclose(found[1], [0, found[1, 1], 0, 0]) and found[1, 1] > 0.99
    assert np.allclose(found[0, 1:3], 0) and found[0, 3] > 0.99
    turned = Places.of(np.zeros((2, 2)), np.array([0.0, np.nan]))
    assert turned.known.tolist() == [True, False]


@pytest.mark.parametrize("limit", [0, relevance.DENSE])
def test_pairs_are_looked_up(random, monkeypatch, limit):
    monkeypatch.setattr(relevance, "DENSE", limit)
    dense = random.random((9, 9)) * (random.random((9, 9)) < 0.4)
    rows = np.array([[3, 8, 0, -1], [1, 2, 3, 4]])
    places = Places.of(np.zeros((9, 2)))
    found = Pairs.of(csr_array(dense))(standing(places, rows), torch.tensor(rows)).numpy()
    for b, h, n in np.ndindex(found.shape):
        i, j = rows[b, h], rows[b, n]
        if min(i, j) >= 0:
            assert found[b, h, n] == pytest.approx(dense[i, j] or float(i == j))


def test_a_block_of_pairs_needs_no_memory_of_the_database():
    nothing = torch.zeros(1, dtype=torch.int64)
    pairs = Pairs(nothing.expand(10**12), nothing, torch.zeros(1), None)  # no machine holds these
    rows = torch.tensor([[10**11, 3, -1], [5, 0, 2]])
    found = pairs(standing(Places.of(np.zeros((9, 2))), rows.clamp(max=8)), rows)
    assert found.shape == (2, 3, 3) and not found.any()


def test_same_place_and_identity():
    places = Places.of(np.zeros((4, 2)))
    rows = torch.tensor([[0, 1, 3, -1]])
    found = SamePlace(torch.tensor([5, 5, 7, 7]))(standing(places, rows), rows)[0]
    assert found[:3, :3].tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]] and found[:, 3].sum() == 0
    assert relevance.identity(standing(places, rows), rows)[0].tolist() == torch.eye(4).tolist()


def test_near_is_the_kernel_of_all_pairs(random):
    positions = random.uniform(0, 100, (40, 2))
    positions[7] = np.nan
    away = np.hypot(*(positions[:, None] - positions).transpose(2, 0, 1))
    expected = np.nan_to_num(relevance.disc(away, 6.0, 25.0))
    expected[7, 7] = relevance.disc(0.0, 6.0, 25.0)
    found = relevance.near(positions, 6.0, 25.0).toarray()
    assert np.abs(found - expected).max() < 1e-4


def test_overlap_kernel_keeps_the_pattern(random):
    overlaps = csr_array(np.array([[1.0, 0.3], [0.3, 1.0]]))
    found = relevance.overlap_kernel(overlaps, np.array([0, 0.3, 1]), np.array([0, 0.4, 1]))
    assert np.allclose(found.toarray(), [[1, 0.4], [0.4, 1]])
