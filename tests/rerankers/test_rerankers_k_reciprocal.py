"""k-reciprocal encoding against plain loops over sets, written from the equations."""

from fractions import Fraction

import numpy as np
import pytest
import torch
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
from gcsa.rerankers.k_reciprocal import KReciprocalConfig, distance, k_reciprocal


def joins(common: int, size: int, variant: str) -> bool:
    """Whether a list of that size joins, of which so many are shared."""
    share = Fraction(common, size)
    return share >= Fraction(2, 3) if variant == "paper" else share > Fraction(2, 3)


def by_loops(
    block: np.ndarray, k1: int, k2: int, lambda_: float, variant: str = "paper"
) -> list[float]:
    """Final distances to image 0, from similarities (T, T)."""
    k_half = int(k1 / 2) if variant == "paper" else int(np.around(k1 / 2))
    T = len(block)
    distance = [[block[p, p] - block[p, g] for g in range(T)] for p in range(T)]
    distance = [[d / max(row) for d in row] for row in distance]
    ranking = [
        [p] + sorted((g for g in range(T) if g != p), key=lambda g: distance[p][g])
        for p in range(T)
    ]

    def nearest(p, k):  # N(p, k), p itself and k others
        return set(ranking[p][: k + 1])

    def reciprocal(p, k):  # equation 2
        return {g for g in nearest(p, k) if p in nearest(g, k)}

    encodings = []
    for p in range(T):
        whole = reciprocal(p, k1)
        expanded = set(whole)
        for g in whole:  # equation 3
            half = reciprocal(g, k_half)
            if joins(len(whole & half), len(half), variant):
                expanded |= half
        row = [np.exp(-distance[p][g]) if g in expanded else 0.0 for g in range(T)]  # 7
        encodings.append([v / sum(row) for v in row])
    averaged = []
    for p in range(T):  # equation 11
        group = ranking[p][:k2]
        averaged.append([sum(encodings[g][i] for g in group) / len(group) for i in range(T)])
    final = []
    for g in range(T):
        pairs = list(zip(averaged[0], averaged[g], strict=True))
        jaccard = 1 - sum(min(a, b) for a, b in pairs) / sum(max(a, b) for a, b in pairs)  # 10
        final.append((1 - lambda_) * jaccard + lambda_ * distance[0][g])  # equation 12
    return final


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 1000),
    st.integers(1, 12),
    st.integers(1, 6),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.integers(1, 20),
    st.sampled_from(["paper", "code"]),
)
def test_equals_loops(seed, k1, k2, lambda_, num, variant):
    scene = random_scene(seed, queries=2)
    first = pad(first_round(scene, num), 3)
    config = KReciprocalConfig(k1, k2, lambda_, variant)
    found = k_reciprocal(descriptors_of(scene), first, config)
    for query in range(2):
        listed = first.indices[query, :num]
        expected = by_loops(list_block(scene, query, listed), k1, k2, lambda_, variant)[1:]
        expected = {int(i): -d for i, d in zip(listed, expected, strict=True)}
        assert by_index(found, query) == pytest.approx(expected, abs=1e-5)


def jaccard(places: list[int], k1: int, variant: str) -> tuple[np.ndarray, list[float]]:
    """Jaccard distances to image 0 of images at these places on a line, and the same by loops."""
    similarity = -np.abs(np.subtract.outer(places, places)).astype(np.float32)
    valid = torch.ones(1, len(places), dtype=torch.bool)
    found = distance(
        torch.from_numpy(similarity)[None], valid, KReciprocalConfig(k1, 1, 0.0, variant)
    )
    return found[0].numpy(), by_loops(similarity, k1, 1, 0.0, variant)


# R(0, 4) is {0, 1, 3, 4, 5}; R(4, 2) is {3, 4, 6}, of which it has exactly two thirds: 6 joins it
# in the paper alone. In the second 7 / 2 is 3 or 4.
SHARED_BY_TWO_THIRDS = ([0, -7, 25, -17, -20, 23, -32], 4)
ODD = ([0, 36, -51, -59, -1, -24, -29, -56, 13], 7)


@pytest.mark.parametrize(("places", "k1"), [SHARED_BY_TWO_THIRDS, ODD])
def test_the_paper_and_its_code_differ(places, k1):
    paper, code = jaccard(places, k1, "paper"), jaccard(places, k1, "code")
    np.testing.assert_allclose(paper[0], paper[1], atol=1e-6)
    np.testing.assert_allclose(code[0], code[1], atol=1e-6)
    assert np.abs(np.subtract(paper[1], code[1])).max() > 0.01


def test_mutual_neighbours_pass_a_hub():
    """An image near the query whose own neighbours lie elsewhere falls behind the query's group."""
    random = np.random.default_rng(0)

    def around(degrees, count, spread):
        angles = np.radians(degrees + spread * random.normal(size=count))
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)

    # The query at 0, its group at 12 degrees; a hub at -9 with its own group at -16.
    parts = [around(12, 4, 0.5), around(-9, 1, 0), around(-16, 8, 0.5)]
    scene = make_scene(np.array([[1, 0]], dtype="f4"), np.concatenate(parts).astype("f4"))
    first = first_round(scene, 13)
    assert first.indices[0, 0] == 4, "the hub"
    found = k_reciprocal(descriptors_of(scene), first, KReciprocalConfig(5, 1, 0.0))
    assert set(found.indices[0, :4].tolist()) == {0, 1, 2, 3}


def test_lambda_of_one_is_the_first_round():
    scene = random_scene(4)
    first = first_round(scene, 15)
    found = k_reciprocal(descriptors_of(scene), first, KReciprocalConfig(lambda_=1.0))
    assert (found.indices == first.indices).all()


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"k1": 0}, "k-reciprocal.k1: 0 is not a number of 1 or more"),
        ({"k2": 0}, "k-reciprocal.k2: 0 is not a number of 1 or more"),
        ({"K": -1}, "k-reciprocal.K: -1 is not a number of 0 or more"),
        ({"variant": "cod"}, "k-reciprocal.variant: 'cod' is not a choice"),
        ({"lambda_": 1.5}, "k-reciprocal.lambda_: 1.5 is not from 0 to 1"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(InputError, match=message):
        KReciprocalConfig(**settings)
