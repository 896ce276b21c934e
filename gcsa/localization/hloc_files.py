"""The files that hloc and LaMAR exchange, read and written.

Inside the package poses map camera (or rig) to world. hloc's result files hold world-to-camera
poses, LaMAR's trajectories camera- or rig-to-world ones; both are converted here. Quaternions are
wxyz. Files are written whole or not at all; a fault in one is an InputError with its line.
(hloc c13273b; lamar-benchmark fb87264.)
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

from gcsa.datasets.hloc import MOST_FIELDS, Names

# What hloc needs of LaMAR is in this module, pairs included.
from gcsa.datasets.hloc import read_pairs as read_pairs
from gcsa.datasets.hloc import write_pairs as write_pairs
from gcsa.datasets.lamar.records import Camera
from gcsa.errors import InputError
from gcsa.files import limits, read_text, reading, replacing
from gcsa.files.lines import PathLike, cut, fields_by_line, numbered
from gcsa.localization.poses import Poses

TRAJECTORY_HEADER = "# timestamp, device_id, qw, qx, qy, qz, tx, ty, tz, *covar"
Numbers = Sequence[int] | np.ndarray  # (n,) int64
# Timestamps (n,), device ids (n,), poses (n,).
PosesInTime = tuple[Numbers, Names, Poses]

MOST_TIME = 2**63 - 1  # as NumPy counts


def write_query_list(path: PathLike, names: Names, cameras: Sequence[Camera]) -> None:
    """``name MODEL width height parameters...`` a line: hloc's query list with intrinsics."""
    lines = [
        " ".join([name, camera.model, *map(_text, (camera.width, camera.height, *camera.params))])
        for name, camera in zip(names, cameras, strict=True)
    ]
    _write(path, "\n".join(lines))


def read_query_list(path: PathLike) -> tuple[list[str], list[Camera]]:
    """Names and cameras of a query list."""
    names, cameras = [], []
    for number, (name, model, *fields) in fields_by_line(
        path, range(5, MOST_FIELDS), "name MODEL w h params..."
    ):
        width, height, *params = _numbers(path, number, fields)
        names.append(name)
        cameras.append(Camera(model, int(width), int(height), tuple(params)))
    return names, cameras


def write_results(path: PathLike, names: Names, poses: Poses) -> None:
    """hloc's result file of the poses that are known, camera-to-world in and world-to-camera out.

    names: written as they are; hloc writes base names, see :func:`result_names`.
    """
    known = poses.known
    back = poses[known].inverse()
    lines = [
        " ".join([name, *map(_text, (*q, *t))])
        for name, q, t in zip(
            np.asarray(names)[known], back.quaternions(), back.positions, strict=True
        )
    ]
    _write(path, "\n".join(lines))


def read_results(path: PathLike, names: Names) -> Poses:
    """Camera-to-world poses (n,) of the images ``names`` from hloc's result file.

    The file has base names, or parent/basename, or longer ends of the names; an image that it
    lacks has a missing pose. Raises InputError where an entry is of no image, of several, or of
    an image that had one before.
    """
    owners: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        parts = name.split("/")
        for start in range(len(parts)):
            owners.setdefault("/".join(parts[start:]), []).append(row)
    quaternions, translations = np.full((len(names), 4), np.nan), np.full((len(names), 3), np.nan)
    for number, (name, *fields) in fields_by_line(path, [8], "name qw qx qy qz tx ty tz"):
        rows = owners.get(name, [])
        where = f"{path}: line {number}: '{name}'"
        if not rows:
            raise InputError(f"{where} is none of the {len(names)} images asked for")
        if len(rows) > 1:
            both = " and ".join(f"'{names[row]}'" for row in rows[:2])
            raise InputError(f"{where} may be {both}; localise them in separate files")
        if np.isfinite(quaternions[rows[0]]).all():
            raise InputError(f"{where} is there twice")
        values = _numbers(path, number, fields)
        if not np.linalg.norm(values[:4]) > 0:
            raise InputError(f"{where} has the quaternion 0")
        quaternions[rows[0]], translations[rows[0]] = values[:4], values[4:]
    return Poses.from_quaternions(quaternions, translations).inverse()


