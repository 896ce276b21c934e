"""The text files of a session in the Capture format of LaMAR."""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from gcsa.files import write_text
from gcsa.miniworld.building.air import Air, bluetooth_rows, wifi_rows
from gcsa.miniworld.building.devices import pose_fields, rig_calibration, rig_rotation, upright
from gcsa.miniworld.building.house import House
from gcsa.miniworld.building.sessions import Recording
from gcsa.miniworld.building.walks import odometry
from gcsa.miniworld.plan import random_of

HEADERS = {
    "sensors": "sensor_id, name, sensor_type, [sensor_params]+",
    "rigs": "rig_id, sensor_id, qw, qx, qy, qz, tx, ty, tz",
    "trajectories": "timestamp, device_id, qw, qx, qy, qz, tx, ty, tz, *covar",
    "proc/alignment_trajectories": "timestamp, device_id, qw, qx, qy, qz, tx, ty, tz, *covar",
    "images": "timestamp, sensor_id, image_path",
    "depths": "timestamp, sensor_id, depth_path",
    "wifi": "timestamp, sensor_id, mac_addr, frequency_khz, rssi_dbm, name, "
    "scan_time_start_us, scan_time_end_us",
    "bt": "timestamp, sensor_id, id, rssi_dbm, name",
}


def write_session(
    folder: Path, house: House, air: Air, recordings: list[Recording], depth: bool, seed: int
) -> None:
    """Write all files of a session but the images themselves."""
    is_map = recordings[0].session == "map"
    files: dict[str, list] = {name: [] for name in HEADERS}
    queries = []
    for recording in recordings:
        key = house.number, recording.session, recording.number
        random = random_of(seed, "building", "files", *key)
        files["sensors"] += _sensors(recording)
        files["rigs"] += _rigs(recording)
        files["images"] += [[s.time, s.sensor, s.path] for s in recording.shots]
        if depth:
            files["depths"] += [[s.time, s.sensor, depth_path(s.path)] for s in recording.shots]
        truth = true_poses(recording)
        if is_map:
            files["trajectories"] += _pose_rows(truth)
        else:
            files["proc/alignment_trajectories"] += _pose_rows(truth, recording.device == "phone")
            files["trajectories"] += _pose_rows(_believed(truth, random))
            asked = [
                row for row, is_query in zip(truth, recording.queries, strict=True) if is_query
            ]
            queries += [(time, holder) for time, holder, _, _ in asked]
        if recording.wifi:
            files["wifi"] += wifi_rows(house, air, recording, random)
        if recording.bluetooth:
            files["bt"] += bluetooth_rows(house, air, recording, random)
    for name, rows in files.items():
        if rows:
            lines = [f"# {HEADERS[name]}"] + [", ".join(map(str, row)) for row in rows]
            write_text(folder / f"{name}.txt", "".join(line + "\n" for line in lines))
    write_text(folder / "proc/subsessions.txt", "\n".join(r.name for r in recordings))
    if not is_map:
        lines = [f"{time}, {holder}\n" for time, holder in sorted(queries)]
        write_text(folder / "queries.txt", "".join(lines))


def depth_path(path: str) -> str:
    """Where the depth map of an image lies."""
    return path.replace("/images/", "/depths/").replace(".jpg", ".png")


def _sensors(recording: Recording) -> list[list]:
    rows, seen = [], set()
    label = {"navvis": "tile", "phone": "phone", "hololens": "tracker"}[recording.device]
    for shot in recording.shots:
        if shot.sensor in seen:
            continue
        seen.add(shot.sensor)
        lens = shot.lens
        params = [_number(v) for v in (lens.focal, lens.focal, lens.cx, lens.cy)]
        rows.append([shot.sensor, label, "camera", "PINHOLE", lens.width, lens.height, *params])
    for kind, present in (("wifi", recording.wifi), ("bluetooth", recording.bluetooth)):
        if present:
            sensor = {"wifi": "wifi_sensor", "bluetooth": "bt_sensor"}[kind]
            rows.append([f"{recording.name}/{sensor}", "", kind])
    return rows


def _number(value: float) -> int | float:
    """Whole parameters of cameras are written without ".0"."""
    return int(value) if float(value).is_integer() else float(value)


def _rigs(recording: Recording) -> list[list]:
    if recording.device != "hololens":
        return []
    rig = f"{recording.name}/hetrig"
    return [
        [rig, f"{recording.name}/{name}", *pose_fields(turn, place)]
        for name, (turn, place) in rig_calibration().items()
    ]


def true_poses(recording: Recording) -> list[tuple[int, str, Rotation, np.ndarray]]:
    """(timestamp, sensor or rig, rotation, position) to world; a frame of a rig is one row."""
    if recording.device == "hololens":
        walk, holder = recording.walk, f"{recording.name}/hetrig"
        rows = zip(recording.times, rig_rotation(walk.heading), walk.position, strict=True)
        return [(int(time), holder, turn, place) for time, turn, place in rows]
    return [(s.time, s.sensor, upright(s.heading), s.position) for s in recording.shots]


def _believed(truth, random) -> list[tuple]:
    """The odometry of a recording."""
    times, holders, turns, places = zip(*truth, strict=True)
    turns, places = odometry(Rotation.concatenate(turns), np.array(places), random)
    return list(zip(times, holders, turns, places, strict=True))


def _pose_rows(poses, covariance: bool = False) -> list[list]:
    extra = [float(v) for v in (1e-5 * np.eye(6)).ravel()] if covariance else []
    return [
        [time, holder, *pose_fields(turn, place), *extra] for time, holder, turn, place in poses
    ]
