"""Pose errors, recalls and robust means, against 4 x 4 matrices, SciPy's optimisers and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from gcsa.errors import InputError
from gcsa.localization.poses import (
    Poses,
    best_pose,
    cdf,
    cdf_at,
    mean_pose,
    pose_errors,
    pose_recall,
    weigh,
)

SEEDS = st.integers(0, 10**6)


def random_poses(seed, shape=6):
    random = np.random.default_rng(seed)
    shape = (shape,) if isinstance(shape, int) else shape
    count = int(np.prod(shape))
    rotations = Rotation.from_quat(random.normal(size=(count, 4))).as_matrix()
    return Poses(rotations.reshape(*shape, 3, 3), random.normal(scale=5, size=(*shape, 3)))


def matrices(poses):
    result = np.tile(np.eye(4), (*poses.known.shape, 1, 1))
    result[..., :3, :3], result[..., :3, 3] = poses.rotations, poses.positions
    return result


@given(SEEDS)
def test_algebra_of_poses(seed):
    a, b = random_poses(seed), random_poses(seed + 1)
    np.testing.assert_allclose(matrices(a @ b), matrices(a) @ matrices(b), atol=1e-12)
    np.testing.assert_allclose(matrices(a.inverse()), np.linalg.inv(matrices(a)), atol=1e-9)
    back = Poses.from_quaternions(a.quaternions() * 1.7, a.positions)
    np.testing.assert_allclose(matrices(back), matrices(a), atol=1e-12)


def test_quaternions_are_wxyz():
    quarter = Poses.from_quaternions([[np.sqrt(0.5), 0, 0, np.sqrt(0.5)]], [[1.0, 2, 3]])
    np.testing.assert_allclose(quarter.rotations[0], [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-15)
    np.testing.assert_allclose(quarter.quaternions(), [[np.sqrt(0.5), 0, 0, np.sqrt(0.5)]])
    with pytest.raises(InputError, match="quaternion 0"):
        Poses.from_quaternions([[0.0, 0, 0, 0]], [[1.0, 2, 3]])
    half = Poses.from_quaternions([[1.0, 0, 0, 0], [np.nan] * 4], np.ones((2, 3)))
    assert half.known.tolist() == [True, False]
    assert np.isnan(half.quaternions()).all(axis=1).tolist() == [False, True]


@given(SEEDS)
def test_errors_are_those_of_the_relative_matrix(seed):
    true, estimated = random_poses(seed), random_poses(seed + 1)
    relative = np.linalg.inv(matrices(estimated)) @ matrices(true)
    rotation, translation = pose_errors(estimated, true)
    cosine = (np.trace(relative[:, :3, :3], axis1=1, axis2=2) - 1) / 2
    np.testing.assert_allclose(np.cos(np.deg2rad(rotation)), cosine, atol=1e-9)
    np.testing.assert_allclose(translation, np.linalg.norm(relative[:, :3, 3], axis=1))
    np.testing.assert_allclose(pose_errors(true, true)[0], 0, atol=1e-5)


def test_a_missing_estimate_is_infinitely_wrong():
    true = random_poses(0, 2)
    estimated = Poses(true.rotations.copy(), true.positions.copy())
    estimated.positions[1] = np.nan
    rotation, translation = pose_errors(estimated, true)
    assert np.isinf([rotation[1], translation[1]]).all() and translation[0] == 0
    with pytest.raises(InputError, match="pose 1 of the truth is missing"):
        pose_errors(true, estimated)


def test_recall_is_strict():
    rotation = np.array([0.5, 1.0, 0.5, 4.9, 5.0, 0.0, np.inf])
    translation = np.array([0.05, 0.05, 0.1, 0.9, 0.5, 1.0, np.inf])
    assert pose_recall(rotation, translation) == [1 / 7, 4 / 7]
    assert np.isnan(pose_recall(rotation[:0], translation[:0])).all()


def test_cumulative_distribution():
    errors = np.array([3.0, 0.25, np.inf, 1.0])
    x, share = cdf(errors)
    assert x.tolist() == [0.25, 1, 3] and share.tolist() == [0.25, 0.5, 0.75]
    assert cdf_at(errors, (0.2, 0.25, 1, 10)) == [0, 0.25, 0.5, 0.75]
    assert np.isnan(cdf_at(errors[:0])).all()


def test_best_pose():
    proposals = random_poses(1, (4, 3))
    proposals.positions[1, 0] = np.nan
    proposals.positions[2] = np.nan
    scores = np.array([[0.1, 0.5, 0.5], [0.9, -np.inf, -np.inf], [1, 2, 3], [3, 2, 1.0]])
    best = best_pose(proposals, scores)
    np.testing.assert_array_equal(best.positions[0], proposals.positions[0, 1])
    np.testing.assert_array_equal(best.positions[1], proposals.positions[1, 1])
    np.testing.assert_array_equal(best.rotations[3], proposals.rotations[3, 0])
    assert best.known.tolist() == [True, True, False, True]
    assert not best_pose(proposals[:, :0], scores[:, :0]).known.any()


def test_weights():
    scores = np.array([[0.9, 0.7, 0.5, -np.inf], [-np.inf] * 4, [0.5, 0.5, 0.5, 0.1]])
    known = np.array([[True] * 4, [True, True, False, False], [True, True, True, False]])
    weights = weigh(scores, known)
    deviation = 2 * np.std([0.9, 0.7, 0.5])
    np.testing.assert_allclose(
        weights[0], [1, np.exp(-0.2 / deviation), np.exp(-0.4 / deviation), 0]
    )
    assert weights[1].tolist() == [1, 1, 0, 0] and weights[2].tolist() == [1, 1, 1, 0]
    np.testing.assert_allclose(weigh(7 * scores + 3, known), weights)


def single(positions, rotations=None):
    positions = np.array(positions, dtype=float)
    rotations = np.tile(np.eye(3), (len(positions), 1, 1)) if rotations is None else rotations
    return Poses(rotations[None], positions[None])


def test_mean_of_equal_poses_is_the_pose():
    one = random_poses(2, 1)
    many = Poses(np.repeat(one.rotations[None], 5, 1), np.repeat(one.positions[None], 5, 1))
    mean = mean_pose(many, np.arange(5.0)[None])
    np.testing.assert_allclose(matrices(mean), matrices(one), atol=1e-9)


@given(SEEDS)
def test_position_is_the_geometric_median_of_the_cluster(seed):
    random = np.random.default_rng(seed)
    positions = random.uniform(-0.8, 0.8, size=(6, 3))  # all within 3 m of each other
    scores = random.uniform(size=6)
    weights = weigh(scores[None], np.ones((1, 6), dtype=bool))[0]

    def cost(p):
        return (weights * np.linalg.norm(positions - p, axis=1)).sum()

    mean = mean_pose(single(positions), scores[None]).positions[0]
    others = [minimize(cost, start, method="Nelder-Mead").fun for start in positions]
    assert cost(mean) <= min(others) + 1e-3


def test_a_far_cluster_is_left_out():
    positions = [[0, 0, 0], [30, 0, 0], [30.2, 0, 0], [29.8, 0, 0], [30, 0.1, 0]]
    mean = mean_pose(single(positions), np.array([[0.6, 0.59, 0.58, 0.57, 0.56]]))
    assert np.linalg.norm(mean.positions[0] - [30, 0, 0]) < 0.3
    np.testing.assert_allclose(
        mean_pose(single(positions[:2]), np.array([[0.6, 0.5]])).positions[0], 0, atol=1e-9
    )


@pytest.mark.parametrize("seed", range(5))
def test_rotation_minimises_the_chordal_distance(seed):
    random = np.random.default_rng(seed)
    rotations = Rotation.from_rotvec(random.normal(scale=0.7, size=(5, 3))).as_matrix()
    scores = random.uniform(size=5)
    weights = weigh(scores[None], np.ones((1, 5), dtype=bool))[0]

    def cost(vector):
        apart = rotations - Rotation.from_rotvec(vector).as_matrix()
        return (weights * (apart**2).sum(axis=(1, 2))).sum()

    mean = mean_pose(single(np.zeros((5, 3)), rotations), scores[None]).rotations[0]
    assert np.linalg.det(mean) == pytest.approx(1)
    best = min(minimize(cost, random.normal(size=3)).fun for _ in range(5))
    assert cost(Rotation.from_matrix(mean).as_rotvec()) <= best + 1e-6


def test_mean_of_half_turns_is_a_rotation():
    """The sum of the half turns about three axes mirrors; the nearest rotation does not."""
    turns = np.stack([np.diag([1.0, -1, -1]), np.diag([-1.0, 1, -1]), np.diag([-1.0, -1, 1])])
    mean = mean_pose(single(np.zeros((3, 3)), turns), np.array([[0.8, 0.79, 0.7]])).rotations[0]
    assert np.linalg.det(mean) == pytest.approx(1)
    np.testing.assert_allclose(mean, turns[0], atol=1e-9)


def test_missing_proposals_change_nothing():
    proposals, scores = random_poses(4, (2, 5)), np.random.default_rng(0).uniform(size=(2, 5))
    padded = Poses.missing((2, 8))
    padded.rotations[:, :5], padded.positions[:, :5] = proposals.rotations, proposals.positions
    more = np.concatenate([scores, np.full((2, 3), 5.0)], axis=1)
    np.testing.assert_allclose(
        matrices(mean_pose(padded, more)), matrices(mean_pose(proposals, scores)), atol=1e-12
    )
    assert not mean_pose(Poses.missing((2, 3)), scores[:, :3]).known.any()
    assert not mean_pose(proposals[:, :0], scores[:, :0]).known.any()