def result_names(names: Names, parents: int = 0) -> list[str]:
    """What hloc calls the images in its results: the base name, with ``parents`` folders before."""
    return ["/".join(name.split("/")[-1 - parents :]) for name in names]


def write_trajectory(path: PathLike, timestamps: Numbers, device_ids: Names, poses: Poses) -> None:
    """LaMAR's trajectory (poses.txt, a submission): the known poses, camera- or rig-to-world."""
    _write(path, trajectory_text(timestamps, device_ids, poses))


def trajectory_text(timestamps: Numbers, device_ids: Names, poses: Poses) -> str:
    """The text of such a file, sorted by time and device."""
    known = np.flatnonzero(poses.known).tolist()
    rows = sorted(known, key=lambda row: (int(timestamps[row]), str(device_ids[row])))
    values = np.concatenate([poses.quaternions(), poses.positions], axis=1)
    lines = [
        ", ".join([str(int(timestamps[row])), str(device_ids[row]), *map(_text, values[row])])
        for row in rows
    ]
    return "\n".join([TRAJECTORY_HEADER, *lines]) + "\n"


def read_trajectory(path: PathLike) -> PosesInTime:
    """The records of such a file; covariances are passed over."""
    return _trajectory(read_text(path), str(path))


def _trajectory(text: str, path: str) -> PosesInTime:
    times, devices, values = [], [], []
    form = "timestamp, device_id, qw, qx, qy, qz, tx, ..."
    for number, fields in cut(numbered(text, comments=True), path, (9, 45), form, separator=","):
        if not fields[0].isdecimal() or int(fields[0]) > MOST_TIME:
            raise InputError(f"{path}: line {number}: expected '{form}'")
        times.append(int(fields[0]))
        devices.append(fields[1])
        values.append(_numbers(path, number, fields[2:9]))
    table = np.array(values, dtype=np.float64).reshape(-1, 7)
    poses = Poses.from_quaternions(table[:, :4], table[:, 4:])
    return np.array(times, dtype=np.int64), np.array(devices, dtype=str), poses


def write_submission(
    path: PathLike,
    description: str,
    trajectories: Mapping[tuple[str, str], PosesInTime],
) -> None:
    """The zip that the LaMAR benchmark takes: description.txt and {SCENE}_query_{device}.txt.

    trajectories: {(scene, device): (timestamps, device ids, poses)}, see write_trajectory.
    """
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr("description.txt", description, zipfile.ZIP_DEFLATED)
        for (scene, device), trajectory in trajectories.items():
            name = f"{scene}_query_{device}.txt"
            archive.writestr(name, trajectory_text(*trajectory), zipfile.ZIP_DEFLATED)


def read_submission(path: PathLike) -> tuple[str, dict[tuple[str, str], PosesInTime]]:
    """What write_submission wrote: the description and {(scene, device): trajectory}."""
    trajectories, description = {}, ""
    with reading(path, "a LaMAR submission, .zip"), zipfile.ZipFile(path) as archive:
        limits.check_archive(path)
        for name in archive.namelist():
            text = archive.read(name).decode("utf-8")
            parts = re.fullmatch(r"(\w+)_query_(\w+)\.txt", name)
            if name == "description.txt":
                description = text
            elif parts:
                trajectories[parts[1], parts[2]] = _trajectory(text, f"{path}: {name}")
            else:
                raise InputError(f"{path}: '{name}' is no file of a LaMAR submission")
    return description, trajectories


def _write(path: PathLike, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _text(value: float) -> str:
    """The shortest text that reads back as the same number."""
    return str(int(value)) if isinstance(value, int | np.integer) else repr(float(value))


def _numbers(path: PathLike, number: int, fields: Sequence[str]) -> list[float]:
    try:
        values = [float(field) for field in fields]
    except ValueError as error:
        raise InputError(f"{path}: line {number}: {error}") from error
    if not np.isfinite(values).all():
        raise InputError(f"{path}: line {number}: a value is not finite")
    return values
