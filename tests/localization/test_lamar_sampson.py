"""Sampson error against its definition: the nearest consistent pair of points, and simulations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from gcsa.localization.sampson import (
    SampsonConfig,
    essential,
    in_front,
    pair_score,
    relative_pose,
    sampson_error,
)


def two_views(seed, points=40, baseline=1.0):
    """Exact rays of points seen by two cameras, and their relative pose."""
    random = np.random.default_rng(seed)
    rotations = Rotation.from_rotvec(random.uniform(-0.3, 0.3, size=(2, 3))).as_matrix()
    positions = np.stack([np.zeros(3), random.normal(size=3)])
    positions[1] *= baseline / np.linalg.norm(positions[1])
    world = random.uniform([-3, -3, 5], [3, 3, 12], size=(points, 3))
    rays = []
    for rotation, position in zip(rotations, positions, strict=True):
        camera = (world - position) @ rotation
        rays.append(camera[:, :2] / camera[:, 2:])
    return *rays, *relative_pose(rotations[0], positions[0], rotations[1], positions[1])


@given(st.integers(0, 10**6), st.sampled_from([0.01, 1.0, 3.0]))
def test_true_matches_have_no_error(seed, baseline):
    a, b, rotation, translation = two_views(seed, baseline=baseline)
    assert sampson_error(a, b, rotation, translation).max() < 1e-12
    assert in_front(a, b, rotation, translation, 0.0).all()


@given(st.integers(0, 10**6))
def test_which_image_comes_first_does_not_matter(seed):
    a, b, rotation, translation = two_views(seed)
    b = b + np.random.default_rng(seed).normal(scale=0.01, size=b.shape)
    np.testing.assert_allclose(
        sampson_error(a, b, rotation, translation),
        sampson_error(b, a, rotation.T, -rotation.T @ translation),
        rtol=1e-6,
        atol=1e-12,
    )


@pytest.mark.parametrize("seed", range(5))
def test_distance_to_the_nearest_consistent_pair(seed):
    """The geometric error, by a general optimiser with the epipolar constraint, to first order."""
    a, b, rotation, translation = two_views(seed, points=3)
    b = b + np.random.default_rng(seed).normal(scale=1e-3, size=b.shape)
    matrix = essential(rotation, translation)

    def constraint(x):
        return 1e3 * np.append(x[2:], 1) @ matrix @ np.append(x[:2], 1)

    for i, error in enumerate(sampson_error(a, b, rotation, translation)):
        start = np.concatenate([a[i], b[i]])
        nearest = minimize(
            lambda x, start=start: 1e6 * ((x - start) ** 2).sum(),
            start,
            constraints={"type": "eq", "fun": constraint},
            method="SLSQP",
            options={"ftol": 1e-14},
        )
        assert error == pytest.approx(np.linalg.norm(nearest.x - start), rel=0.02, abs=1e-8)


def test_sideways_motion_by_hand():
    """Baseline along x: epipolar lines are the rows; the error is |v_a - v_b| / sqrt 2."""
    a, b = np.array([[0.1, 0.2]]), np.array([[-0.3, 0.23]])
    error = sampson_error(a, b, np.eye(3), np.array([-2.0, 0, 0]))
    np.testing.assert_allclose(error, 0.03 / np.sqrt(2))


def test_without_a_baseline_the_turn_decides():
    turn = Rotation.from_euler("y", 10, degrees=True).as_matrix()
    a = np.array([[0.0, 0.0], [0.2, -0.1], [0.2, -0.1]])
    b = np.column_stack([a, np.ones(3)]) @ turn.T
    b = b[:, :2] / b[:, 2:]
    b[2] += 0.5
    for baseline in (0, 1e-5):
        error = sampson_error(a, b, turn, np.array([baseline, 0, 0]))
        assert error[:2].max() < 1e-12 and error[2] > 0.3
    shifted = sampson_error(np.zeros((1, 2)), np.array([[3e-3, 4e-3]]), np.eye(3), np.zeros(3))
    np.testing.assert_allclose(shifted, 5e-3 / np.sqrt(2))
    behind = sampson_error(a, b, turn @ np.diag([-1, 1, -1]), np.zeros(3))
    assert (
        np.isinf(behind).all() and not in_front(a, b, np.diag([-1, 1.0, -1]), np.zeros(3), 1).any()
    )


def test_a_match_that_meets_behind_the_cameras():
    # Camera b stands 1 m to the right of a; a point 5 m ahead appears further left in b.
    translation = np.array([-1.0, 0, 0])
    a = np.zeros((3, 2))
    b = np.array([[-0.2, 0], [0.2, 0], [1e-4, 0]])
    assert sampson_error(a, b, np.eye(3), translation).max() < 1e-12
    assert in_front(a, b, np.eye(3), translation, 1e-3).tolist() == [True, False, True]
    assert in_front(a, b, np.eye(3), translation, 0.0).tolist() == [True, False, False]
    # b stands 10 m ahead of a and looks the same way: a point between them is behind b alone,
    # and seen from b one beside it is behind a alone when the two change places.
    ahead, between = np.array([0, 0, -10.0]), np.array([[0.2, 0.0]])
    seen = np.array([[0.2 * 5 / -5, 0.0]])
    assert sampson_error(between, seen, np.eye(3), ahead)[0] < 1e-12
    assert not in_front(between, seen, np.eye(3), ahead, 0.0).any()
    assert not in_front(seen, between, np.eye(3), -ahead, 0.0).any()


def test_score_by_hand():
    config = SampsonConfig(threshold=4, min_matches=3)
    translation, focal = np.array([-1.0, 0, 0]), 500.0
    errors = np.array([0, 2.0, 3.0, 4.0, 100.0, np.nan])
    a = np.zeros((6, 2))
    b = np.column_stack([np.full(6, -0.2), errors * np.sqrt(2) / focal])
    expected = 1 + (1 - 4 / 16) + (1 - 9 / 16)
    assert pair_score(a, b, np.eye(3), translation, focal, config) == pytest.approx(expected)
    config.min_matches = 4
    assert pair_score(a, b, np.eye(3), translation, focal, config) == 0
    b[:, 0] = 0.2  # all behind
    config.min_matches = 1
    assert pair_score(a, b, np.eye(3), translation, focal, config) == 0
    assert pair_score(a[:0], b[:0], np.eye(3), translation, focal, config) == 0


def test_random_matches_score_little():
    a, b, rotation, translation = two_views(3, points=200)
    config = SampsonConfig()
    good = pair_score(a, b, rotation, translation, 500, config)
    shuffled = pair_score(a, np.roll(b, 1, axis=0), rotation, translation, 500, config)
    assert good == pytest.approx(200) and shuffled < 20
