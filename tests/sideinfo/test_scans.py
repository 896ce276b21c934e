"""Which radio scans belong to an image: hand-made cases, and brute force as the oracle."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gcsa.sideinfo import radio
from gcsa.sideinfo.radio import pairwise_affinity
from gcsa.sideinfo.scans import Scans, clock_of, observe

SECOND = 1_000_000


def scans(rows):
    """Scans from rows (time, clock, transmitter, rssi) or (..., frequency in MHz)."""
    rows = [(*row, -1.0)[:5] for row in rows]
    times, clocks, transmitters, rssi, frequency = zip(*rows, strict=True) if rows else [()] * 5
    names, clock = np.unique(np.array(clocks, dtype=str), return_inverse=True)
    ids, transmitter = np.unique(np.array(transmitters, dtype=str), return_inverse=True)
    numbers = np.array(rssi, dtype=float), np.array(frequency, dtype=float)
    return Scans(np.array(times, dtype=np.int64), names, clock, ids, transmitter, *numbers)


def heard(observed, row=0):
    """{transmitter: metres} of one image."""
    one = observed[[row]].matrix.tocoo()
    return {str(observed.transmitters[c]): v + 500 for c, v in zip(one.col, one.data, strict=True)}


def observe_one(when, wifi=None, bluetooth=None, past_only=False, clock="a"):
    tables = [None if rows is None else scans(rows) for rows in (wifi, bluetooth)]
    return heard(observe(np.array([when]), np.array([clock]), *tables, past_only=past_only))


def test_wifi_is_the_nearest_group_as_a_whole():
    wifi = [(10, "a", "x", -50), (10, "a", "y", -60), (30, "a", "y", -40), (19, "b", "z", -40)]
    assert set(observe_one(19, wifi)) == {"x", "y"}
    assert set(observe_one(20, wifi)) == {"x", "y"}, "of two equally near, the earlier"
    assert observe_one(21, wifi).keys() == {"y"}
    assert set(observe_one(29, wifi, past_only=True)) == {"x", "y"}
    assert set(observe_one(30, wifi, past_only=True)) == {"y"}
    assert observe_one(9, wifi, past_only=True) == {}
    assert set(observe_one(0, wifi, clock="b")) == {"z"}, "each sub-session has its own clock"
    assert observe_one(10, wifi, clock="c") == {}


def test_bluetooth_is_the_nearest_row_of_each_beacon():
    rows = [(10, "a", "x", -50), (30, "a", "x", -60), (25, "a", "y", -70), (21, "b", "x", -80)]
    far, near = (float(radio.path_loss_distance(r, -1)) for r in (-60, -50))
    assert observe_one(22, None, rows)["x"] == pytest.approx(far)
    assert observe_one(18, None, rows)["x"] == pytest.approx(near)
    assert set(observe_one(22, None, rows)) == {"x", "y"}
    assert observe_one(22, None, rows, past_only=True) == pytest.approx({"x": near})


@pytest.mark.parametrize("past_only", [False, True])
def test_ten_seconds_are_the_limit(past_only):
    for start in (0, 1_655_796_529_349_653):  # a clock since boot, and Unix time
        rows = [(start, "a", "x", -50)]
        for tables in ((rows, None), (None, rows)):
            assert observe_one(start + 10 * SECOND, *tables, past_only=past_only)
            assert not observe_one(start + 10 * SECOND + 1, *tables, past_only=past_only)
            assert bool(observe_one(start - 10 * SECOND, *tables, past_only=past_only)) != past_only
            assert not observe_one(start - 10 * SECOND - 1, *tables, past_only=past_only)


def test_of_one_transmitter_twice_at_a_time_the_strongest_counts():
    rows = [(5, "a", "x", -70), (5, "a", "x", -40), (5, "a", "x", -60)]
    expected = pytest.approx({"x": float(radio.path_loss_distance(-40, -1))})
    assert observe_one(5, rows) == expected == observe_one(5, None, rows)


def test_a_signal_from_beyond_500_m_is_heard():
    observed = observe(np.array([5]), np.array(["a"]), scans([(5, "a", "x", -110)]), None, False)
    assert observed.has_any.all() and heard(observed) == pytest.approx({"x": 500})


def test_nothing_heard_by_nobody():
    for tables in ((None, None), (scans([]), scans([])), (None, scans([]))):
        observed = observe(np.array([5, 6]), np.array(["a", "b"]), *tables, past_only=True)
        assert len(observed) == 2 and not observed.has_any.any()
        np.testing.assert_array_equal(pairwise_affinity(observed, observed, "zero"), 0)
        np.testing.assert_array_equal(pairwise_affinity(observed, observed), 1)
    assert len(observe(np.array([], dtype=int), np.array([], dtype=str), None, None, True)) == 0


def brute_force(times, clocks, rows, grouped, past_only, window):
    """By the words of the definition: for each image, all rows."""
    result = []
    for when, clock in zip(times, clocks, strict=True):
        mine = [r for r in rows if r[1] == clock and abs(r[0] - when) <= window]
        mine = [r for r in mine if not past_only or r[0] <= when]
        best = {}
        for group in {None} if grouped else {r[2] for r in mine}:
            part = [r for r in mine if group in (None, r[2])]
            moment = min((abs(r[0] - when), r[0]) for r in part)[1] if part else None
            for r in part:
                if r[0] == moment:
                    metres = float(radio.path_loss_distance(r[3], r[4]))
                    best[r[2]] = min(metres, best.get(r[2], np.inf))
        result.append(best)
    return result


ROW = st.tuples(
    st.integers(0, 60),
    st.sampled_from("abc"),
    st.sampled_from("wxyz"),
    st.integers(-95, -30).map(float),
    st.sampled_from([-1.0, 2412.0, 5180.0]),
)
IMAGE = st.tuples(st.integers(-5, 65), st.sampled_from("abcd"))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(ROW, max_size=40),
    st.lists(ROW, max_size=40),
    st.lists(IMAGE, min_size=1, max_size=12),
    st.booleans(),
    st.integers(0, 30),
    st.sampled_from([0, 1_655_796_529_349_653, -70]),
)
@example([], [(3, "a", "x", -50.0, -1.0)], [(3, "a")], True, 0, 0)
def test_the_join_is_that_of_brute_force(wifi, bluetooth, images, past_only, window, origin):
    wifi, bluetooth = ([(r[0] + origin, *r[1:]) for r in rows] for rows in (wifi, bluetooth))
    bluetooth = [(t, c, name.upper(), rssi, -1.0) for t, c, name, rssi, _ in bluetooth]
    times, clocks = [t + origin for t, _ in images], [c for _, c in images]
    expected = [
        {**a, **b}
        for a, b in zip(
            brute_force(times, clocks, wifi, True, past_only, window),
            brute_force(times, clocks, bluetooth, False, past_only, window),
            strict=True,
        )
    ]
    tables = scans(wifi), scans(bluetooth)
    found = observe(np.array(times), np.array(clocks), *tables, past_only, window_us=window)
    assert [heard(found, i) for i in range(len(images))] == [pytest.approx(e) for e in expected]


def test_clocks_are_the_first_part_of_sensor_ids():
    ids = np.array(["ios_1/cam/2", "wifi_sensor", "/x"])
    assert clock_of(ids).tolist() == ["ios_1", "", ""]
