"""The metrics against the official MSLS evaluator's definition, written out query by query."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gcsa.evaluation import metrics


def official_ap(ranked: list[bool], num_relevant: int, k: int) -> float:
    """Hits so far over rank, summed at the hits, over min(number of positives, k)."""
    hits, total = 0, 0.0
    for rank, hit in enumerate(ranked[:k], start=1):
        if hit:
            hits += 1
            total += hits / rank
    return total / min(num_relevant, k)


@given(arrays(bool, (4, 12)), st.integers(0, 5), st.integers(1, 20))
def test_average_precision_is_the_official_definition(relevant, missed, k):
    counts = relevant.sum(axis=1) + missed
    kept = counts > 0
    expected = [
        official_ap(list(r), n, k) for r, n in zip(relevant[kept], counts[kept], strict=True)
    ]
    assert metrics.average_precision_at_k(relevant[kept], counts[kept], k) == pytest.approx(
        expected
    )


@pytest.mark.parametrize(
    ("ranked", "count", "k", "expected"),
    [
        ([1, 1, 1], 3, 5, 1.0),  # all found, first
        ([1, 0, 0], 1, 1, 1.0),
        ([0, 1, 0, 1], 2, 4, 0.5),  # (1/2 + 2/4) / 2
        ([0, 0, 0], 4, 3, 0.0),  # relevant images exist, none is in the list
        ([0, 0], 0, 2, 0.0),  # none exists
        ([1, 1], 9, 10, 2 / 9),  # fewer than k candidates: what is missing counts as missed
        ([1, 0, 1], 50, 2, 0.5),  # more relevant images than k
    ],
)
def test_average_precision_by_hand(ranked, count, k, expected):
    value = metrics.average_precision_at_k(np.array([ranked], dtype=bool), np.array([count]), k)
    assert value == pytest.approx([expected])


def test_a_worse_order_scores_lower():
    ideal = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 1]], dtype=bool)
    best, worst, between = metrics.average_precision_at_k(ideal, np.full(3, 2), 4)
    assert best == 1 > between > worst > 0


def test_recall():
    relevant = np.array([[0, 1, 0], [0, 0, 0], [1, 1, 0], [0, 0, 1]], dtype=bool)
    found = metrics.evaluate(relevant, np.ones(4), ks=(1, 2, 3, 9))
    assert [found[f"recall@{k}"] for k in (1, 2, 3, 9)] == [0.25, 0.5, 0.75, 0.75]


def test_queries_without_positives_are_left_out():
    relevant = np.array([[1, 0], [0, 0]], dtype=bool)
    values = metrics.by_query(relevant, np.array([1, 0]), ks=(1, 2))
    assert all(v[0] == 1 and np.isnan(v[1]) for v in values.values())
    result = metrics.evaluate(relevant, np.array([1, 0]), ks=(1, 2))
    assert result == {"recall@1": 1, "recall@2": 1, "mAP@1": 1, "mAP@2": 1}
    nothing = metrics.evaluate(relevant, np.array([0, 0]), ks=(1,))
    assert np.isnan(list(nothing.values())).all()
