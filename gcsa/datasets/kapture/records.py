"""The text files of one kapture folder, ``sensors/``, as arrays.

They are of LaMAR's grammar, and so read into its :class:`Session`; kapture's poses are the other
way round, world to device and rig to sensor, and are inverted here. (kapture 1.1.)
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gcsa.datasets.kapture.clocks import clocks_of
from gcsa.datasets.kapture.times import microseconds
from gcsa.datasets.lamar.capture import Session, rotations
from gcsa.datasets.lamar.records import (
    MOST_FIELDS,
    POSE,
    Rig,
    Trajectory,
    check_poses,
    read_images,
    read_rigs,
    scans_of,
)
from gcsa.datasets.lamar.table import Kind, Table, need, read_table
from gcsa.errors import InputError, MissingFileError
from gcsa.files import read_text
from gcsa.sideinfo.scans import Scans

logger = logging.getLogger(__name__)

VERSION = re.compile(r"# kapture format: *(\S+)")
READ = ("1.0", "1.1")


@dataclass(frozen=True, eq=False)
class Readings:
    """Rows of records_gnss.txt: (m,) int64 us, (m,) str, (m, 2) latitude and longitude, (m,)
    dilution of precision, NaN where it is not known.
    """

    timestamps: np.ndarray
    device_ids: np.ndarray
    degrees: np.ndarray
    dilution: np.ndarray


@dataclass(frozen=True, eq=False)
class Capture:
    """One kapture folder. timed: the kinds of records ("camera", "wifi", ...) of known unit."""

    session: Session
    gnss: Readings | None
    timed: frozenset[str]


def read_capture(folder: Path) -> Capture:
    """Read the folder that holds ``sensors/``. InputError names file and line."""
    sensors_folder = folder / "sensors"
    if not sensors_folder.is_dir():
        raise MissingFileError(f"{sensors_folder}: no such folder; expected one of kapture's")
    sensors = _sensors(sensors_folder / "sensors.txt")
    rigs = {
        name: _inverted(rig)
        for name, rig in read_rigs(sensors_folder / "rigs.txt", sensors).items()
    }
    cameras = [name for name, kind in sensors.items() if kind == "camera"]
    images = read_images(sensors_folder / "records_camera.txt", cameras)
    if images is None:
        raise MissingFileError(f"{sensors_folder / 'records_camera.txt'}: no such file")
    moments, known = microseconds(sensors_folder / "records_camera.txt", images.timestamps)
    timed = {"camera"} if known else set()
    trajectory = _trajectory(sensors_folder / "trajectories.txt", sensors.keys() | rigs.keys())
    if trajectory is not None and known:
        path = sensors_folder / "trajectories.txt"
        trajectory = replace(trajectory, timestamps=microseconds(path, trajectory.timestamps)[0])
    scans: dict[str, Scans | None] = {}
    for kind in ("wifi", "bluetooth"):
        path, clocks = sensors_folder / f"records_{kind}.txt", clocks_of(sensors, rigs, kind)
        scans[kind], known = _scans(path, sensors, kind, clocks)
        timed |= {kind} if known else set()
    gnss, known = _gnss(sensors_folder / "records_gnss.txt", sensors)
    timed |= {"gnss"} if known else set()
    session = Session(
        folder,
        sensors,
        {},
        rigs,
        replace(images, timestamps=moments),
        trajectory,
        wifi=scans["wifi"],
        bluetooth=scans["bluetooth"],
    )
    return Capture(session, gnss, frozenset(timed))


def _sensors(path: Path) -> dict[str, str]:
    """Types of sensors by id."""
    columns: dict[str, Kind] = {"sensor_id": str, "name": str, "sensor_type": str}
    table = need(read_table(path, columns, range(3, MOST_FIELDS)), path, "the sensors")
    found = VERSION.match(read_text(path))
    if found and found[1] not in READ:
        raise InputError(f"{path}: kapture format {found[1]}; read are {', '.join(READ)}")
    table.check_filled("sensor_id", "sensor_type")
    table.check_unique("sensor_id")
    pairs = zip(table.strings("sensor_id"), table.strings("sensor_type"), strict=True)
    return {str(name): str(kind) for name, kind in pairs}


def _inverted(rig: Rig) -> Rig:
    """kapture's rig to sensor as sensor to rig."""
    return Rig(rig.sensor_ids, *_turned(rig.quaternions, rig.translations))


