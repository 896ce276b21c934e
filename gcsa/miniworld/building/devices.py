"""Cameras of NavVis, phone and HoloLens: intrinsics, rigs, and poses in the world."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

# Camera-to-world of an upright camera that looks north: x right, y down, z ahead.
LEVEL = Rotation.from_matrix([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
# HoloLens: left-left, left-front, right-front, right-right; turns clockwise in degrees, and places
# beside, ahead of and above the head in metres.
TRACKERS = {
    "hetll": (-52.0, (-0.06, 0.01, 0.015)),
    "hetlf": (-16.0, (-0.05, 0.03, 0.02)),
    "hetrf": (17.0, (0.05, 0.03, 0.02)),
    "hetrr": (53.0, (0.06, 0.01, 0.015)),
}
# Body of the rig against a level head: any constant turn that the calibration undoes.
TILT = Rotation.from_euler("zyx", (31.0, -12.0, 24.0), degrees=True)
FIELD = {"phone": 88.0, "hololens": 92.0, "navvis": 98.0}  # degrees across
EYE = {"phone": (1.35, 1.6), "hololens": (1.62, 1.8), "navvis": (1.6, 1.6)}  # metres


@dataclass(frozen=True)
class Lens:
    """PINHOLE intrinsics in pixels; the upper left corner of the image is (0, 0)."""

    width: int
    height: int
    focal: float
    cx: float
    cy: float

    @property
    def fov(self) -> float:
        """Horizontal field of view in radians, of a principal point in the middle column."""
        return 2 * float(np.arctan(self.width / 2 / self.focal))

    @property
    def pitch(self) -> float:
        """The pitch that a renderer with an upright image plane takes: it shifts the horizon."""
        return float(np.arctan((self.cy - self.height / 2) / self.focal))


def lens_of(device: str, width: int, height: int, random: np.random.Generator) -> Lens:
    """Draw one device's intrinsics."""
    focal = width / 2 / np.tan(np.deg2rad(FIELD[device]) / 2) * random.uniform(0.985, 1.015)
    return Lens(width, height, float(focal), width / 2, float(height * random.normal(0.5, 0.015)))


def frame_lens(lens: Lens, random: np.random.Generator) -> Lens:
    """The intrinsics of a single frame: a phone focuses, and images are turned upright."""
    focal = lens.focal * random.uniform(0.99, 1.01)
    middle = lens.cy + random.normal(0, lens.height / 30)
    return Lens(lens.width, lens.height, float(focal), lens.cx, middle)


def about_z(angle) -> Rotation:
    """Counter-clockwise turns as seen from above: one of an angle (radians), or n of (n,)."""
    return Rotation.from_rotvec(np.multiply.outer(np.asarray(angle, np.float64), (0.0, 0.0, 1.0)))


def upright(heading) -> Rotation:
    """Camera-to-world rotations of upright cameras; headings clockwise from north, radians."""
    return about_z(-np.asarray(heading)) * LEVEL


def rig_rotation(heading) -> Rotation:
    """Rig-to-world rotations of a head that looks along `heading`."""
    return about_z(-np.asarray(heading)) * TILT


def rig_calibration() -> dict[str, tuple[Rotation, np.ndarray]]:
    """Camera-to-rig rotation and translation of each camera of the HoloLens."""
    undo = TILT.inv()
    return {
        name: (undo * upright(np.deg2rad(turn)), undo.apply(place))
        for name, (turn, place) in TRACKERS.items()
    }


def camera_place(name: str, position: np.ndarray, heading: float) -> tuple[np.ndarray, float]:
    """Position (3,) and heading of one camera of a rig."""
    turn, place = TRACKERS[name]
    offset = about_z(-heading).apply(place)
    return position + offset, heading + np.deg2rad(turn)


def pose_fields(rotation: Rotation, position) -> list[float]:
    """qw qx qy qz tx ty tz of one pose."""
    x, y, z, w = rotation.as_quat()
    return [float(v) for v in (w, x, y, z, *position)]
