import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcsa.sideinfo import heading

angles = st.floats(-50, 50)


@pytest.mark.parametrize(
    ("degrees", "expected"), [(0, 1), (45, 0.5), (90, 0), (135, -0.5), (180, -1), (270, 0)]
)
def test_closed_form(degrees, expected):
    assert heading.affinity(np.deg2rad(degrees), 0.0) == pytest.approx(expected, abs=1e-12)


@given(angles, angles, st.integers(-3, 3))
def test_range_symmetry_and_whole_turns(a, b, turns):
    value = heading.affinity(a, b)
    assert -1 <= value <= 1
    assert value == pytest.approx(heading.affinity(b, a))
    assert value == pytest.approx(heading.affinity(a + 2 * np.pi * turns, b), abs=1e-12)


@given(angles, angles)
def test_difference_is_the_angle_between_the_directions(a, b):
    cosine = np.cos(a) * np.cos(b) + np.sin(a) * np.sin(b)
    assert np.cos(heading.difference(a, b)) == pytest.approx(cosine, abs=1e-12)


def test_unknown_stays_unknown_and_arrays_broadcast():
    h = np.array([0.0, np.nan, np.pi])
    matrix = heading.affinity(h[:, None], h)
    assert matrix.shape == (3, 3)
    assert np.isnan(matrix[1]).all() and np.isnan(matrix[:, 1]).all()
    assert matrix[0, 2] == pytest.approx(-1)


@given(angles, angles)
def test_wrapped_headings_give_the_same(a, b):
    one, other = heading.wrapped(np.array([a, np.nan])), heading.wrapped(np.array(b))
    assert one.dtype == np.float32 and 0 <= one[0] <= np.float32(2 * np.pi)
    found = heading.affinity_of_wrapped(one, other)
    assert found[0] == pytest.approx(heading.affinity(a, b), abs=1e-6) and np.isnan(found[1])
