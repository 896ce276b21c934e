"""Calibration error, average precision and the answered curve, against loops and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcsa.errors import InputError
from gcsa.evaluation.confidence import (
    answered_curve,
    auc_pr,
    error_by_chance,
    expected_calibration_error,
    reliability,
)

# Few different values, so that many are equal.
ANSWERS = st.lists(st.tuples(st.integers(0, 16), st.booleans()), min_size=1, max_size=40)


def arrays(answers):
    sure, right = zip(*answers, strict=True)
    return np.array(sure) / 16, np.array(right)


def bins_by_loop(sure, right, bins):
    """[(mean confidence, share right, count)] with NaN for an empty bin."""
    found = []
    for number in range(bins):
        low, high = number / bins, (number + 1) / bins
        inside = [
            (s, r)
            for s, r in zip(sure, right, strict=True)
            if low <= s < high or (number == bins - 1 and s == 1)
        ]
        n = len(inside)
        mean = [sum(column) / n for column in zip(*inside, strict=True)] if n else [math.nan] * 2
        found.append((*mean, n))
    return found


def precisions_by_loop(sure, right):
    """[(answered, right among them)] for every threshold, from the highest."""
    return [
        (sum(s >= t for s in sure), sum(r for s, r in zip(sure, right, strict=True) if s >= t))
        for t in sorted(set(sure), reverse=True)
    ]


@settings(max_examples=80, deadline=None)
@given(ANSWERS, st.sampled_from([1, 2, 4, 8]))
def test_bins_equal_a_loop(answers, bins):
    sure, right = arrays(answers)
    expected = bins_by_loop(sure.tolist(), right.tolist(), bins)
    found = reliability(sure, right, bins)
    columns = np.stack([found.confidence, found.correct, found.count], axis=1)
    np.testing.assert_allclose(columns, expected)
    error = sum(n * abs(s - r) for s, r, n in expected if n) / len(sure)
    assert found.error == pytest.approx(error)
    assert expected_calibration_error(sure, right, bins) == found.error


@settings(max_examples=80, deadline=None)
@given(ANSWERS, st.randoms())
def test_thresholds_equal_a_loop_and_no_order_matters(answers, random):
    sure, right = arrays(answers)
    expected = precisions_by_loop(sure.tolist(), right.tolist())
    answered, correct = answered_curve(sure, right)
    np.testing.assert_allclose(answered, [n / len(sure) for n, _ in expected])
    np.testing.assert_allclose(correct, [hits / n for n, hits in expected])
    area, before = 0.0, 0
    for n, hits in expected:
        area += (hits - before) / max(1, right.sum()) * hits / n
        before = hits
    found = auc_pr(sure, right)
    assert math.isnan(found) if not right.any() else found == pytest.approx(area)
    random.shuffle(answers)
    again = arrays(answers)
    assert auc_pr(*again) == pytest.approx(found, nan_ok=True)
    np.testing.assert_array_equal(answered_curve(*again), (answered, correct))


def test_average_precision_in_closed_form():
    """Three of five right, at ranks 1, 3 and 4: (1 + 2/3 + 3/4) / 3; worst first: ranks 3 to 5."""
    sure, right = np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([1, 0, 1, 1, 0], dtype=bool)
    assert auc_pr(sure, right) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert auc_pr(100 * sure - 7, right) == auc_pr(sure, right)  # any number sorts
    assert auc_pr(np.arange(5), np.array([1, 1, 1, 0, 0])) == pytest.approx(
        (1 / 3 + 1 / 2 + 3 / 5) / 3
    )
    assert auc_pr(np.zeros(5), right) == pytest.approx(3 / 5)  # all equal: the share that is right
    assert auc_pr(sure, np.ones(5)) == 1


def test_calibration_error_in_closed_form():
    sure = np.array([0.75] * 4 + [0.25] * 4)
    true = np.array([1, 1, 1, 0, 1, 0, 0, 0], dtype=bool)
    assert expected_calibration_error(sure, true) == 0
    assert expected_calibration_error(sure, ~true) == pytest.approx(0.5)
    assert expected_calibration_error(np.ones(3), np.zeros(3)) == 1
    found = reliability(np.array([0.1, 0.0999, 1 + 5e-5]), np.ones(3))
    assert found.count.tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 0, 1]  # an edge opens its bin
    assert found.confidence[-1] == 1


def test_what_is_exactly_right_still_errs_by_chance():
    """Of n answers of one confidence p the error is about sqrt(2 p (1 - p) / (pi n))."""
    for n in (100, 10_000):
        expected = math.sqrt(2 * 0.3 * 0.7 / (math.pi * n))
        assert error_by_chance(np.full(n, 0.3)) == pytest.approx(expected, rel=0.2)
    assert error_by_chance(np.array([0.0, 1.0])) == 0


def test_nothing_to_measure():
    none = np.zeros(0)
    assert math.isnan(expected_calibration_error(none, none)) and math.isnan(auc_pr(none, none))
    assert [len(part) for part in answered_curve(none, none)] == [0, 0]


@pytest.mark.parametrize(
    "sure, right, message",
    [
        ([0.5, 1.2], [True, False], "confidence: 1.2 is not between 0 and 1"),
        ([-0.1], [True], "confidence: -0.1 is not between 0 and 1"),
        ([0.5, math.nan], [True, True], "confidence: not a number, of answer 1"),
        ([0.5], [True, True], r"confidence: \(1,\) values for \(2,\) answers"),
    ],
)
def test_what_is_no_confidence(sure, right, message):
    with pytest.raises(InputError, match=message):
        reliability(np.array(sure), np.array(right))
