"""Field-of-view overlap of pairs against closed forms, plain Shapely loops, and each other."""

import numpy as np
import pytest
import shapely
from fields import QUARTER, one_pair, plain_overlap, polygon, street, widest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gcsa.sideinfo import fov

STATES = st.integers(0, 2**32 - 1)
REFERENCE = "geos" if "geos" in fov.BACKENDS else "shapely"


@pytest.fixture(params=list(fov.BACKENDS))
def backend(request):
    return request.param


def test_sectors_are_the_polygons_of_the_definition():
    positions, headings = street(5)
    drawn = fov.sectors(positions, headings, radius=20.0, angle=1.0, points=7)
    assert drawn.shape == (5, 7, 2)
    for vertices, position, heading in zip(drawn, positions, headings, strict=True):
        expected = polygon(position, heading, radius=20.0, angle=1.0, points=7)
        np.testing.assert_allclose(vertices, expected.exterior.coords[:-1], rtol=0, atol=1e-8)
    round_ = shapely.polygons(fov.sectors([[0, 0]], [1.0], radius=10.0, angle=4.0, points=1024)[0])
    assert round_.area == pytest.approx(10.0**2 * 4 / 2, rel=1e-5)


def test_facing_cameras_beyond_the_radius(backend):
    expected = plain_overlap((0, 0), 0.0, (0, 60), np.pi)
    assert expected == pytest.approx(0.81, abs=0.005)
    assert one_pair([0, 60], np.pi, backend=backend) == pytest.approx(expected, abs=1e-9)
    assert one_pair([0, 60], np.pi, cutoff="published", backend=backend) == 0


@pytest.mark.parametrize(
    ("offset", "turn", "field", "expected"),
    [
        ([0, 0], 0.0, {}, 1),
        ([0, 0], 2 * np.pi, {}, 1),
        ([0, 0], np.pi, {}, 0),  # back to back
        ([0, 0], QUARTER, {}, 0),  # side by side
        ([0, 100], np.pi, {}, 0),  # arcs that touch
        ([0, 0], np.pi / 4, {"points": 3}, np.sqrt(2) - 1),  # right triangles
        ([0, 10], 0.0, {"points": 3}, (1 - 10 / (50 / np.sqrt(2))) ** 2),  # similar triangles
        ([0, 0], QUARTER, {"points": 5, "angle": 1.5 * np.pi}, 2 / 3),  # squares less a quarter
        ([0, 0], np.pi, {"points": 5, "angle": 1.5 * np.pi}, 2 / 3),
        ([0, 0], np.pi, {"points": 4, "angle": np.pi}, 0),  # half planes
        ([0, 1], np.pi, {"angle": 0.4}, 0.02**2 * np.tan(0.2) / 14 / np.sin(0.4 / 14)),  # the tips
        ([0, 0.05], np.pi, {"angle": 0.4}, 0.001**2 * np.tan(0.2) / 14 / np.sin(0.4 / 14)),
    ],
)
def test_closed_forms(backend, offset, turn, field, expected):
    if field.get("angle", 0) > np.deg2rad(widest(backend)):
        with pytest.raises(ValueError, match="'convex' is for angles up to pi"):
            one_pair(offset, turn, **field, backend=backend)
        return
    assert one_pair(offset, turn, **field, backend=backend) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("turn", ["opening", "about"])
def test_fields_that_share_only_an_edge_do_not_overlap(backend, turn):
    # GEOS alone takes nearly a whole field for the intersection of a few of these.
    rng = np.random.default_rng(0)
    for degrees, points in [(10, 3), (30, 5), (30, 7), (45, 12), (60, 6), (90, 16), (150, 8)]:
        angle = np.deg2rad(degrees)
        heading, jitter = rng.uniform(0, 7, 2000), rng.normal(0, 1e-15, (2000, 2))
        side = heading + angle / 2
        along = (
            50 * rng.integers(-9, 20, (2000, 1)) / 20 * np.stack([np.sin(side), np.cos(side)], 1)
        )
        turned = heading + (angle if turn == "opening" else np.pi)
        overlaps = fov.overlap_of_pairs(
            np.zeros((2000, 2)), heading, along + jitter, turned,
            angle=angle, points=points, backend=backend,
        )  # fmt: skip
        assert not overlaps.any()


