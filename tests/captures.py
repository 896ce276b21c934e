"""Writes little LaMAR scenes: sessions of the Capture format, row by row as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

HEADERS = {
    "sensors.txt": "sensor_id, name, sensor_type, [sensor_params]+",
    "rigs.txt": "rig_id, sensor_id, qw, qx, qy, qz, tx, ty, tz",
    "trajectories.txt": "timestamp, device_id, qw, qx, qy, qz, tx, ty, tz, *covar",
    "proc/alignment_trajectories.txt": "timestamp, device_id, qw, qx, qy, qz, tx, ty, tz, *covar",
    "images.txt": "timestamp, sensor_id, image_path",
    "wifi.txt": "timestamp, sensor_id, mac_addr, frequency_khz, rssi_dbm, name, "
    "scan_time_start_us, scan_time_end_us",
    "bt.txt": "timestamp, sensor_id, id, rssi_dbm, name",
}
GUID = "0123abcd-0000-1111-2222-{:012x}:0:{}"
PINHOLE = ("camera", "PINHOLE", 640, 480, 500.5, 500, 320, 240)


def write_rows(path: Path, rows: Iterable[Sequence]) -> None:
    """One file of a session, with its header line if it has one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    name = "proc/" + path.name if path.parent.name == "proc" else path.name
    header = [f"# {HEADERS[name]}"] if name in HEADERS else []
    lines = header + [", ".join(map(str, row)) for row in rows]
    path.write_text("".join(line + "\n" for line in lines))


def write_session(folder: Path, **files: Iterable[Sequence]) -> None:
    """Write a session; ``sensors``, ``images``, ``alignment``, ... are lists of rows."""
    for name, rows in files.items():
        file = {"alignment": "proc/alignment_trajectories", "subsessions": "proc/subsessions"}
        write_rows(folder / f"{file.get(name, name)}.txt", rows)


def pose(rotation: Rotation, position: Sequence[float]) -> list[float]:
    """qw qx qy qz tx ty tz."""
    x, y, z, w = rotation.as_quat().tolist()
    return [w, x, y, z, *map(float, position)]


def looking(heading: float, down: float = 0.0) -> Rotation:
    """Camera-to-world rotation of an upright camera: heading clockwise from +y, radians."""
    level = Rotation.from_matrix([[1, 0, 0], [0, 0, 1], [0, -1, 0]])  # looks north, y down
    return Rotation.from_euler("z", -heading) * level * Rotation.from_euler("x", -down)


def rig_rows(rig: str, cameras: Sequence[str], random: np.random.Generator) -> list[list]:
    """Cameras a quarter turn apart (about the rig's upright axis), with small random offsets."""
    turns = [Rotation.from_euler("y", k * np.pi / 2) for k in range(len(cameras))]
    offsets = random.normal(0, 0.1, (len(cameras), 3))
    return [[rig, c, *pose(r, t)] for c, r, t in zip(cameras, turns, offsets, strict=True)]


def radio_rows(sub: str, times: Sequence[int], random: np.random.Generator) -> dict[str, list]:
    """WiFi scans of 1..5 of 8 access points, and single beacons, around some times."""
    wifi, bt = [], []
    for time in times:
        when = int(time + random.integers(-3_000_000, 3_000_000))
        for ap in random.choice(8, random.integers(1, 6), replace=False):
            row = [when, f"{sub}/wifi_sensor", f"AA:bb:cc:dd:ee:{ap:02x}"]
            row += [int(random.choice([-1, 2412000, 5180000])), -float(random.integers(30, 90))]
            wifi.append(row + ["net", -1, -1][: random.integers(0, 4)])
        beacon = GUID.format(int(random.integers(3)), 7)
        bt.append([when + 5, f"{sub}/bt_sensor", beacon, -float(random.integers(40, 80)), ""])
    return {"wifi": wifi, "bt": bt}


