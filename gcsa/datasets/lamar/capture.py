"""One session of a LaMAR scene: its files as arrays, and the poses of its cameras.

Poses map sensor or rig to world, p_w = R p_c + t, and a camera looks along the third column of R
(x right, y down). Timestamps are int64 microseconds on the clock of a sub-session, the part of a
sensor's id before its first "/"; clocks of different sub-sessions have nothing in common.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from gcsa.datasets.lamar.records import (
    Camera,
    Images,
    Queries,
    Rig,
    Trajectory,
    read_bluetooth,
    read_images,
    read_queries,
    read_rigs,
    read_sensors,
    read_subsessions,
    read_trajectory,
    read_wifi,
)
from gcsa.errors import InputError, given
from gcsa.sideinfo.scans import Scans


@dataclass(frozen=True, eq=False)
class Session:
    """A session's files; None where one is absent. sensors.txt alone must be there.

    sensors: id -> type ("camera", "wifi", ...). cameras: id -> Camera. rigs: id -> Rig.
    trajectory: trajectories.txt, the truth of the map and mere odometry of a query session.
    alignment: proc/alignment_trajectories.txt, the truth of a query session, in the map's frame.
    wifi, bluetooth: scans, row by row. subsessions: proc/subsessions.txt.
    """

    folder: Path
    sensors: dict[str, str]
    cameras: dict[str, Camera]
    rigs: dict[str, Rig]
    images: Images | None = None
    trajectory: Trajectory | None = None
    alignment: Trajectory | None = None
    wifi: Scans | None = None
    bluetooth: Scans | None = None
    queries: Queries | None = None
    subsessions: tuple[str, ...] | None = None

    @property
    def listed(self) -> Images:
        """The images; InputError where the session lists none."""
        return given(self.images, str(self.folder / "images.txt"))

    @property
    def asked(self) -> Queries:
        """The queries; InputError where the session asks none."""
        return given(self.queries, str(self.folder / "queries.txt"))


def read_session(folder: str | os.PathLike) -> Session:
    """Read one session. Raises InputError, which names file, line and what was expected."""
    folder = Path(folder)
    sensors, cameras = read_sensors(folder / "sensors.txt")
    rigs = read_rigs(folder / "rigs.txt", sensors)
    devices = sensors.keys() | rigs.keys()
    return Session(
        folder=folder,
        sensors=sensors,
        cameras=cameras,
        rigs=rigs,
        images=read_images(folder / "images.txt", cameras),
        trajectory=read_trajectory(folder / "trajectories.txt", devices),
        alignment=read_trajectory(folder / "proc" / "alignment_trajectories.txt", devices),
        wifi=read_wifi(folder / "wifi.txt", sensors),
        bluetooth=read_bluetooth(folder / "bt.txt", sensors),
        queries=read_queries(folder / "queries.txt", devices),
        subsessions=read_subsessions(folder / "proc" / "subsessions.txt"),
    )


def rotations(quaternions: np.ndarray) -> Rotation:
    """SciPy rotations of quaternions wxyz, (n, 4)."""
    return Rotation.from_quat(np.asarray(quaternions)[:, [1, 2, 3, 0]])


def camera_poses(session: Session, trajectory: Trajectory | None) -> tuple[np.ndarray, np.ndarray]:
    """Camera-to-world poses of the images of a session, in the order of images.txt.

    trajectory: ``session.trajectory`` or ``session.alignment``. An image has the pose of its own
    camera at its timestamp, else that of its rig composed with the camera's place in the rig.
    Returns rotations (n, 3, 3) and positions (n, 3) float64, metres; NaN where there is no pose.
    """
    images = session.images
    count = 0 if images is None else len(images)
    matrices, positions = np.full((count, 3, 3), np.nan), np.full((count, 3), np.nan)
    if trajectory is None or images is None or not count:
        return matrices, positions
    poses = camera_trajectory(session, trajectory)
    row = find(images.timestamps, images.sensor_ids, poses.timestamps, poses.device_ids)
    known = row >= 0
    if known.any():
        matrices[known] = rotations(poses.quaternions[row[known]]).as_matrix()
        positions[known] = poses.translations[row[known]]
    return matrices, positions


def camera_trajectory(session: Session, trajectory: Trajectory) -> Trajectory:
    """A trajectory with each rig's pose replaced by those of its sensors, to world.

    Poses that the sensors have of their own come first.
    """
    rig_ids, members, rig = _rig_members(session)
    direct = ~np.isin(trajectory.device_ids, rig_ids)
    own = Trajectory(
        *(getattr(trajectory, name)[direct] for name in Trajectory.__dataclass_fields__)
    )
    row, member = _expand(trajectory.device_ids, rig_ids)
    if not len(row):
        return own
    to_world = rotations(trajectory.quaternions[row])
    quaternions = (to_world * rotations(rig.quaternions[member])).as_quat()[:, [3, 0, 1, 2]]
    translations = to_world.apply(rig.translations[member]) + trajectory.translations[row]
    return Trajectory(
        np.concatenate([own.timestamps, trajectory.timestamps[row]]),
        np.concatenate([own.device_ids, members[member]]),
        np.concatenate([own.quaternions, quaternions]),
        np.concatenate([own.translations, translations]),
    )


def query_images(session: Session) -> tuple[np.ndarray, np.ndarray]:
    """The images that queries.txt selects: rows of images.txt, and the query of each.

    In the order of queries.txt; a rig's images in the order of rigs.txt. Raises InputError where
    a query has no image.
    """
    images, queries = session.listed, session.asked
    rig_ids, members, _ = _rig_members(session)
    query, member = _expand(queries.device_ids, rig_ids)
    direct = np.flatnonzero(~np.isin(queries.device_ids, rig_ids))
    query = np.concatenate([direct, query])
    sensors = np.concatenate([queries.device_ids[direct], members[member]])
    order = np.argsort(query, kind="stable")
    query, sensors = query[order], sensors[order]
    row = find(queries.timestamps[query], sensors, images.timestamps, images.sensor_ids)
    query, row = query[row >= 0], row[row >= 0]
    without = np.setdiff1d(np.arange(len(queries.timestamps)), query)
    if len(without):
        cells = f"{queries.timestamps[without[0]]}, {queries.device_ids[without[0]]}"
        path = session.folder / "queries.txt"
        raise InputError(f"{path}: line {without[0] + 1}: no image of '{cells}' in images.txt")
    first = np.sort(np.unique(row, return_index=True)[1])
    return row[first], query[first]


def find(
    times: np.ndarray, ids: np.ndarray, table_times: np.ndarray, table_ids: np.ndarray
) -> np.ndarray:
    """The first row of a table with each (time, id), or -1: (n,) and (n,) -> (n,) int64."""
    if not len(table_times):
        return np.full(len(times), -1)
    names, place = np.unique(table_ids, return_inverse=True)
    stamps, moment = np.unique(table_times, return_inverse=True)
    key = place.reshape(-1) * len(stamps) + moment.reshape(-1)
    order = np.argsort(key, kind="stable")
    name = np.minimum(np.searchsorted(names, ids), len(names) - 1)
    stamp = np.minimum(np.searchsorted(stamps, times), len(stamps) - 1)
    wanted = name * len(stamps) + stamp
    index = np.minimum(np.searchsorted(key[order], wanted), len(key) - 1)
    row = order[index]
    right = (key[row] == wanted) & (names[name] == ids) & (stamps[stamp] == times)
    return np.where(right, row, -1)


def _rig_members(session: Session) -> tuple[np.ndarray, np.ndarray, Rig]:
    """All rigs in one table, sorted by rig: ids of rigs and sensors (m,), and the poses."""
    names = sorted(session.rigs)
    rigs = [session.rigs[name] for name in names]
    rig_ids = np.repeat(np.array(names, dtype=str), [len(rig.sensor_ids) for rig in rigs])
    members = np.concatenate([np.array([], dtype=str), *(rig.sensor_ids for rig in rigs)])
    quaternions = np.concatenate([np.empty((0, 4)), *(rig.quaternions for rig in rigs)])
    translations = np.concatenate([np.empty((0, 3)), *(rig.translations for rig in rigs)])
    return rig_ids, members, Rig(members, quaternions, translations)


def _expand(devices: np.ndarray, rig_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each pair (row of ``devices``, row of the sorted ``rig_ids``) that are the same rig."""
    start = np.searchsorted(rig_ids, devices, side="left")
    length = np.searchsorted(rig_ids, devices, side="right") - start
    row = np.repeat(np.arange(len(devices)), length)
    return row, np.arange(len(row)) + np.repeat(start - np.cumsum(length) + length, length)