def _turned(quaternions: np.ndarray, translations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The inverses of rigid motions: quaternions wxyz (m, 4), translations (m, 3)."""
    back = rotations(quaternions).inv()
    return back.as_quat()[:, [3, 0, 1, 2]], -back.apply(translations)


def _trajectory(path: Path, devices: Collection[str]) -> Trajectory | None:
    """Poses device to world; those that are not whole are passed over, and counted."""
    columns: dict[str, Kind] = {"timestamp": int, "device_id": "category", **POSE}
    words: dict[str, Kind] = {**columns, **dict.fromkeys(POSE, str)}
    table = read_table(path, words, widths=(9,))
    if table is None:
        return None
    partial = (table.columns[list(POSE)] == "").any(axis=1).to_numpy()
    if partial.any():
        logger.info("%s: %d poses are not whole, passed over", path, int(partial.sum()))
    table = _numbers(table, ~partial)
    table = _of_sensors(table, devices, "device_id")
    table.check_unique("timestamp", "device_id")
    if not len(table):
        return None
    check_poses(table)
    poses = table.numbers(*POSE)
    return Trajectory(
        table.numbers("timestamp"),
        table.strings("device_id"),
        *_turned(poses[:, :4], poses[:, 4:]),
    )


def _numbers(table: Table, rows: np.ndarray) -> Table:
    """Some rows of a table of poses, their texts as numbers."""
    columns = table.columns[rows].reset_index(drop=True)
    kept = Table(table.path, table.lines[rows], columns)
    for name in POSE:
        values = np.array([_number(text) for text in columns[name]], dtype=np.float64)
        wrong = ~np.isfinite(values)
        if wrong.any():
            row = int(wrong.argmax())
            raise kept.error(row, f"column '{name}': '{columns[name][row]}' is not a number")
        columns[name] = values
    return kept


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _scans(
    path: Path, sensors: Collection[str], kind: str, clocks: dict[str, str]
) -> tuple[Scans | None, bool]:
    """Signals of WiFi or Bluetooth, and whether the unit of their times is known."""
    columns: dict[str, Kind] = {"timestamp": int, "sensor_id": "category", "address": "category"}
    columns |= {"frequency": float} if kind == "wifi" else {}
    columns |= {"rssi_dbm": float}
    table = read_table(path, columns, widths=range(len(columns), MOST_FIELDS))
    if table is None:
        return None, False
    table = _of_sensors(table, sensors)
    frequency = -np.ones(len(table))
    if kind == "wifi":
        frequency = _megahertz(table.numbers("frequency"))

    def labels(ids: np.ndarray) -> np.ndarray:
        return np.array([clocks[name] for name in ids], dtype=str)

    scans = scans_of(table, sensors, "address", ".+", frequency, "an address", labels)
    moments, known = microseconds(path, scans.timestamps)
    return replace(scans, timestamps=moments), known


def _of_sensors(table: Table, sensors: Collection[str], column: str = "sensor_id") -> Table:
    """The rows of sensors that sensors.txt has; others are passed over, as kapture does."""
    names, codes = table.codes(column)
    known = np.isin(names, np.array(sorted(sensors), dtype=str))[codes]
    if known.all():
        return table
    text = "%s: %d of %d rows are of no sensor or rig of its folder ('%s'), passed over"
    other = names[codes[np.flatnonzero(~known)[0]]]
    logger.info(text, table.path, int((~known).sum()), len(known), other)
    columns = table.columns[known].reset_index(drop=True)
    for name in columns.select_dtypes("category"):
        columns[name] = columns[name].cat.remove_unused_categories()
    return Table(table.path, table.lines[known], columns)


def _megahertz(frequency: np.ndarray) -> np.ndarray:
    """Frequencies of which kapture's text says Hz, and its samples are MHz: told by size."""
    scale = np.where(frequency < 1e5, 1.0, np.where(frequency < 1e8, 1e3, 1e6))
    return np.where(frequency > 0, frequency / scale, -1.0)


def _gnss(path: Path, sensors: Collection[str]) -> tuple[Readings | None, bool]:
    columns: dict[str, Kind] = {"timestamp": int, "sensor_id": "category", "x": float, "y": float}
    columns |= {"z": str, "utc": str, "dop": str}
    table = read_table(path, columns, widths=range(4, MOST_FIELDS))
    if table is None or not len(table):
        return None, False
    table = _of_sensors(table, sensors)
    degrees = table.numbers("y", "x")
    outside = (np.abs(degrees) > [90.0, 180.0]).any(axis=1)
    if outside.any():
        row = int(outside.argmax())
        raise table.error(row, "x, y are not longitude and latitude in degrees")
    dilution = np.array([_number(text) for text in table.strings("dop")])
    moments, known = microseconds(path, table.numbers("timestamp"))
    good = np.where(dilution > 0, dilution, np.nan)
    return Readings(moments, table.strings("sensor_id"), degrees, good), known