def write_query_session(
    folder: Path, device: str, random: np.random.Generator, count: int, truth: bool
) -> dict[str, tuple]:
    """A phone (one camera) or HoloLens (a rig of 4) session in which every second frame is a query.

    Returns {image name relative to raw_data/: (rotation, position)}, the true poses of queries.
    """
    sub = {"phone": "ios_1", "hololens": "hl_2"}[device]
    cameras = [f"{sub}/cam{k}" for k in range(1 if device == "phone" else 4)]
    holder = cameras[0] if device == "phone" else f"{sub}/hetrig"
    rig = [] if device == "phone" else rig_rows(holder, cameras, random)
    times = 50_000_000 + 1_000_000 * np.arange(count)
    rotations = [looking(h) for h in random.uniform(0, 2 * np.pi, count)]
    positions = random.uniform(0, 30, (count, 3))
    poses = [[t, holder, *pose(r, p)] for t, r, p in zip(times, rotations, positions, strict=True)]
    images = [[t, c, f"{c}/{t}.jpg".replace("/cam", "/images/cam")] for t in times for c in cameras]
    radios = [[f"{sub}/wifi_sensor", "", "wifi"], [f"{sub}/bt_sensor", "", "bluetooth"]]
    still = Rotation.identity()
    odometry = [[t, holder, *pose(still, -p)] for t, p in zip(times, positions, strict=True)]
    files = {"rigs": rig} if rig else {}
    if truth:
        files["alignment"] = [row + [0.0] * 36 if i % 3 else row for i, row in enumerate(poses)]
    write_session(
        folder,
        sensors=[*([c, "", *PINHOLE] for c in cameras), *radios],
        images=images,
        trajectories=odometry,
        queries=[[t, holder] for t in times[::2]],
        **radio_rows(sub, times, random),
        **files,
    )
    return _expected(times[::2], cameras, rig, rotations[::2], positions[::2])


def _expected(times, cameras, rig, rotations, positions) -> dict[str, tuple]:
    expected = {}
    for time, rotation, position in zip(times, rotations, positions, strict=True):
        to_world = np.eye(4)
        to_world[:3, :3], to_world[:3, 3] = rotation.as_matrix(), position
        for k, camera in enumerate(cameras):
            to_rig = np.eye(4)
            if rig:
                w, x, y, z, *offset = rig[k][2:]
                to_rig[:3, :3] = Rotation.from_quat([x, y, z, w]).as_matrix()
                to_rig[:3, 3] = offset
            matrix = to_world @ to_rig
            name = f"{camera}/{time}.jpg".replace("/cam", "/images/cam")
            expected[name] = (matrix[:3, :3], matrix[:3, 3])
    return expected


def write_map(folder: Path, random: np.random.Generator, count: int = 20) -> list[float]:
    """A map of single cameras on one sub-session; returns the headings."""
    times = 1_655_000_000_000_000 + 2_000_000 * np.arange(count)
    headings = random.uniform(0, 2 * np.pi, count).tolist()
    positions = random.uniform(0, 30, (count, 3))
    write_session(
        folder,
        sensors=[
            ["nav_0/cam", "tile", *PINHOLE],
            ["nav_0/wifi_sensor", "", "wifi"],
            ["nav_0/bt_sensor", "", "bluetooth"],
        ],
        images=[[t, "nav_0/cam", f"nav_0/images/{t}.jpg"] for t in times],
        trajectories=[
            [t, "nav_0/cam", *pose(looking(h, 0.1), p)]
            for t, h, p in zip(times, headings, positions, strict=True)
        ],
        **radio_rows("nav_0", times, random),
    )
    return headings


def write_scene(folder: Path, seed: int = 0) -> dict:
    """A map and the four query sessions under ``folder``/sessions; returns what was written."""
    random = np.random.default_rng(seed)
    sessions = folder / "sessions"
    written = {"headings": write_map(sessions / "map", random)}
    for device in ("phone", "hololens"):
        for name, truth in ((f"query_val_{device}", True), (f"query_{device}", False)):
            written[name] = write_query_session(sessions / name, device, random, 7, truth)
    return written
