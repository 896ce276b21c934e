"""ICFRR: golden ranks, scores and metrics, and plain loops on short lists."""

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
from gcsa.ranking.lists import Ranking
from gcsa.rerankers import similarity as similarity_module
from gcsa.rerankers.icfrr import BASES, WEIGHTS, ICFRRConfig, _Lists, icfrr, iterate
from gcsa.rerankers.similarity import FromMatrices

GOLDEN = np.load(Path(__file__).parents[1] / "data" / "icfrr.npz")
# Given scores are minus distances, as the golden values have them.
GIVEN = FromMatrices(-GOLDEN["syn_qg"], -GOLDEN["syn_gg"], own=0.0)
FIRST = ranked(-GOLDEN["syn_qg"], 240)


def golden_config(case, iterations, **more):
    KG, KQ, beta = GOLDEN[f"syn{case}_params"]
    return ICFRRConfig(int(KG), int(KQ), float(beta), iterations, **more)


@pytest.mark.parametrize("iterations", range(11))
@pytest.mark.parametrize("case", range(4))
def test_golden_ranks_and_scores(case, iterations):
    found = icfrr(GIVEN, FIRST, golden_config(case, iterations, scale="score"))
    assert (found.indices == GOLDEN[f"syn{case}_ranks"][iterations]).all()
    np.testing.assert_allclose(found.scores, GOLDEN[f"syn{case}_scores"][iterations], atol=1e-6)


@pytest.mark.parametrize("case", range(4))
def test_golden_metrics(case):
    """mAP@all, mAP@200 (over the relevant ones within 200) and precision, each by its loop."""
    for iterations in (0, 1, 10):
        found = icfrr(GIVEN, FIRST, golden_config(case, iterations, scale="score"))
        relevant = GOLDEN["syn_labels_g"][found.indices] == GOLDEN["syn_labels_q"][:, None]
        average = [average_precision(row) for row in relevant]
        measured = [np.mean(average), np.mean([average_precision(r[:200]) for r in relevant])]
        measured += [np.mean([r[:k].sum() / k for r in relevant]) for k in (25, 100, 200)]
        np.testing.assert_allclose(average, GOLDEN[f"syn{case}_ap"][iterations], atol=1e-6)
        np.testing.assert_allclose(measured, GOLDEN[f"syn{case}_metrics"][iterations], atol=1e-6)


def average_precision(relevant):
    hits, total = 0, 0.0
    for place, flag in enumerate(relevant, start=1):
        if flag:
            hits += 1
            total += hits / place
    return total / max(hits, 1)


@pytest.mark.parametrize("work", [24 << 20, 1 << 14])
def test_golden_ranks_from_descriptors(work, monkeypatch):
    """Cosines of the descriptors become the distances that the golden values were made from."""
    monkeypatch.setitem(similarity_module.WORK_BYTES, "cpu", work)
    scene = make_scene(GOLDEN["syn_feat_q"], GOLDEN["syn_feat_g"])
    for case, iterations in ((0, 5), (1, 10), (2, 3)):
        found = icfrr(
            descriptors_of(scene), first_round(scene, 240), golden_config(case, iterations)
        )
        same = found.indices == GOLDEN[f"syn{case}_ranks"][iterations]
        assert same.mean() > 0.995, "rounding may swap neighbours by 1e-7"
        np.testing.assert_allclose(found.scores, GOLDEN[f"syn{case}_scores"][iterations], atol=5e-6)


def by_loops(scene, row, base_scores, config):
    """Scores of one list after all iterations, one after another, by database row."""
    database = scene.database.descriptors.astype(np.float64)
    G = len(database)
    KG, KQ = min(config.KG, G - 1), min(config.KQ, len(row))
    weight = {}
    for a in range(G):
        others = sorted((j for j in range(G) if j != a), key=lambda j: -database[a] @ database[j])
        fall = G - 1 if config.weights == "database" else KG
        weight[a] = {j: 1 - r / fall for r, j in enumerate(others[:KG])}
    first = dict(zip(row, base_scores, strict=True))
    order, scores = list(row), dict(first)
    for _ in range(config.iterations):
        support = {j: sum(weight[a].get(j, 0) for a in order[:KQ]) / KQ for j in row}
        if config.base == "position":
            base = dict(zip(order, base_scores, strict=True))
        else:
            base = first if config.base == "anchored" else scores
        scores = {j: base[j] + config.beta * support[j] for j in row}
        order = sorted(row, key=lambda j: -scores[j])
    return scores


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 1000),
    st.sampled_from(BASES),
    st.sampled_from(WEIGHTS),
    st.integers(0, 7),
    st.integers(1, 40),
    st.integers(1, 12),
)
def test_short_lists_equal_loops(seed, base, weights, iterations, KG, KQ):
    scene = random_scene(seed, queries=3)
    first = pad(first_round(scene, 9), 2)
    config = ICFRRConfig(KG, KQ, 0.37, iterations, base, weights)
    found = icfrr(matrices_of(scene), first, config)
    for query in range(3):
        row = first.indices[query, :9].tolist()
        distances = [-np.sqrt(2 - 2 * float(s)) for s in first.scores[query, :9]]
        expected = by_loops(scene, row, distances, config)
        assert by_index(found, query) == pytest.approx(expected, abs=2e-5)


