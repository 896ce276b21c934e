"""The chain against enumeration of all ways through a few frames."""

import itertools

import numpy as np
import pytest

from gcsa.places import sequences
from gcsa.places.sequences import ChainConfig


def brute_force(evidence, none, positions, frame, config, last):
    """log p(candidate of frame ``last`` | the frames before it) up to a constant, (N,)."""
    N = evidence.shape[1]
    total = np.zeros(N)
    logits = np.hstack([evidence, np.full((len(evidence), 1), none)])
    for way in itertools.product(range(N + 1), repeat=last):
        for end in range(N):
            weight = np.prod([np.exp(logits[k, i]) for k, i in enumerate(way)])
            for k, (i, j) in enumerate(zip(way, (*way[1:], end), strict=True)):
                step = config.step * (frame[k + 1] - frame[k])
                weight *= link(positions[k], positions[k + 1], i, j, step, config.jumps, N)
            total[end] += weight
    return config.discount * np.log(total)


def link(before, after, i, j, step, jumps, N):
    """Of hidden states i to j; "none of these" (N) is reached and left by jumps."""
    if j == N or i == N:
        return jumps
    return jumps + np.exp(-0.5 * ((before[i] - after[j]) ** 2).sum() / step**2)


@pytest.mark.parametrize("discount", [1.0, 0.4])
def test_two_frames_are_exact(discount):
    random = np.random.default_rng(0)
    evidence, frame = random.normal(0, 2, (2, 4)), np.array([0, 2])
    positions = random.uniform(0, 60, (2, 4, 2))
    config = ChainConfig(discount=discount, online=True)
    found = sequences.chain(evidence, 0.3, positions, np.zeros(2, int), frame, config)
    expected = brute_force(evidence, 0.3, positions, frame, config, 1)
    assert (found[0] == 0).all()
    assert np.allclose(found[1] - found[1].mean(), expected - expected.mean())


def test_three_frames_without_none_are_exact_both_ways():
    random = np.random.default_rng(1)
    evidence, frame = random.normal(0, 2, (3, 4)), np.array([0, 1, 2])
    positions = random.uniform(0, 60, (3, 4, 2))
    config, none = ChainConfig(discount=0.5), -60.0
    found = sequences.chain(evidence, none, positions, np.zeros(3, int), frame, config)
    past = brute_force(evidence, none, positions, frame, config, 2)
    future = brute_force(evidence[::-1], none, positions[::-1], frame, config, 2)
    for row, expected in ((found[2], past), (found[0], future)):
        assert np.allclose(row - row.mean(), expected - expected.mean())


def test_padding_others_and_single_queries_are_left_alone():
    random = np.random.default_rng(2)
    evidence, positions = random.normal(0, 2, (5, 3)), random.uniform(0, 60, (5, 3, 2))
    sequence, frame = np.array([0, 1, 0, -1, -1]), np.array([0, 0, 1, 0, 1])
    found = sequences.chain(evidence, 0.0, positions, sequence, frame)
    assert (found[[1, 3, 4]] == 0).all() and (found[[0, 2]] != 0).any()
    padded = np.pad(evidence, ((0, 0), (0, 2)), constant_values=-np.inf)
    wider = np.pad(positions, ((0, 0), (0, 2), (0, 0)), constant_values=np.nan)
    again = sequences.chain(padded, 0.0, wider, sequence, frame)
    assert np.allclose(again[:, :3], found) and (again[:, 3:] == 0).all()


def test_an_online_answer_knows_no_future():
    random = np.random.default_rng(3)
    evidence, positions = random.normal(0, 2, (4, 3)), random.uniform(0, 60, (4, 3, 2))
    config, frame, one = ChainConfig(online=True), np.arange(4), np.zeros(4, int)
    found = sequences.chain(evidence, 0.0, positions, one, frame, config)
    changed = evidence.copy()
    changed[3] = random.normal(0, 2, 3)
    again = sequences.chain(changed, 0.0, positions, one, frame, config)
    assert (found == again).all()


def test_a_discount_of_one_frame_pulls_the_next_to_its_place():
    evidence = np.array([[6.0, 0.0], [0.0, 0.0]])
    positions = np.array([[[0.0, 0], [500, 0]], [[500.0, 0], [5, 0]]])
    found = sequences.chain(evidence, -9.0, positions, np.zeros(2, int), np.arange(2))
    assert found[1, 1] > found[1, 0] + 2