def test_published_cut_and_normalisation(backend):
    positions, headings = street()
    exact = fov.overlap_pairs(positions, headings, backend=backend)
    published = fov.overlap_pairs(positions, headings, cutoff="published", backend=backend)
    distance = np.hypot(*(positions[:, None] - positions).transpose(2, 0, 1))
    share = polygon((0, 0), 0.0).area / (50.0**2 * QUARTER / 2)
    expected = np.where(distance <= 50, exact * share, 0)
    np.fill_diagonal(expected, 1)
    np.testing.assert_allclose(published, expected, rtol=0, atol=1e-12)
    assert np.any(exact[distance > 50] > 0.3)
    same = one_pair([0, 0], 0.0, cutoff="published", backend=backend)  # two cameras, one pose
    assert same == pytest.approx(share)


def test_ten_thousand_pairs_equal_plain_shapely(backend):
    rng = np.random.default_rng(2)
    worst, count = 0.0, 0
    while count < 10_000:
        points, angle = int(rng.integers(3, 65)), np.deg2rad(rng.uniform(10, widest(backend)))
        if angle / (points - 2) > 3.1:
            continue
        field = {"radius": rng.uniform(1, 80), "angle": angle, "points": points}
        a, b = rng.uniform(-1, 1, (2, 50, 2)) * field["radius"] * 0.8
        heading_a, heading_b = rng.uniform(-7, 7, (2, 50))
        expected = [plain_overlap(*pair, **field) for pair in zip(a, heading_a, b, heading_b)]  # noqa: B905
        found = fov.overlap_of_pairs(a, heading_a, b, heading_b, **field, backend=backend)
        worst, count = max(worst, abs(found - expected).max()), count + 50
    assert worst < 1e-9


def coincident(rng, kind, angle, step):
    """Cameras (30) of which many share a place, sides or arcs, but for some last bits."""
    positions, headings = rng.uniform(0, 120, (30, 2)), rng.uniform(0, 7, 30)
    if kind == "grid":
        positions, headings = np.round(positions / 25) * 25, np.round(headings / angle) * angle
    if kind == "places":
        positions, headings = positions[rng.integers(0, 4, 30)], np.round(headings / step) * step
    if kind == "sides":
        along = headings[0] + rng.integers(-2, 3, 30) * angle / 2
        positions = np.stack([np.sin(along), np.cos(along)], 1) * rng.choice(
            [0, 10, 25, 50], (30, 1)
        )
        headings = headings[0] + np.round(headings / angle) * angle
    noise = 10.0 ** rng.uniform(-18, -9)
    return positions + rng.normal(0, noise, (30, 2)), headings + rng.normal(0, noise, 30)


@pytest.mark.skipif("convex" not in fov.BACKENDS, reason="not compiled")
@settings(max_examples=200, deadline=None)
@given(
    STATES,
    st.floats(0.2, np.pi) | st.sampled_from([np.pi / 2, np.pi]),
    st.integers(3, 40),
    st.sampled_from(["any", "grid", "places", "sides"]),
)
def test_convex_equals_the_reference_also_where_edges_coincide(state, angle, points, kind):
    assume(angle / (points - 2) < 3.1)
    rng = np.random.default_rng(state)
    positions, headings = coincident(rng, kind, angle, angle / (points - 2))
    positions += rng.choice([0, 1]) * np.array([5e5, 6e6])
    field = {"angle": angle, "points": points}
    found = fov.overlap_pairs(positions, headings, **field, backend="convex")
    backwards = fov.overlap_pairs(positions[::-1], headings[::-1], **field, backend="convex")
    expected = fov.overlap_pairs(positions, headings, **field, backend=REFERENCE)
    assert abs(found - expected).max() < 1e-9
    assert abs(found - backwards[::-1, ::-1]).max() < 1e-12


@settings(max_examples=60, deadline=None)
@given(STATES, st.floats(0.2, 6.1), st.integers(5, 40), st.floats(-10, 10))
def test_invariances(state, angle, points, turn):
    positions, headings = street(8, state, width=80.0)
    field = {"angle": angle, "points": points}
    overlaps = fov.overlap_pairs(positions, headings, **field)
    assert np.array_equal(overlaps, overlaps.T)
    assert overlaps.min() >= 0 and overlaps.max() <= 1 and np.all(np.diag(overlaps) == 1)
    backwards = fov.overlap_pairs(positions[::-1], headings[::-1], **field)[::-1, ::-1]
    np.testing.assert_allclose(overlaps, backwards, rtol=0, atol=1e-9)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = (positions - positions[0]) @ rotation + [300.0, -7.0]
    moved = fov.overlap_pairs(moved, headings + turn, **field)
    np.testing.assert_allclose(overlaps, moved, rtol=0, atol=1e-7)  # UTM: 1e-9 m, in 80 m
    pair = plain_overlap(positions[0], headings[0], positions[1], headings[1], **field)
    assert overlaps[0, 1] == pytest.approx(pair, abs=1e-7)
