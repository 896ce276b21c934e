"""Fusion of first-round and refined scores against loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reranker_scenes import pad, ranked

from gcsa.errors import InputError
from gcsa.ranking.lists import Ranking
from gcsa.rerankers.fusion import NORMALISATIONS, Fusion, fuse


def lists(seed, scored=6):
    """First-round lists of 8, and the first ``scored`` of them in another order."""
    random = np.random.default_rng(seed)
    first = ranked(random.normal(size=(3, 20)), 8)
    return first, first.reordered(random.normal(size=(3, scored)).astype(np.float32))


def normalised(values, how):
    if max(values) == min(values):
        return [0.0] * len(values)
    if how == "z":
        return [(v - np.mean(values)) / np.std(values) for v in values]
    return [(v - min(values)) / (max(values) - min(values)) for v in values]


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 1000),
    st.floats(0, 1),
    st.sampled_from(NORMALISATIONS),
    st.integers(0, 8),
    st.integers(0, 3),
)
def test_equals_loops(seed, weight, how, scored, padding):
    first, refined = lists(seed, scored)
    found = fuse(pad(first, padding), pad(refined, padding), weight, how)
    assert (found.indices[:, scored:8] == first.indices[:, scored:]).all()
    assert (found.indices[:, 8:] == -1).all()
    assert np.isneginf(found.scores[:, scored:]).all()
    for query in range(3 if scored else 0):
        rows = first.indices[query, :scored].tolist()
        again = dict(zip(refined.indices[query], refined.scores[query].astype(float), strict=True))
        old = normalised(first.scores[query, :scored].astype(float).tolist(), how)
        new = normalised([again[r] for r in rows], how)
        expected = [(1 - weight) * o + weight * n for o, n in zip(old, new, strict=True)]
        order = sorted(range(scored), key=lambda i: -np.float32(expected[i]))
        np.testing.assert_allclose(
            found.scores[query, :scored], [expected[i] for i in order], atol=1e-5
        )
        if np.diff(sorted(expected)).min(initial=1) > 1e-5:
            assert found.indices[query, :scored].tolist() == [rows[i] for i in order]


@pytest.mark.parametrize("how", NORMALISATIONS)
def test_the_two_ends(how):
    first, refined = lists(1)
    assert (fuse(first, refined, 0, how).indices == first.indices).all()
    assert (fuse(first, refined, 1, how).indices == refined.indices).all()


@pytest.mark.parametrize("how", NORMALISATIONS)
def test_equal_scores_count_nothing(how):
    first = Ranking(np.array([[5, 2, 9]]), np.full((1, 3), 0.1, dtype="f4"))
    refined = first.reordered(np.array([[0.1, 0.3, 0.2]], dtype="f4"))
    assert fuse(first, refined, 0.01, how).indices.tolist() == [[2, 9, 5]]
    flat = first.reordered(np.full((1, 3), 0.7, dtype="f4"))
    found = fuse(first, flat, 0.5, how)
    assert found.indices.tolist() == [[5, 2, 9]] and (found.scores == 0).all()


def test_a_list_of_nothing_but_padding():
    empty = Ranking(np.full((1, 3), -1), np.full((1, 3), -np.inf, dtype="f4"))
    assert fuse(empty, empty, 0.5).indices.tolist() == [[-1, -1, -1]]


def test_bad_input():
    first, refined = lists(2)
    other = Ranking(refined.indices[:, ::-1] + 1, refined.scores)
    with pytest.raises(InputError, match="fusion: list 0 holds other candidates"):
        fuse(first, other, 0.5)
    with pytest.raises(InputError, match=r"fusion: lists of shape \(3, 8\) and \(3, 9\)"):
        fuse(first, pad(refined, 1), 0.5)
    with pytest.raises(InputError, match="weight: 2 is not from 0 to 1"):
        fuse(first, refined, 2)
    with pytest.raises(InputError, match="normalise: 'x' is not a choice"):
        fuse(first, refined, 0.5, "x")


def test_what_a_command_line_says():
    assert Fusion.given("0.7") == Fusion(0.7, "min-max") and Fusion.given(None) is None
    assert Fusion.given("1:z") == Fusion(1.0, "z")
    for text in ("much", "1.5", "-0.1", "nan", "0.5:", "0.5:x", "", "z"):
        with pytest.raises(InputError, match=f"--fusion: '{text}': expected a weight from 0 .*:z$"):
            Fusion.given(text)
