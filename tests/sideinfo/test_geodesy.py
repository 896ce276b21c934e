"""Degrees to metres, against pyproj's geodesics and its azimuthal projection."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcsa.sideinfo.geodesy import LIMIT, Plane, distance, middle, to_degrees, to_metres
from gcsa.sideinfo.utm import Zone

pyproj = pytest.importorskip("pyproj")
GEOD = pyproj.Geod(ellps="WGS84")


def around(origin, reach, n=200, seed=0):
    """Points (n, 2) up to ``reach`` metres from an origin; their azimuths and distances from it."""
    random = np.random.default_rng(seed)
    azimuth, metres = random.uniform(-180, 180, n), reach * np.sqrt(random.uniform(0, 1, n))
    start = np.tile(origin, (n, 1)).T
    lon, lat, _ = GEOD.fwd(start[1], start[0], azimuth, metres)
    return np.stack([lat, lon], axis=1), azimuth, metres


@settings(deadline=None)
@given(
    lat=st.floats(-89.9, 89.9),
    lon=st.floats(-180, 180),
    seed=st.integers(0, 1000),
    reach=st.sampled_from([100.0, 1e4, LIMIT]),
)
def test_distances_are_geodesics(lat, lon, seed, reach):
    origin = np.array([lat, lon])
    points, azimuth, metres = around(origin, reach, 20, seed)
    plane = to_metres(points, origin)
    a, b = np.triu_indices(20, 1)
    expected = GEOD.inv(points[a, 1], points[a, 0], points[b, 1], points[b, 0])[2]
    error = np.abs(np.linalg.norm(plane[a] - plane[b], axis=1) - expected)
    if reach <= 1e4:
        assert error.max() < 0.01
    assert (error <= 0.004 * expected + 1e-4).all()
    np.testing.assert_allclose(distance(points, origin), metres, rtol=4e-4, atol=1e-3)


@pytest.mark.parametrize("origin", [(55.7, 13.2), (-33.9, 18.4), (0.0, 179.9999), (69.6, -51.0)])
def test_axes_are_east_and_north(origin):
    points, azimuth, metres = around(np.array(origin), 5000)
    plane = to_metres(points, np.array(origin))
    turn = np.rad2deg(np.arctan2(plane[:, 0], plane[:, 1])) - azimuth
    assert np.abs((turn + 180) % 360 - 180)[metres > 10].max() < 1e-3
    project = pyproj.Proj(proj="aeqd", lat_0=origin[0], lon_0=origin[1], ellps="WGS84")
    expected = np.stack(project(points[:, 1], points[:, 0]), axis=1)
    assert np.abs(plane - expected).max() < 0.002


@settings(deadline=None)
@given(
    lat=st.floats(-89.9, 89.9),
    lon=st.floats(-180, 180),
    seed=st.integers(0, 1000),
    reach=st.sampled_from([100.0, 1e4, LIMIT]),
)
def test_metres_become_the_degrees_they_were(lat, lon, seed, reach):
    origin = np.array([lat, lon])
    points = around(origin, reach, 20, seed)[0]
    found = to_degrees(to_metres(points, origin), origin)
    away = GEOD.inv(found[:, 1], found[:, 0], points[:, 1], points[:, 0])[2]
    assert away.max() < 1e-6  # a micrometre


@pytest.mark.parametrize("origin", [(55.7, 13.2), (-33.9, 18.4), (0.0, 179.9999), (69.6, -51.0)])
def test_degrees_are_those_of_earth_centred_coordinates(origin):
    """Against pyproj's topocentric frame: straight below the point of the plane."""
    metres = np.random.default_rng(0).uniform(-20_000, 20_000, (50, 2))
    found = Plane(origin).to_degrees(metres)
    chain = f"+proj=topocentric +lat_0={origin[0]} +lon_0={origin[1]} +h_0=0 +ellps=WGS84"
    steps = f"+proj=pipeline +step +proj=cart +ellps=WGS84 +step {chain}"
    plane = pyproj.Transformer.from_pipeline(steps)
    east, north, up = plane.transform(found[:, 1], found[:, 0], np.zeros(50))
    np.testing.assert_allclose(np.stack([east, north], 1), metres, atol=1e-5)
    assert (up < 0).all()  # this side of the Earth, which falls away


@pytest.mark.parametrize(("number", "south", "lat"), [(33, False, 55.7), (56, True, -33.9)])
def test_degrees_of_a_zone(number, south, lat):
    project = pyproj.Proj(proj="utm", zone=number, south=south, ellps="WGS84")
    random = np.random.default_rng(0)
    degrees = np.column_stack(
        [lat + random.normal(size=20), 6 * number - 183 + random.normal(size=20)]
    )
    metres = np.column_stack(project(degrees[:, 1], degrees[:, 0]))
    found = Zone(number, south).to_degrees(np.vstack([metres, [np.nan, np.nan]]))
    np.testing.assert_allclose(found[:-1], degrees, atol=1e-9)
    assert np.isnan(found[-1]).all()


def test_unknown_stays_unknown():
    plane = to_metres(np.array([[1.0, 2.0], [np.nan, np.nan]]), np.array([1.0, 2.0]))
    assert plane[0].tolist() == [0, 0] and np.isnan(plane[1]).all()
    degrees = to_degrees(plane, np.array([1.0, 2.0]))
    assert degrees[0] == pytest.approx([1, 2]) and np.isnan(degrees[1]).all()


def test_middle_on_both_sides_of_the_date_line():
    found = middle(np.array([[10.0, 179.9], [11.0, -179.9], [12.0, 179.95]]))
    assert found[0] == 11 and found[1] == pytest.approx(179.95)
    assert middle(np.array([[1.0, 2.0]])).tolist() == [1, 2]
    # One bad point does not draw it away.
    assert middle(np.array([[55.0, 13], [55, 13], [55, 13], [0, 0]])).tolist() == [55, 13]
