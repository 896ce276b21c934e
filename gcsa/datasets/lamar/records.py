"""The files of a LaMAR session one by one: text -> arrays, checked.

Poses map sensor or rig to world, p_w = R p_c + t; within a rig they map camera to rig.
Timestamps are int64 microseconds on the clock of a sub-session, the part of a sensor's id before
its first "/". Each reader gives None where its file is absent, and raises InputError, which names
file, line and what was expected. (lamar-benchmark, scantools/capture.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gcsa.datasets.lamar.table import Kind, Table, need, read_table
from gcsa.errors import InputError
from gcsa.files import read_text
from gcsa.files.lines import names_by_line
from gcsa.scene import EARTH
from gcsa.sideinfo.radio import measured
from gcsa.sideinfo.scans import Scans, clock_of

POSE = {name: float for name in "qw qx qy qz tx ty tz".split()}
# How far a quaternion's length may be from 1: rounded to three digits it still passes.
QUATERNION_TOLERANCE = 1e-3
MAC = r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}"
BEACON = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}:\d+:\d+"
# A frequency of WiFi written in MHz where kHz belong would be below.
LOWEST_KHZ = 100_000
# Fields that nobody reads may follow: names, scan times.
MOST_FIELDS = 100
PARAMETERS = 15  # of a camera, at most: model, width, height, and FULL_OPENCV's twelve


@dataclass(frozen=True)
class Camera:
    """COLMAP's model by name, size in pixels, and the model's parameters in COLMAP's order."""

    model: str
    width: int
    height: int
    params: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Rig:
    """Sensors of a rig: ids (m,), camera-to-rig quaternions wxyz (m, 4), translations (m, 3)."""

    sensor_ids: np.ndarray
    quaternions: np.ndarray
    translations: np.ndarray


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Poses, sensor- or rig-to-world: (m,) int64 us and str, (m, 4) wxyz, (m, 3) metres."""

    timestamps: np.ndarray
    device_ids: np.ndarray
    quaternions: np.ndarray
    translations: np.ndarray


@dataclass(frozen=True, eq=False)
class Images:
    """timestamps (n,) int64, sensor_ids (n,) str, paths (n,) str relative to raw_data/."""

    timestamps: np.ndarray
    sensor_ids: np.ndarray
    paths: np.ndarray

    def __len__(self) -> int:
        return len(self.timestamps)


@dataclass(frozen=True, eq=False)
class Queries:
    """timestamps (q,) int64, device_ids (q,) str: sensors, or rigs for all their cameras."""

    timestamps: np.ndarray
    device_ids: np.ndarray


def read_sensors(path: Path) -> tuple[dict[str, str], dict[str, Camera]]:
    """Types of sensors by id, and the cameras among them; the file must exist."""
    parameters = [f"parameter {i}" for i in range(1, PARAMETERS + 1)]
    columns: dict[str, Kind] = dict.fromkeys(["sensor_id", "name", "sensor_type", *parameters], str)
    table = read_table(path, columns, widths=range(3, len(columns) + 1))
    table = need(table, path, "the sensors of a session")
    table.check_filled("sensor_id", "sensor_type")
    table.check_unique("sensor_id")
    sensors = dict(zip(table.strings("sensor_id"), table.strings("sensor_type"), strict=True))
    sensors = {str(name): str(kind) for name, kind in sensors.items()}
    rows = table.columns[parameters].to_numpy(dtype=object)
    cameras = {
        name: _camera(table, row, rows[row])
        for row, (name, kind) in enumerate(sensors.items())
        if kind == "camera"
    }
    return sensors, cameras


def _camera(table: Table, row: int, fields: np.ndarray) -> Camera:
    model, width, height, *params = fields
    params = params[: len(params) - next((i for i, p in enumerate(params[::-1]) if p), len(params))]
    try:
        camera = Camera(model, int(width), int(height), tuple(float(p) for p in params))
    except ValueError as error:
        problem = f"a camera's model, width, height, parameters expected ({error})"
        raise table.error(row, problem) from error
    if min(camera.width, camera.height) <= 0 or not np.isfinite(camera.params).all():
        raise table.error(row, "a camera's size must be positive, its parameters finite")
    return camera


def read_rigs(path: Path, sensors: Collection[str]) -> dict[str, Rig]:
    """Rigs by id; none where there is no file."""
    columns: dict[str, Kind] = {"rig_id": "category", "sensor_id": "category", **POSE}
    table = read_table(path, columns, widths=(9,))
    if table is None:
        return {}
    check_poses(table)
    table.check_unique("rig_id", "sensor_id")
    table.check_known("sensor_id", sensors, "a sensor of sensors.txt")
    names, codes = table.codes("rig_id")
    both = np.isin(names, np.array(sorted(sensors), dtype=str))[codes]
    if both.any():
        row = int(both.argmax())
        raise table.error(row, f"rig '{names[codes[row]]}' is a sensor of sensors.txt too")
    members, poses = table.strings("sensor_id"), table.numbers(*POSE)
    return {
        str(name): Rig(members[codes == i], poses[codes == i, :4], poses[codes == i, 4:])
        for i, name in enumerate(names)
    }


def read_trajectory(path: Path, devices: Collection[str]) -> Trajectory | None:
    """Poses of ``devices`` (sensors, rigs); covariances are not read."""
    columns: dict[str, Kind] = {"timestamp": int, "device_id": "category", **POSE}
    table = read_table(path, columns, widths=(9, 45))
    if table is None:
        return None
    check_poses(table)
    table.check_known("device_id", devices, "a sensor or rig of this session")
    table.check_unique("timestamp", "device_id")
    poses = table.numbers(*POSE)
    return Trajectory(
        table.numbers("timestamp"), table.strings("device_id"), poses[:, :4], poses[:, 4:]
    )


def check_poses(table: Table) -> None:
    norms = np.linalg.norm(table.numbers("qw", "qx", "qy", "qz"), axis=1)
    wrong = np.abs(norms - 1) > QUATERNION_TOLERANCE
    if wrong.any():
        row = int(wrong.argmax())
        raise table.error(row, f"qw, qx, qy, qz have length {norms[row]:.6g}, expected 1")
    far = (np.abs(table.numbers("tx", "ty", "tz")) > EARTH).any(axis=1)
    if far.any():
        raise table.error(int(far.argmax()), f"tx, ty, tz lie beyond {EARTH:g} metres")


def read_images(path: Path, cameras: Collection[str]) -> Images | None:
    """The list of images; whether they exist as files is not looked at."""
    columns: dict[str, Kind] = {"timestamp": int, "sensor_id": "category", "image_path": str}
    table = read_table(path, columns, widths=(3,))
    if table is None:
        return None
    table.check_known("sensor_id", cameras, "a camera of sensors.txt")
    table.check_filled("image_path")
    table.check_unique("timestamp", "sensor_id")
    table.check_unique("image_path")
    return Images(
        table.numbers("timestamp"), table.strings("sensor_id"), table.strings("image_path")
    )


def read_wifi(path: Path, sensors: Collection[str]) -> Scans | None:
    """WiFi rows with a measured signal, kHz converted to MHz; names, scan times are not read."""
    columns: dict[str, Kind] = {"timestamp": int, "sensor_id": "category", "mac_addr": "category"}
    columns |= {"frequency_khz": int, "rssi_dbm": float}
    table = read_table(path, columns, widths=range(5, MOST_FIELDS))
    if table is None:
        return None
    frequency = table.numbers("frequency_khz")
    wrong = (frequency > 0) & (frequency < LOWEST_KHZ)
    if wrong.any():
        row = int(wrong.argmax())
        raise table.error(row, f"frequency {frequency[row]}: kHz expected, -1 for unknown")
    megahertz = np.where(frequency > 0, frequency / 1e3, -1.0)
    return scans_of(table, sensors, "mac_addr", MAC, megahertz, "six pairs of hexadecimal digits")


def read_bluetooth(path: Path, sensors: Collection[str]) -> Scans | None:
    """Bluetooth rows with a measured signal, of unknown frequency; names are not read."""
    columns: dict[str, Kind] = {"timestamp": int, "sensor_id": "category", "id": "category"}
    columns |= {"rssi_dbm": float}
    table = read_table(path, columns, widths=range(4, MOST_FIELDS))
    if table is None:
        return None
    return scans_of(table, sensors, "id", BEACON, -np.ones(len(table)), "guid:major:minor")


def scans_of(
    table: Table,
    sensors: Collection[str],
    name: str,
    pattern: str,
    frequency: np.ndarray,
    shape: str,
    clocks_of: Callable[[np.ndarray], np.ndarray] = clock_of,
) -> Scans:
    """The measured signals of a table with timestamp, sensor_id, rssi_dbm and the column ``name``.

    pattern: of transmitters, ``shape`` in words. frequency: (m,) MHz. clocks_of: ids of sensors to
    those of their clocks, (k,) str each.
    """
    table.check_known("sensor_id", sensors, "a sensor of sensors.txt")
    table.check_matches(name, f"(?i:{pattern})", shape)
    ids, sensor = table.codes("sensor_id")
    clocks, clock = np.unique(clocks_of(ids), return_inverse=True)
    values, transmitter = table.codes(name)
    transmitters, lower = np.unique(np.char.lower(values), return_inverse=True)
    signal = table.numbers("rssi_dbm")
    known = measured(signal, str(table.path))
    return Scans(
        timestamps=table.numbers("timestamp")[known],
        clocks=clocks,
        clock=clock.reshape(-1)[sensor][known],
        transmitters=transmitters,
        transmitter=lower.reshape(-1)[transmitter][known],
        rssi_dbm=signal[known],
        frequency_mhz=frequency[known],
    )


def read_queries(path: Path, devices: Collection[str]) -> Queries | None:
    """queries.txt is stricter: "timestamp, id" with exactly one space, and nothing else."""
    if not path.is_file():
        return None
    lines = read_text(path).removesuffix("\n").split("\n")
    if lines == [""]:
        lines = []
    matches = [re.fullmatch(r"(-?\d{1,18}), ([^\s,](?:[^,]*[^\s,])?)", line) for line in lines]
    found = []
    for number, (line, match) in enumerate(zip(lines, matches, strict=True), start=1):
        if match is None:
            problem = f"'{line}' is not 'timestamp, id' (a comma, one space, no comments)"
        elif match[2] not in devices:
            problem = f"'{match[2]}' is not a sensor or rig of this session"
        else:
            found.append(match)
            continue
        raise InputError(f"{path}: line {number}: {problem}")
    if len({match.groups() for match in found}) < len(found):
        again = next(i for i, line in enumerate(lines) if line in lines[:i])
        raise InputError(f"{path}: line {again + 1}: '{lines[again]}' is there twice")
    return Queries(
        np.array([int(m[1]) for m in found], dtype=np.int64),
        np.array([m[2] for m in found], dtype=str),
    )


def read_subsessions(path: Path) -> tuple[str, ...] | None:
    """The sub-sessions that a session was put together from."""
    if not path.is_file():
        return None
    return tuple(names_by_line(path))