def test_a_short_list_has_fewer_supporters():
    scene = random_scene(5)
    whole = first_round(scene, 6)
    short = Ranking(whole.indices[:, :4], whole.scores[:, :4])
    config = ICFRRConfig(10, 5, 1.0, 3)
    alone = icfrr(descriptors_of(scene), short, config)
    padded = icfrr(descriptors_of(scene), pad(short, 5), config)
    assert (padded.indices[:, :4] == alone.indices).all()
    np.testing.assert_array_equal(padded.scores[:, :4], alone.scores)


@pytest.mark.parametrize("base", ["position", "anchored"])
def test_stopping_at_a_cycle_gives_the_result_of_all_iterations(base, monkeypatch):
    scene = random_scene(7, queries=20, database=40)
    first, similarity = first_round(scene, 20), matrices_of(scene)
    seen = set()
    for iterations in (40, 41, 42, 43):
        config = ICFRRConfig(6, 4, 0.3, iterations, base)
        stopped = iterate(similarity, first, config)
        with monkeypatch.context() as patch:
            patch.setattr(_Lists, "_stop_repeating", lambda *_: None)
            whole = iterate(similarity, first, config)
        assert (stopped.candidates.indices == whole.candidates.indices).all()
        assert (stopped.candidates.scores == whole.candidates.scores).all()
        assert (whole.iterations == iterations).all() and (whole.period == 0).all()
        ended = stopped.period > 0
        assert (stopped.iterations[ended] < iterations).any()
        assert (stopped.iterations[~ended] == iterations).all()
        seen |= set(stopped.period.tolist())
    assert 1 in seen
    assert base == "anchored" or max(seen) > 1, "longer cycles were met, too"


def test_a_list_that_does_not_change_is_done_after_one_iteration():
    outcome = iterate(GIVEN, FIRST, ICFRRConfig(beta=0.0, iterations=50, scale="score"))
    assert (outcome.iterations == 1).all() and (outcome.period == 1).all()
    assert (outcome.candidates.indices == FIRST.indices).all()


def test_equal_scores_keep_their_first_round_order():
    rows = np.eye(4, dtype="f4")
    scene = make_scene(rows[:1], rows[[1, 2, 3, 1, 2, 3]])
    first = Ranking(np.array([[4, 1, 5, 0, 2, 3]]), np.zeros((1, 6), dtype="f4"))
    found = icfrr(descriptors_of(scene), first, ICFRRConfig(1, 1, 0.0, 3))
    assert found.indices.tolist() == first.indices.tolist()
    # Each image supports its copy alone; the first four's copies are listed for three of them.
    found = icfrr(descriptors_of(scene), first, ICFRRConfig(1, 3, 0.1, 1))
    assert found.indices.tolist() == [[4, 1, 2, 5, 0, 3]]


def test_more_neighbours_or_supporters_than_there_are():
    config = ICFRRConfig(10_000, 10_000, 0.5, 2, scale="score")
    limits = ICFRRConfig(239, 240, 0.5, 2, scale="score")
    found, expected = icfrr(GIVEN, FIRST, config), icfrr(GIVEN, FIRST, limits)
    assert (found.indices == expected.indices).all()


def test_a_database_of_one_image():
    scene = make_scene(np.eye(2, dtype="f4")[:1], np.eye(2, dtype="f4")[:1])
    found = icfrr(descriptors_of(scene), first_round(scene, 3), ICFRRConfig())
    assert found.indices.tolist() == [[0, -1, -1]]


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"KG": 0}, "icfrr.KG: 0 is not a number of 1 or more"),
        ({"KQ": 0}, "icfrr.KQ: 0 is not a number of 1 or more"),
        ({"iterations": -1}, "icfrr.iterations: -1 is not a number of 0 or more"),
        ({"beta": float("nan")}, "icfrr.beta: nan is not a number of 0 or more"),
        ({"base": "paper"}, "icfrr.base: 'paper' is not a choice .*accumulate"),
        ({"weights": "x"}, "icfrr.weights: 'x' is not a choice"),
        ({"scale": "x"}, "icfrr.scale: 'x' is not a choice"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(InputError, match=message):
        ICFRRConfig(**settings)
