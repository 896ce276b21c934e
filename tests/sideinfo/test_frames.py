"""Frames of scenes: degrees to metres, and back, against pyproj."""

import numpy as np
import pytest

from gcsa.datasets.kapture.ground import Ground
from gcsa.sideinfo.geodesy import Plane
from gcsa.sideinfo.utm import Zone

pyproj = pytest.importorskip("pyproj")


@pytest.mark.parametrize("south", [False, True])
def test_a_zone_is_one_plane_on_both_sides_of_the_equator(south):
    degrees = np.array([[55.7, 13.2], [0.001, 15.0], [-0.001, 15.0], [-33.9, 18.4]])
    east, north = pyproj.Proj(proj="utm", zone=33, ellps="WGS84", south=south)(*degrees.T[::-1])
    zone = Zone(33, south)
    found = zone.to_metres(degrees)
    np.testing.assert_allclose(found, np.column_stack([east, north]), atol=1e-4)
    np.testing.assert_allclose(zone.to_degrees(found), degrees, atol=1e-9)
    assert np.isnan(zone.to_metres(np.full((1, 2), np.nan))).all()


def test_frames_undo_themselves():
    degrees = np.array([[55.7, 13.2], [55.701, 13.19], [np.nan, np.nan]])
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    plane = Plane((55.7, 13.2))
    assert plane.to_metres(degrees)[0] == pytest.approx([0, 0], abs=1e-6)
    for frame in (plane, Ground(plane, turn, np.array([100.0, -50.0]))):
        np.testing.assert_allclose(frame.to_degrees(frame.to_metres(degrees)), degrees, atol=1e-9)
