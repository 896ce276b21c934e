"""Query expansion and database augmentation: golden values, and loops over vectors."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reranker_scenes import (
    by_index,
    descriptors_of,
    first_round,
    make_scene,
    matrices_of,
    pad,
    random_scene,
    ranked,
)

from gcsa.errors import InputError
from gcsa.rerankers.augmentation import DBAConfig, dba
from gcsa.rerankers.expansion import AlphaQEConfig, AverageQEConfig, alpha_qe, average_qe

GOLDEN = np.load(Path(__file__).parents[1] / "data" / "dir.npz")
SETTINGS = [(5, 0), (5, 1), (5, 3), (10, 2)]


@pytest.fixture(scope="module")
def scene():
    return make_scene(GOLDEN["qe_q"], GOLDEN["qe_db"])


def table(candidates, width):
    """Scores (Q, G) by database row."""
    result = np.full((len(candidates), width), np.nan)
    np.put_along_axis(result, candidates.indices, candidates.scores, axis=1)
    return result


@pytest.mark.parametrize("source", [descriptors_of, matrices_of])
@pytest.mark.parametrize("k, alpha", [*SETTINGS, (40, 3)])
def test_expanded_queries_are_the_golden_ones(scene, source, k, alpha):
    # 40 database images span the 16 dimensions: equal scores are equal queries.
    found = alpha_qe(source(scene), first_round(scene, 40), AlphaQEConfig(k, alpha))
    expected = GOLDEN[f"qe_k{k}_a{alpha}"] @ GOLDEN["qe_db"].T
    np.testing.assert_allclose(table(found, 40), expected, atol=5e-7)
    assert (found.scores[:, :-1] >= found.scores[:, 1:]).all()


def test_average_is_alpha_of_zero(scene):
    found = average_qe(descriptors_of(scene), first_round(scene, 40), AverageQEConfig(5))
    expected = GOLDEN["qe_k5_a0"] @ GOLDEN["qe_db"].T
    np.testing.assert_allclose(table(found, 40), expected, atol=5e-7)


@pytest.mark.parametrize("k, alpha", SETTINGS)
def test_augmented_database_is_the_golden_one(scene, k, alpha):
    found = dba(descriptors_of(scene), first_round(scene, 40), DBAConfig(k, alpha))
    expected = GOLDEN["qe_q"] @ GOLDEN[f"dba_k{k}_a{alpha}"].T
    np.testing.assert_allclose(table(found, 40), expected, atol=5e-7)


def test_expansion_after_augmentation_is_the_golden_one(scene):
    found = dba(descriptors_of(scene), first_round(scene, 40), DBAConfig(5, 3, 5, 3))
    np.testing.assert_allclose(table(found, 40), GOLDEN["qe_scores_after_dba"], atol=5e-7)


def test_augmented_images_need_not_all_be_listed(scene):
    whole = dba(descriptors_of(scene), first_round(scene, 40), DBAConfig(5, 3))
    some = dba(descriptors_of(scene), first_round(scene, 7), DBAConfig(5, 3))
    for query in range(6):
        expected, found = by_index(whole, query), by_index(some, query)
        assert len(found) == 7
        assert found == pytest.approx({i: expected[i] for i in found}, abs=1e-6)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 100), st.integers(1, 9), st.sampled_from([0.0, 0.5, 1.0, 2.5, 3.0]))
def test_equals_loops_over_vectors(seed, k, alpha):
    scene = random_scene(seed)
    first = pad(first_round(scene, 6), 2)
    found = alpha_qe(descriptors_of(scene), first, AlphaQEConfig(k, alpha, K=4))
    for query in range(4):
        start = scene.queries.descriptors[query].astype(np.float64)
        summed = start.copy()
        for row in first.indices[query, : min(k, 6)]:
            vector = scene.database.descriptors[row]
            s = start @ vector
            summed += (max(s, 0) if alpha % 1 else s) ** alpha * vector
        summed /= np.linalg.norm(summed)
        expected = {
            int(row): float(summed @ scene.database.descriptors[row])
            for row in first.indices[query, :4]
        }
        assert by_index(found, query) == pytest.approx(expected, abs=2e-6)
        assert found.indices[query, 4:].tolist() == first.indices[query, 4:].tolist()


def test_negative_similarities_count_as_zero_where_the_power_does_not_exist():
    queries, database = np.eye(2, dtype="f4")[:1], np.array([[0.6, 0.8], [-0.6, 0.8]], dtype="f4")
    scene = make_scene(queries, database)
    found = alpha_qe(descriptors_of(scene), first_round(scene, 2), AlphaQEConfig(2, 0.5))
    expanded = queries[0] + 0.6**0.5 * database[0]
    expected = database @ expanded / np.linalg.norm(expanded)
    assert by_index(found, 0) == pytest.approx(dict(enumerate(expected)), abs=1e-6)


def test_candidates_of_an_expanded_query_may_rise():
    """Look-alikes of the first candidate pass one that resembles the query a little more."""
    angles = np.radians([20, -25, 40])
    database = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype("f4")
    scene = make_scene(np.array([[1, 0]], dtype="f4"), database)
    assert first_round(scene, 3).indices.tolist() == [[0, 1, 2]]
    found = average_qe(descriptors_of(scene), first_round(scene, 3), AverageQEConfig(1))
    assert found.indices.tolist() == [[0, 2, 1]]


def test_nothing_joined_changes_nothing(scene):
    first, similarity = first_round(scene, 40), descriptors_of(scene)
    for found in (
        average_qe(similarity, first, AverageQEConfig(0)),
        alpha_qe(similarity, first, AlphaQEConfig(0)),
        dba(similarity, first, DBAConfig(0)),
    ):
        assert (found.indices == first.indices).all()


def test_no_augmentation_but_expansion_is_expansion(scene):
    first, similarity = first_round(scene, 12), descriptors_of(scene)
    found = dba(similarity, first, DBAConfig(0, qe_k=5, qe_alpha=2))
    expected = alpha_qe(similarity, first, AlphaQEConfig(5, 2))
    assert (found.indices == expected.indices).all()
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)


def test_augmentation_keeps_the_order_beyond_k_and_the_precision():
    full = random_scene(8)
    scene = make_scene(
        full.queries.descriptors.astype(np.float16), full.database.descriptors.astype(np.float16)
    )
    first = first_round(full, 12)
    found = dba(descriptors_of(scene), first, DBAConfig(3, 1, qe_k=2, K=5))
    exact = dba(descriptors_of(full), first, DBAConfig(3, 1, qe_k=2, K=5))
    assert (found.indices[:, 5:] == first.indices[:, 5:]).all()
    assert np.isneginf(found.scores[:, 5:]).all()
    for query in range(4):
        assert by_index(found, query) == pytest.approx(by_index(exact, query), abs=3e-3)


def test_augmentation_needs_descriptors():
    scene = random_scene(0)
    with pytest.raises(InputError, match="dba: needs descriptors, similarity matrices do not do"):
        dba(matrices_of(scene), first_round(scene, 5), DBAConfig())


def test_expansion_reads_candidates_beyond_those_it_reranks():
    scene = random_scene(3)
    first = ranked(scene.queries.descriptors @ scene.database.descriptors.T, 10)
    narrow = alpha_qe(descriptors_of(scene), first, AlphaQEConfig(8, 2, K=2))
    wide = alpha_qe(descriptors_of(scene), first, AlphaQEConfig(8, 2))
    for query in range(4):
        expected = by_index(wide, query)
        found = by_index(narrow, query)
        assert found == pytest.approx({i: expected[i] for i in found}, abs=1e-6)
        assert set(found) == set(first.indices[query, :2].tolist())
