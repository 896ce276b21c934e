"""Evidence against closed forms and loops; what is missing or wrong does no harm."""

import math

import numpy as np
import pytest

from gcsa.sideinfo import evidence
from gcsa.sideinfo.evidence import Table


@pytest.fixture
def random():
    return np.random.default_rng(0)


def test_compass_is_a_density_against_the_uniform_one():
    turns = np.linspace(-math.pi, math.pi, 20001)[None]
    for sigma, outliers in ((0.1, 0.05), (0.5, 0.3), (3.0, 0.0)):
        ratio = np.exp(evidence.compass(np.zeros(1), turns, sigma, outliers))
        assert np.trapezoid(ratio, turns)[0] / (2 * math.pi) == pytest.approx(1, abs=1e-6)


def test_compass_wraps_around_north():
    query, others = np.array([0.05]), np.array([[2 * math.pi - 0.05, 0.15, -0.05]])
    found = evidence.compass(query, others, 0.2, 0.1)
    assert np.allclose(found, found[0, 0])


def test_a_compass_turned_by_half_a_turn_costs_no_more_than_its_share_of_outliers():
    found = evidence.compass(np.array([0.0]), np.array([[math.pi, 0.0]]), math.radians(12), 0.1)
    assert found[0, 0] == pytest.approx(math.log(0.1), abs=1e-9)
    assert found[0, 1] > 2


def test_position_matches_the_formula_and_survives_five_kilometres():
    place, area = np.array([[[0.0, 0.0], [300.0, 0.0]]]), 4e6
    sigma = 10 / evidence.ACCURACY_SIGMAS
    near = evidence.position(np.array([[5.0, 0.0]]), np.array([10.0]), place, 6.0, 0.05, area)
    variance = sigma**2 + 36
    density = math.exp(-0.5 * 25 / variance) / (2 * math.pi * variance)
    assert near[0, 0] == pytest.approx(math.log(0.05 + 0.95 * area * density))
    far = evidence.position(np.array([[5000.0, 0.0]]), np.array([10.0]), place, 6.0, 0.05, area)
    assert far == pytest.approx(math.log(0.05), abs=1e-9)


def test_accuracy_holds_68_percent(random):
    errors = random.normal(0, evidence.device_sigma(np.array(10.0)), (200_000, 2))
    assert np.mean(np.hypot(*errors.T) <= 10) == pytest.approx(0.68, abs=0.005)


def test_what_is_unknown_adds_exactly_nothing(random):
    valid = np.ones((3, 5), bool)
    similarity = random.random((3, 5))
    looks = evidence.looks(similarity, valid, 30.0)
    nothing = np.full((3, 5), np.nan)
    unknown = [
        evidence.compass(np.full(3, np.nan), random.random((3, 5)), 0.2, 0.1),
        evidence.compass(random.random(3), nothing, 0.2, 0.1),
        evidence.position(np.full((3, 2), np.nan), np.ones(3), np.zeros((3, 5, 2)), 6, 0.05, 1e6),
        evidence.position(np.zeros((3, 2)), np.ones(3), np.full((3, 5, 2), np.nan), 6, 0.05, 1e6),
        evidence.tabulated(nothing, Table(np.array([0.0, 1.0]), np.array([-1.0, 1.0]))),
        evidence.density(nothing, 1.0),
    ]
    for kind in unknown:
        assert (kind == 0).all()
    alone = evidence.total([looks], valid)
    assert alone.tobytes() == evidence.total([looks, *unknown], valid).tobytes()


def test_padding_changes_no_evidence(random):
    similarity = random.random((2, 4))
    valid = np.array([[True] * 4, [True, True, False, False]])
    other = np.where(valid, similarity, -np.inf)
    a, b = (evidence.looks(s, valid, 20.0) for s in (similarity, other))
    assert (a == b).all() and (a[~valid] == 0).all()
    assert np.isneginf(evidence.total([a], valid)[~valid]).all()


def test_looks_is_linear_and_of_mean_zero():
    found = evidence.looks(np.array([[0.5, 0.3, 0.1]]), np.ones((1, 3), bool), 10.0)
    assert np.allclose(found, [[2.0, 0.0, -2.0]])


def test_tabulated_interpolates_and_stays_constant_outside():
    table = Table(np.array([0.0, 1.0]), np.array([-2.0, 2.0]))
    found = evidence.tabulated(np.array([[-1.0, 0.25, 3.0]]), table)
    assert np.allclose(found, [[-2.0, -1.0, 2.0]])


def test_density_counts_photos_or_places():
    photos = np.array([[1.0, 10.0]])
    assert (evidence.density(photos, 0.0) == 0).all()
    assert np.allclose(np.exp(evidence.density(photos, 1.0)), [[1.0, 0.1]])


def test_rows_of_padding_are_unknown():
    found = evidence.of_rows(np.arange(6.0).reshape(3, 2), np.array([[2, -1]]))
    assert found[0, 0].tolist() == [4, 5] and np.isnan(found[0, 1]).all()
