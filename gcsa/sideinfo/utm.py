"""Universal Transverse Mercator on the WGS84 ellipsoid, both ways.

Series of Krueger in the third flattening n, as given by Karney, "Transverse Mercator with an
accuracy of a few nanometers", Journal of Geodesy 85 (2011), equations 7 to 12, 35 and 36, cut
after n^4: errors stay below a micrometre within a zone.
"""

import math
from dataclasses import dataclass

import numpy as np

_F = 1 / 298.257223563
_N = _F / (2 - _F)
_E = math.sqrt(_F * (2 - _F))
_RADIUS = 6378137.0 / (1 + _N) * (1 + _N**2 / 4 + _N**4 / 64)
_SCALE = 0.9996
_ALPHA = (
    _N / 2 - 2 * _N**2 / 3 + 5 * _N**3 / 16 + 41 * _N**4 / 180,
    13 * _N**2 / 48 - 3 * _N**3 / 5 + 557 * _N**4 / 1440,
    61 * _N**3 / 240 - 103 * _N**4 / 140,
    49561 * _N**4 / 161280,
)
_BETA = (
    _N / 2 - 2 * _N**2 / 3 + 37 * _N**3 / 96 - _N**4 / 360,
    _N**2 / 48 + _N**3 / 15 - 437 * _N**4 / 1440,
    17 * _N**3 / 480 - 37 * _N**4 / 840,
    4397 * _N**4 / 161280,
)


@dataclass(frozen=True)
class Zone:
    """The frame of a scene whose positions are easting and northing of one zone.

    south: northings have the southern offset.
    """

    number: int
    south: bool = False

    def to_degrees(self, positions: np.ndarray) -> np.ndarray:
        """Latitude and longitude (n, 2) of easting and northing (n, 2); NaN stays NaN."""
        lon, lat = to_lonlat(positions[:, 0], positions[:, 1], self.number, self.south)
        return np.column_stack([lat, lon])

    def to_metres(self, degrees: np.ndarray) -> np.ndarray:
        """Easting and northing (n, 2) of latitudes and longitudes (n, 2); NaN stays NaN."""
        east, north = to_utm(degrees[:, 1], degrees[:, 0], self.number)
        # One offset for all of a scene, also beyond the equator.
        offset = np.where(degrees[:, 0] < 0, 0.0, 1e7) if self.south else -1e7 * (degrees[:, 0] < 0)
        return np.column_stack([east, north + offset])


def zone_of(lon: float) -> int:
    """Return the number (1..60) of the six-degree zone of a longitude in degrees."""
    return int((lon + 180) // 6) % 60 + 1


def _series(coefficients, xi, eta, sign):
    terms = [(2 * (j + 1), c) for j, c in enumerate(coefficients)]
    east = sum(c * np.sin(k * xi) * np.cosh(k * eta) for k, c in terms)
    north = sum(c * np.cos(k * xi) * np.sinh(k * eta) for k, c in terms)
    return xi + sign * east, eta + sign * north


def to_utm(lon, lat, zone: int):
    """Degrees -> (easting, northing) in metres; latitudes below 0 get the southern offset."""
    lam = np.radians(np.asarray(lon, float) - (6 * zone - 183))
    sin_lat = np.sin(np.radians(np.asarray(lat, float)))
    tau = np.sinh(np.arctanh(sin_lat) - _E * np.arctanh(_E * sin_lat))  # conformal latitude
    xi = np.arctan2(tau, np.cos(lam))
    eta = np.arcsinh(np.sin(lam) / np.hypot(tau, np.cos(lam)))
    xi, eta = _series(_ALPHA, xi, eta, +1)
    northing = _SCALE * _RADIUS * xi + np.where(np.asarray(lat) < 0, 1e7, 0.0)
    return 5e5 + _SCALE * _RADIUS * eta, northing


def to_lonlat(easting, northing, zone: int, south: bool = False):
    """(easting, northing) in metres of a zone -> (longitude, latitude) in degrees."""
    xi = (np.asarray(northing, float) - (1e7 if south else 0.0)) / (_SCALE * _RADIUS)
    eta = (np.asarray(easting, float) - 5e5) / (_SCALE * _RADIUS)
    xi, eta = _series(_BETA, xi, eta, -1)
    tau_conformal = np.sin(xi) / np.hypot(np.sinh(eta), np.cos(xi))
    lon = np.degrees(np.arctan2(np.sinh(eta), np.cos(xi))) + 6 * zone - 183
    return lon, np.degrees(np.arctan(_geographic_tau(tau_conformal)))


def _geographic_tau(tau_conformal):
    """Tangent of the geographic latitude from that of the conformal one, by Newton steps."""
    tau = tau_conformal.copy() if isinstance(tau_conformal, np.ndarray) else tau_conformal
    for _ in range(4):  # converges quadratically; two steps reach float64 accuracy
        root = np.sqrt(1 + tau**2)
        sigma = np.sinh(_E * np.arctanh(_E * tau / root))
        estimate = tau * np.sqrt(1 + sigma**2) - sigma * root
        slope = (1 + (1 - _E**2) * tau**2) / ((1 - _E**2) * root * np.sqrt(1 + estimate**2))
        tau = tau + (tau_conformal - estimate) * slope
    return tau
