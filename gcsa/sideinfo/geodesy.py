"""Latitude and longitude as metres on the ground, around an origin.

A point's east and north are those in the plane that touches the WGS84 ellipsoid at the origin
(local tangent plane, heights taken as 0). Distances between points within 10 km of the origin are
right to 1 cm, and up to LIMIT from it to 0.4 %: 10 cm of 25 m.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RADIUS = 6378137.0  # metres, of the equator (WGS84)
FLATTENING = 1 / 298.257223563
LIMIT = 500_000.0  # metres from the origin
_SQUARED = FLATTENING * (2 - FLATTENING)  # of the eccentricity


@dataclass(frozen=True)
class Plane:
    """The frame of a scene in the plane that touches the ellipsoid at ``origin`` (lat, lon)."""

    origin: tuple[float, float]

    def to_degrees(self, positions: np.ndarray) -> np.ndarray:
        """Latitude and longitude (n, 2) of metres east and north (n, 2); NaN stays NaN."""
        return to_degrees(positions, np.array(self.origin))

    def to_metres(self, degrees: np.ndarray) -> np.ndarray:
        """Metres east and north (n, 2) of latitudes and longitudes (n, 2); NaN stays NaN."""
        return to_metres(degrees, np.array(self.origin))


def to_metres(degrees: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """East and north of points, (n, 2) metres.

    degrees: (n, 2) latitude and longitude. origin: (2,), likewise. NaN stays NaN.
    """
    offset = _cartesian(degrees) - _cartesian(origin)
    return offset @ _axes(origin)[:, :2]


def to_degrees(metres: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Latitude and longitude (n, 2) of points (n, 2), metres: :func:`to_metres` undone.

    A point of the plane is brought straight down onto the ellipsoid: a quadratic equation, and on
    the ellipsoid the latitude has a closed form. NaN stays NaN.
    """
    axes = _axes(origin)
    flat = _cartesian(origin) + metres @ axes[:, :2].T
    # The ellipsoid is a sphere where its axis is stretched.
    stretch = np.array([1.0, 1.0, 1 / (1 - FLATTENING)])
    start, down = flat * stretch, -axes[:, 2] * stretch
    along, square = start @ down, down @ down
    away = (start**2).sum(-1) - RADIUS**2
    # The nearer of two crossings, in the form that does not cancel.
    depth = away / (-along + np.sqrt(along**2 - square * away))
    x, y, z = (flat - depth[:, None] * axes[:, 2]).T
    lat = np.arctan2(z, (1 - _SQUARED) * np.hypot(x, y))
    return np.rad2deg(np.column_stack([lat, np.arctan2(y, x)]))


def distance(degrees: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Metres from the origin straight through the Earth, (n,); shapes as in :func:`to_metres`."""
    return np.linalg.norm(_cartesian(degrees) - _cartesian(origin), axis=-1)


def middle(degrees: np.ndarray) -> np.ndarray:
    """The median latitude and longitude (2,) of points (n, 2), on either side of 180 degrees."""
    first = degrees[0, 1]
    turned = (degrees[:, 1] - first + 180) % 360 - 180 + first
    return np.array([np.median(degrees[:, 0]), np.median(turned)])


def _axes(origin: np.ndarray) -> np.ndarray:
    """East, north and up at a point, the columns of (3, 3)."""
    lat, lon = np.deg2rad(origin)
    east = np.array([-np.sin(lon), np.cos(lon), 0.0])
    north = np.array([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)])
    return np.stack([east, north, np.cross(east, north)], axis=1)


def _cartesian(degrees: np.ndarray) -> np.ndarray:
    """Earth-centred coordinates (..., 3) of points (..., 2) on the ellipsoid."""
    lat, lon = np.deg2rad(degrees[..., 0]), np.deg2rad(degrees[..., 1])
    normal = RADIUS / np.sqrt(1 - _SQUARED * np.sin(lat) ** 2)
    flat = normal * np.cos(lat)
    parts = flat * np.cos(lon), flat * np.sin(lon), normal * (1 - _SQUARED) * np.sin(lat)
    return np.stack(parts, axis=-1)
