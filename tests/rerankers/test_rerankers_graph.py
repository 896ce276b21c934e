"""Diffusion and raw affinity features against NumPy, list by list."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reranker_scenes import (
    by_index,
    descriptors_of,
    first_round,
    list_block,
    make_scene,
    pad,
    random_scene,
)

from gcsa.errors import InputError
from gcsa.rerankers.diffusion import DiffusionConfig, diffusion
from gcsa.rerankers.raw_affinity import RawAffinityConfig, raw_affinity


def diffused(block, k, alpha, gamma):
    """Scores of images 1.. by the series (1 - alpha) sum_t (alpha S)^t y, in float64."""
    T = len(block)
    near = np.zeros((T, T), dtype=bool)
    for i in range(T):
        others = sorted((j for j in range(T) if j != i), key=lambda j: -block[i, j])
        near[i, others[:k]] = True
    weights = np.zeros((T, T))
    for i in range(T):
        for j in range(T):
            if near[i, j] and near[j, i]:
                weights[i, j] = max(block[i, j], 0) ** gamma
    degrees = weights.sum(1)
    for i in range(T):
        for j in range(T):
            if weights[i, j] > 0:
                weights[i, j] /= np.sqrt(degrees[i] * degrees[j])
    state = total = np.eye(T)[0]
    for _ in range(4000):
        state = alpha * weights @ state
        total = total + state
    return (1 - alpha) * total[1:]


@settings(deadline=None, max_examples=20)
@given(
    st.integers(0, 1000),
    st.integers(1, 20),
    st.sampled_from([0.0, 0.5, 0.99]),
    st.sampled_from([0.0, 1.0, 3.0]),
    st.integers(1, 14),
)
def test_diffusion_is_the_sum_over_all_walks(seed, k, alpha, gamma, num):
    scene = random_scene(seed, queries=2)
    first = pad(first_round(scene, num), 3)
    found = diffusion(descriptors_of(scene), first, DiffusionConfig(k, alpha, gamma))
    for query in range(2):
        listed = first.indices[query, :num]
        expected = diffused(list_block(scene, query, listed), k, alpha, gamma)
        expected = dict(zip(listed.tolist(), expected, strict=True))
        assert by_index(found, query) == pytest.approx(expected, abs=2e-5)


def test_diffusion_follows_a_chain():
    """Images along an arc from the query pass one that is nearer, but joined to nothing."""
    angles = np.radians([10, 20, 30, 40, 50, -35])
    database = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype("f4")
    scene = make_scene(np.array([[1, 0]], dtype="f4"), database)
    first = first_round(scene, 6)
    assert first.indices[0].tolist().index(5) < first.indices[0].tolist().index(3)
    found = diffusion(descriptors_of(scene), first, DiffusionConfig(k=2))
    assert found.indices[0, -1] == 5


def test_what_no_edge_reaches_keeps_its_order():
    rows = np.eye(6, dtype="f4")
    scene = make_scene(rows[:1], rows[1:])
    found = diffusion(descriptors_of(scene), first_round(scene, 5), DiffusionConfig(k=2))
    assert found.indices.tolist() == [[0, 1, 2, 3, 4]]
    assert (found.scores == 0).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.integers(0, 12), st.integers(0, 12))
def test_raw_affinity_is_a_cosine_of_rows(seed, L, K):
    scene = random_scene(seed, queries=2)
    first = pad(first_round(scene, 9), 2)
    found = raw_affinity(descriptors_of(scene), first, RawAffinityConfig(L, K))
    for query in range(2):
        listed = first.indices[query, :9]
        rows = list_block(scene, query, listed)[:, : 1 + (L or 9)]
        expected = {
            int(row): rows[0] @ rows[i] / np.linalg.norm(rows[0]) / np.linalg.norm(rows[i])
            for i, row in enumerate(listed[: K or 9], start=1)
        }
        assert by_index(found, query) == pytest.approx(expected, abs=2e-6)


def test_an_image_that_sees_what_the_query_sees_rises():
    """Two images equally alike to the query; one resembles the other candidates as it does."""
    query = np.array([1, 0, 0], dtype="f4")
    group = [[0.9, 0.436, 0], [0.88, 0.475, 0]]
    database = np.array([*group, [0.7, 0, 0.714], [0.7, 0.714, 0]])
    database = (database / np.linalg.norm(database, axis=1, keepdims=True)).astype("f4")
    scene = make_scene(query[None], database)
    found = raw_affinity(descriptors_of(scene), first_round(scene, 4), RawAffinityConfig())
    place = {int(i): p for p, i in enumerate(found.indices[0])}
    assert place[3] < place[2]


@pytest.mark.parametrize(
    "config, settings, message",
    [
        (DiffusionConfig, {"k": 0}, "diffusion.k: 0 is not a number of 1 or more"),
        (DiffusionConfig, {"alpha": 1.0}, "diffusion.alpha: 1.0 is not from 0 to below 1"),
        (DiffusionConfig, {"gamma": float("inf")}, "diffusion.gamma: inf is not a number of 0"),
        (DiffusionConfig, {"gamma": -1.0}, "diffusion.gamma: -1.0 is not a number of 0 or more"),
        (RawAffinityConfig, {"L": -1}, "affinity.L: -1 is not a number of 0 or more"),
    ],
)
def test_settings_are_checked(config, settings, message):
    with pytest.raises(InputError, match=message):
        config(**settings)
