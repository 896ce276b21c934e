"""Bootstrap intervals against enumeration, the normal law, SciPy's, and how often they hold."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from gcsa.evaluation import intervals
from gcsa.evaluation.figures import Figures
from gcsa.evaluation.intervals import interval, resampled_means


@pytest.mark.parametrize("values", [[0, 1], [0, 0, 0, 1], [0.1, 0.5, 0.7, 1.0, 0.2]])
def test_equals_all_resamples_enumerated(values):
    """Each of the n**n resamples has the same chance; 2.5 % +- 1 % for the 2000 drawn of them."""
    every = np.sort([np.mean(draw) for draw in product(values, repeat=len(values))])
    found = np.array([interval(np.array(values, dtype=float))])
    steps = np.quantile(every, [0.015, 0.035, 0.965, 0.985], method="inverted_cdf")
    assert steps[0] <= found[0, 0] <= steps[1] and steps[2] <= found[0, 1] <= steps[3]
    means = resampled_means(np.array(values, dtype=float))
    assert means.mean() == pytest.approx(np.mean(values), abs=0.03)
    assert set(np.round(means, 9)) <= set(np.round(every, 9))


def test_many_queries_follow_the_normal_law():
    values = np.random.default_rng(1).beta(0.4, 0.6, size=900)
    half = 1.959964 * values.std() / np.sqrt(len(values))
    found = interval(values)
    np.testing.assert_allclose(found, values.mean() + np.array([-half, half]), atol=0.08 * half)


def test_agrees_with_scipy():
    values = np.random.default_rng(2).random(60) ** 3
    other = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", random_state=0
    ).confidence_interval
    np.testing.assert_allclose(interval(values), other, atol=0.06 * (other.high - other.low))


def test_it_holds_the_truth_as_often_as_it_says():
    random, held = np.random.default_rng(3), []
    for _ in range(150):
        low, high = interval((random.random(120) < 0.6).astype(float))
        held.append(low <= 0.6 <= high)
    assert 0.89 <= np.mean(held) <= 0.99


def test_what_is_left_out_and_what_is_seeded(monkeypatch):
    values = np.random.default_rng(4).random(30)
    with_gaps = np.insert(values, [0, 5, 30], np.nan)
    assert interval(with_gaps) == interval(values) == interval(values)
    monkeypatch.setattr(intervals, "CHUNK", 100)
    assert interval(values) == interval(with_gaps), "drawn three resamples at a time"
    assert np.isnan(interval(np.full(3, np.nan))).all() and np.isnan(interval(np.zeros(0))).all()
    assert interval(np.ones(7)) == (1.0, 1.0)


def labelled(random, queries, share):
    relevant = random.random((queries, 20)) < share
    num = np.where(np.arange(queries) % 10 == 0, 0, relevant.sum(1) + 1)
    return Figures.of_labels(relevant & (num > 0)[:, None], num, 100)


def test_a_difference_is_paired():
    """Queries differ much, the two rankings by little: pairing sees it, two intervals do not."""
    random = np.random.default_rng(5)
    hard = random.random(200)
    a = Figures({"mAP@10": hard}, np.ones(200, dtype=bool), 50)
    b = Figures({"mAP@10": hard + 0.02 + 0.01 * random.normal(size=200)}, a.positive, 50)
    gain = b.gain_over(a)
    assert gain["difference"]["mAP@10"] == pytest.approx(0.02, abs=0.003)
    low, high = gain["intervals"]["mAP@10"]
    half = 1.96 * 0.01 / np.sqrt(200)
    assert 0 < low < 0.02 < high and (high - low) / 2 == pytest.approx(half, rel=0.2)
    apart = [f.summary()["intervals"]["mAP@10"] for f in (a, b)]
    assert apart[0][1] > apart[1][0], "the intervals of each overlap"
    back = a.gain_over(b)
    assert back["difference"]["mAP@10"] == -gain["difference"]["mAP@10"]
    np.testing.assert_allclose(back["intervals"]["mAP@10"], [-high, -low], rtol=0.1)
    nothing = a.gain_over(a)
    assert nothing == {"difference": {"mAP@10": 0.0}, "intervals": {"mAP@10": [0.0, 0.0]}}


def test_only_few_queries_carry_an_interval(monkeypatch):
    figures = labelled(np.random.default_rng(6), 40, 0.1)
    found = figures.summary()
    assert found["counts"] == {"queries": 40, "with_positives": 36, "database": 100}
    assert set(found["intervals"]) == set(found["metrics"])
    for name, (low, high) in found["intervals"].items():
        assert 0 <= low <= found["metrics"][name] <= high <= 1
        assert [low, high] == list(interval(figures.values[name]))
    monkeypatch.setattr("gcsa.evaluation.figures.FEW", 36)
    assert set(figures.summary()) == {"counts", "metrics"}
    empty = Figures.of_labels(np.zeros((3, 20), dtype=bool), np.zeros(3), 9)
    assert set(empty.summary()) == {"counts", "metrics"}


def test_scenes_together():
    random = np.random.default_rng(7)
    parts = [labelled(random, n, 0.2) for n in (10, 25)]
    found = Figures.joined(parts).summary()
    assert found["counts"] == {"queries": 35, "with_positives": 31, "database": 200}
    every = np.concatenate([p.values["mAP@5"] for p in parts])
    assert found["metrics"]["mAP@5"] == pytest.approx(np.nanmean(every))
