"""The share of a device's position in a field of view: closed forms, integration, random draws."""

import logging
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import dblquad
from scipy.special import erf

from gcsa.places.calibration import Calibration
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo import fov
from gcsa.sideinfo.affinity import Lists, SideInformation, width
from gcsa.sideinfo.evidence import ACCURACY_SIGMAS
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.whereabouts import ACCURACY, LEAST_SIGMA, share_in_field

RIGHT = math.pi / 2


def share(reading, sigma, heading=0.0, radius=50.0, angle=RIGHT):
    """Of one reading, for a camera at 0, 0."""
    accuracy = np.array([sigma * ACCURACY_SIGMAS])
    camera = np.zeros((1, 1, 2)), np.array([[heading]])
    return float(share_in_field(np.array([reading], float), accuracy, *camera, radius, angle)[0, 0])


@pytest.mark.parametrize("sigma", [3.0, 12.0, 60.0, 400.0])
@pytest.mark.parametrize("angle", [0.2, RIGHT, math.pi, 6.0])
def test_at_the_camera(sigma, angle):
    """A Gaussian about the apex: the angle's part of what lies within the radius."""
    expected = angle / (2 * math.pi) * (1 - math.exp(-0.5 * (50 / sigma) ** 2))
    assert share((0, 0), sigma, 1.3, angle=angle) == pytest.approx(expected, abs=1e-9)


def test_inside_and_outside():
    assert share((0, 25), 3) == pytest.approx(1, abs=1e-4)
    assert share((25, 0), 3) == pytest.approx(0, abs=1e-4)
    assert share((25, 0), 3, heading=RIGHT) == pytest.approx(1, abs=1e-4), "clockwise from north"
    assert share((0, -25), 3) == 0 or share((0, -25), 3) < 1e-9
    assert share((0, 500), 3) == 0


def test_an_edge_halves():
    """Far from apex and arc the side of the field is a straight line."""
    along = 100 * np.array([math.sin(RIGHT / 2), math.cos(RIGHT / 2)])
    assert share(along, 3, radius=200) == pytest.approx(0.5, abs=1e-3)
    # Two deviations inside of it: the normal distribution up to 2.
    inside = along + 6 * np.array([-math.cos(RIGHT / 2), math.sin(RIGHT / 2)])
    assert share(inside, 3, radius=200) == pytest.approx(0.5 + 0.5 * erf(2 / 2**0.5), abs=1e-3)


@pytest.mark.parametrize(
    ("reading", "sigma", "heading"), [((10, 20), 8, 0.4), ((-40, 30), 20, 5.5), ((3, -4), 3, 2.0)]
)
def test_against_integration(reading, sigma, heading):
    def density(r, theta):
        x, y = r * math.sin(theta) - reading[0], r * math.cos(theta) - reading[1]
        return r * math.exp(-0.5 * (x * x + y * y) / sigma**2) / (2 * math.pi * sigma**2)

    whole = dblquad(density, heading - RIGHT / 2, heading + RIGHT / 2, 0, 50, epsabs=1e-9)[0]
    assert share(reading, sigma, heading) == pytest.approx(whole, abs=1e-6)


def test_what_is_not_stated():
    assert ACCURACY == Calibration().gps_accuracy, "as the posterior has it"
    at = np.zeros((1, 1, 2)), np.zeros((1, 1)), 50.0, RIGHT
    one, two = (share_in_field(np.array([[0.0, 30]]), np.array([a]), *at) for a in (np.nan, 20.0))
    assert one == two
    # More certain than a database is: as certain as that.
    assert share((0, 30), 0.01) == share((0, 30), LEAST_SIGMA)


@settings(max_examples=50, deadline=None)
@given(
    east=st.floats(-200, 200),
    north=st.floats(-200, 200),
    sigma=st.floats(0.1, 500),
    heading=st.floats(-10, 10),
    radius=st.floats(5, 150),
)
def test_shares_are_shares(east, north, sigma, heading, radius):
    """In [0, 1], and the four quarters about a camera make up its disc."""
    quarters = [share((east, north), sigma, heading + k * RIGHT, radius) for k in range(4)]
    assert all(0 <= q <= 1 for q in quarters)
    whole = share((east, north), sigma, 0.0, radius, 2 * math.pi - 1e-9)
    assert sum(quarters) == pytest.approx(whole, abs=2e-3)


def scene_of(n=30, q=4, **lacking):
    random = np.random.default_rng(0)
    reading = random.uniform(0, 120, (q, 2)) + [5e5, 6e6]
    reading[2] = np.nan
    database = {
        "positions": random.uniform(0, 120, (n, 2)) + [5e5, 6e6],
        "headings": random.uniform(0, 2 * np.pi, n),
    }
    database["headings"][4] = np.nan
    names = np.array([f"d{i}" for i in range(n)])
    queries = {"positions": reading, "accuracy": np.array([10, np.nan, 5, 60.0])}
    return Scene(
        "s",
        ImageSet(names, **{**database, **lacking.get("database", {})}),
        ImageSet(
            np.array([f"q{i}" for i in range(q)]), **{**queries, **lacking.get("queries", {})}
        ),
    )


@pytest.mark.parametrize(("K", "L"), [(9, 5), (5, 9)])
def test_the_block(K, L):
    scene, config = scene_of(), FovConfig()
    random = np.random.default_rng(1)
    lists = np.stack([random.permutation(30)[:9] for _ in range(4)])
    lists[0, 0], lists[1, 7:] = 4, -1
    found = SideInformation(scene, ["position"], config).columns(Lists(np.arange(4), lists, K, L))
    assert found.shape == (4, 1 + K, 1 + L) and width("position", L) == 1 + L
    assert found[:, 0, 0].tolist() == [1, 1, 0, 1]
    assert not found[2, 0].any() and not found[2, :, 0].any(), "no reading"
    assert (found >= 0).all() and (found <= 1).all()
    h, sigmas = scene.database.headings, np.array([10, ACCURACY, 5, 60]) / ACCURACY_SIGMAS
    for b in (0, 1, 3):
        for k, row in enumerate(lists[b]):
            expected = 0.0
            if row >= 0 and row != 4:
                offset = scene.queries.positions[b] - scene.database.positions[row]
                expected = share(offset, sigmas[b], h[row])
            if k < K:
                assert found[b, 1 + k, 0] == pytest.approx(expected, abs=1e-6)
            if k < L:
                assert found[b, 0, 1 + k] == pytest.approx(expected, abs=1e-6)
    clean = lists[3][lists[3] != 4]
    overlaps = fov.overlap_pairs(scene.database.positions[clean], h[clean], **config.kwargs())
    if len(clean) == 9:
        np.testing.assert_allclose(found[3, 1:, 1:], overlaps[:K, :L], atol=1e-6)
    among = SideInformation(scene, ["positional-db"], config)
    np.testing.assert_array_equal(
        found[:, 1:, 1:], among.columns(Lists(np.arange(4), lists, K, L))[:, 1:]
    )


@pytest.mark.parametrize(
    "lacking",
    [
        {"queries": {"positions": None}},
        {"database": {"positions": None}},
        {"database": {"headings": None}},
    ],
)
def test_what_lacks_is_said(lacking, caplog):
    with caplog.at_level(logging.WARNING):
        side = SideInformation(scene_of(**lacking), ["position"], FovConfig())
    assert "s: no data for affinity 'position', it stays 0" in caplog.text
    assert not side.columns(Lists(np.arange(4), np.zeros((4, 3), int), 3, 3)).any()
