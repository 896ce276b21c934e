"""The images of one kapture folder, and what they know."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gcsa.datasets.kapture.clocks import clocks_of
from gcsa.datasets.kapture.records import Capture
from gcsa.datasets.lamar.capture import camera_poses
from gcsa.datasets.lamar.records import Images
from gcsa.datasets.sessions import in_order, sessions
from gcsa.errors import given
from gcsa.sideinfo.radio import Radio, stack_columns
from gcsa.sideinfo.scans import WINDOW_US, Scans, clock_of, observe

# Where the images of a kapture folder are, and its global features.
DATA = "sensors/records_data"
FEATURES = "reconstruction/global_features"
APART = 1e4  # seconds between the times of what was not taken together


@dataclass(frozen=True, eq=False)
class Part:
    """One kapture folder's images: ``role``, the folder's name; what they know, row by row."""

    role: str
    capture: Capture

    @property
    def images(self) -> Images:
        return given(self.capture.session.images, "records_camera.txt")

    @cached_property
    def names(self) -> np.ndarray:
        """Paths relative to the scene's folder, (n,) str."""
        return np.char.add(f"{self.role}/{DATA}/", self.images.paths)

    @cached_property
    def poses(self) -> tuple[np.ndarray, np.ndarray]:
        """Camera to world: rotations (n, 3, 3), positions (n, 3); NaN where unknown."""
        return camera_poses(self.capture.session, self.capture.session.trajectory)

    @property
    def posed(self) -> bool:
        return bool(np.isfinite(self.poses[1]).any())

    def labels(self, whole: bool) -> np.ndarray:
        """Which images may be of one drive, (n,) str; of a rig each camera alone, or the whole."""
        rigs = self.capture.session.rigs
        rig_of = {str(s): name for name, rig in rigs.items() for s in rig.sensor_ids}
        sensors = self.images.sensor_ids
        begun = clock_of(sensors)
        alone = np.array([s in rig_of for s in sensors], dtype=bool) & (not whole)
        rig = np.array([rig_of.get(s, s) for s in sensors], dtype=str)
        return np.where(alone, sensors, np.where(begun != "", begun, rig))

    def taken(self, whole: bool, places: np.ndarray | None) -> dict[str, Any]:
        """The fields of an ImageSet that say what was taken together."""
        if "camera" not in self.capture.timed:
            return {}
        times = self.images.timestamps
        seconds = (times - times.min()) / 1e6
        number = np.unique(self.labels(whole), return_inverse=True)[1]
        away = number * (seconds.max() + APART) + seconds
        where = np.full((len(times), 2), np.nan) if places is None else places[:, :2]
        together = sessions(away, where)
        return {"sequences": together, "frames": in_order(together, times), "times": times}

    def radio(self, past_only: bool) -> Radio:
        """What the images heard, transmitters of Bluetooth apart from those of WiFi."""
        session = self.capture.session
        found = [
            self._heard(kind, scans, past_only)
            for kind, scans in (("wifi", session.wifi), ("bluetooth", session.bluetooth))
            if scans is not None and len(scans)
        ]
        return stack_columns(len(self.images), found)

    def _heard(self, kind: str, scans: Scans, past_only: bool) -> Radio:
        session, times = self.capture.session, self.images.timestamps
        clocks = clocks_of(session.sensors, session.rigs, kind)
        mine = np.array([clocks[name] for name in self.images.sensor_ids], dtype=str)
        window = WINDOW_US if {"camera", kind} <= self.capture.timed else 0
        if _at_images(scans, times, mine):
            window = 0
        wifi, bluetooth = (scans, None) if kind == "wifi" else (None, scans)
        return observe(times, mine, wifi, bluetooth, past_only, window)


def _at_images(scans: Scans, times: np.ndarray, clocks: np.ndarray) -> bool:
    """Whether every scan has the time of an image of its clock: it is that image's own."""
    pairs = set(zip(clocks.tolist(), times.tolist(), strict=True))
    theirs = scans.clocks[scans.clock].tolist()
    return all(pair in pairs for pair in zip(theirs, scans.timestamps.tolist(), strict=True))
