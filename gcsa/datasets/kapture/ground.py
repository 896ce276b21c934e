"""Where on the Earth the world of a kapture folder lies, by the GNSS of its images."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gcsa.datasets.kapture.clocks import clocks_of
from gcsa.datasets.kapture.records import Capture
from gcsa.sideinfo.geodesy import Plane, distance, middle, to_metres
from gcsa.sideinfo.scans import WINDOW_US

logger = logging.getLogger(__name__)

LEAST = 3  # images with a pose and a reading that a fit needs
ROUNDS, FAR = 5, 3.0  # of fitting; readings so many medians away are left out of the next
AGREED = 50.0  # metres, in the median: readings further from the poses are of another world
# Metres of a reading whose dilution is 1: the error of a range to a satellite under an open sky.
RANGE = 5.0


@dataclass(frozen=True)
class Ground:
    """The frame of a scene whose world is turned and moved against a plane on the ground.

    A point (x, y) of the scene is at ``turn @ (x, y) + shift`` of the plane.
    """

    plane: Plane
    turn: np.ndarray
    shift: np.ndarray

    def to_degrees(self, positions: np.ndarray) -> np.ndarray:
        """Latitude and longitude (n, 2) of positions (n, 2), metres; NaN stays NaN."""
        return self.plane.to_degrees(positions @ self.turn.T + self.shift)

    def to_metres(self, degrees: np.ndarray) -> np.ndarray:
        """Positions (n, 2) of latitudes and longitudes (n, 2)."""
        return (to_metres(degrees, np.array(self.plane.origin)) - self.shift) @ self.turn


def readings(capture: Capture) -> tuple[np.ndarray, np.ndarray]:
    """Of each image the nearest reading of its receiver: degrees (n, 2) and accuracy (n,), metres.

    At most WINDOW_US away; of timestamps without a unit, at the same one. NaN where there is none.
    """
    session, gnss = capture.session, capture.gnss
    images = session.images
    count = 0 if images is None else len(images)
    degrees, accuracy = np.full((count, 2), np.nan), np.full(count, np.nan)
    if gnss is None or images is None:
        return degrees, accuracy
    clocks = clocks_of(session.sensors, session.rigs, "gnss")
    mine = np.array([clocks[name] for name in images.sensor_ids], dtype=str)
    theirs = np.array([clocks[name] for name in gnss.device_ids], dtype=str)
    window = WINDOW_US if {"camera", "gnss"} <= capture.timed else 0
    for clock in np.unique(mine):
        rows, own = np.flatnonzero(mine == clock), np.flatnonzero(theirs == clock)
        if len(own):
            own = own[np.argsort(gnss.timestamps[own], kind="stable")]
            near = _nearest(gnss.timestamps[own], images.timestamps[rows])
            right = np.abs(gnss.timestamps[own][near] - images.timestamps[rows]) <= window
            degrees[rows[right]] = gnss.degrees[own[near[right]]]
            accuracy[rows[right]] = RANGE * gnss.dilution[own[near[right]]]
    return degrees, accuracy


def _nearest(moments: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The index of the nearest of sorted moments (m,), the earlier of two equally near: (n,)."""
    after = np.searchsorted(moments, wanted).clip(0, len(moments) - 1)
    before = (after - 1).clip(0)
    closer = np.abs(moments[before] - wanted) <= np.abs(moments[after] - wanted)
    return np.where(closer, before, after)


def fit(places: np.ndarray, degrees: np.ndarray, where: Path) -> Ground | None:
    """The ground on which positions (n, 2), metres, lie where readings (n, 2) say.

    A turn and a shift by least squares (Kabsch), without readings that lie far off. None where
    fewer than LEAST images have both, or where they do not agree, which is said.
    """
    both = np.isfinite(places).all(axis=1) & np.isfinite(degrees).all(axis=1)
    if both.sum() < LEAST:
        return None
    places, degrees = places[both], degrees[both]
    origin = middle(degrees)
    if (distance(degrees, origin) > 1e5).any():
        logger.info("%s: readings of GNSS lie more than 100 km apart; not used", where)
        return None
    metres, kept = to_metres(degrees, origin), np.ones(len(places), bool)
    for _ in range(ROUNDS):
        turn, shift = _rigid(places[kept], metres[kept])
        apart = np.linalg.norm(places @ turn.T + shift - metres, axis=1)
        kept = apart <= max(FAR * float(np.median(apart)), 1e-6)
    spread = np.linalg.svd(places - places.mean(axis=0), compute_uv=False)
    if np.median(apart) > AGREED or not spread[0] > 1.0:
        logger.info(
            "%s: readings of GNSS lie %.0f m from the poses, in the median; not used",
            *(where, np.median(apart)),
        )
        return None
    return Ground(Plane((float(origin[0]), float(origin[1]))), turn, shift)


def _rigid(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The turn (2, 2) and shift (2,) that bring points a (m, 2) nearest to b."""
    centre_a, centre_b = a.mean(axis=0), b.mean(axis=0)
    u, _, vt = np.linalg.svd((b - centre_b).T @ (a - centre_a))
    turn = u @ np.diag([1.0, np.sign(np.linalg.det(u @ vt))]) @ vt
    return turn, centre_b - turn @ centre_a
