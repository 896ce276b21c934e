"""The four CSV files of one city and role in the layout of MSLS, with the noise of real sensors."""

from pathlib import Path

import numpy as np

from gcsa.files import write_text
from gcsa.miniworld.drives import Drive
from gcsa.sideinfo.utm import to_lonlat, to_utm, zone_of

RAW = "key,lon,lat,ca,captured_at,pano"
SEQUENCE = "key,sequence_key,frame_number"
PROCESSED = "key,easting,northing,unique_cluster,control_panel,night,view_direction"
SUBTASK = "key,all,s2w,w2s,o2n,n2o,d2n,n2d"
NEW_SINCE = 2016  # images of earlier years count as old
CLUSTER = 25.0  # metres, side of the square that makes a cluster
SHARE_ALL = 0.6  # of validation and test queries that belong to subtask "all"


def noisy_positions(random: np.random.Generator, drives: list[Drive]) -> np.ndarray:
    """GPS positions (N, 2) in metres: each drive has an offset of its own, each frame some more."""
    parts = [
        d.position + random.normal(0, 2.0, 2) + random.normal(0, 2.2, d.position.shape)
        for d in drives
    ]
    return np.concatenate(parts)


def noisy_headings(random: np.random.Generator, drives: list[Drive]) -> np.ndarray:
    """Compass angles (N,) in degrees, in [0, 360), NaN where the compass gave nothing.

    Standard deviation about 8 degrees, 5 of which are shared by a drive; 3 % point anywhere and
    1 % are missing.
    """
    parts = []
    for drive in drives:
        count = len(drive)
        angle = np.degrees(drive.heading) + random.normal(0, 5.0) + random.normal(0, 6.2, count)
        angle = np.where(random.random(count) < 0.03, random.uniform(0, 360, count), angle)
        angle = np.round(angle % 360, 4) % 360
        parts.append(np.where(random.random(count) < 0.01, np.nan, angle))
    return np.concatenate(parts)


def season_of(date: str, south: bool) -> str:
    """Return "winter" (December to March in the north) or "summer" for a date YYYY-MM-DD."""
    month = (int(date[5:7]) + 5 + 6 * south) % 12 + 1  # moved by half a year
    return "winter" if month in (6, 7, 8, 9) else "summer"


def subtasks(everything: np.ndarray, role: str, winter, old, night) -> dict[str, np.ndarray]:
    """Columns (N,) bool of subtask_index.csv.

    In "s2w" a summer query looks for winter images, so summer marks the queries and winter the
    database; likewise old to new and day to night. All lie within `everything`, subtask "all".
    """
    columns = {"all": everything}
    for name, marked in (("s2w", winter), ("o2n", ~old), ("d2n", night)):
        target = marked if role == "database" else ~marked
        columns[name], columns[f"{name[2]}2{name[0]}"] = everything & target, everything & ~target
    return columns


def write_city_role(
    folder: Path,
    drives: list[Drive],
    role: str,
    centre: tuple[float, float],
    labelled: bool,
    random: np.random.Generator,
    with_truth: bool = True,
) -> list[str]:
    """Write the four CSV files (two without truth) into `folder` and return the N keys in order.

    `centre` is (longitude, latitude) in degrees; `labelled` is True for cities in which only some
    of the queries belong to subtask "all".
    """
    zone, south = zone_of(centre[0]), centre[1] < 0
    corner = np.round(np.array(to_utm(*centre, zone)))
    lengths = [len(d) for d in drives]
    keys = [key for d in drives for key in d.keys]
    truth = corner + np.concatenate([d.position for d in drives])
    easting, northing = (corner + noisy_positions(random, drives)).T
    lon, lat = to_lonlat(easting, northing, zone, south)
    compass = noisy_headings(random, drives)
    dates = np.repeat([d.condition.date for d in drives], lengths)
    night = np.repeat([d.condition.night for d in drives], lengths)
    winter = np.array([season_of(date, south) == "winter" for date in dates])
    old = np.array([int(date[:4]) < NEW_SINCE for date in dates])
    chosen = random.random(len(keys)) < SHARE_ALL
    everything = chosen if labelled and role == "query" else np.ones(len(keys), bool)
    cell = np.floor((truth - corner) / CLUSTER).astype(int) + 500
    repeated = {
        name: np.repeat([getattr(d, name) for d in drives], lengths)
        for name in ("key", "panorama", "dashboard", "view")
    }
    frame = np.concatenate([np.arange(n) for n in lengths])

    _write(folder / "seq_info.csv", SEQUENCE, [keys, repeated["key"], frame])
    columns = subtasks(everything, role, winter, old, night)
    order = SUBTASK.split(",")[1:]
    _write(folder / "subtask_index.csv", SUBTASK, [keys, *(columns[name] for name in order)])
    if with_truth:
        place = [_numbers(lon, 8), _numbers(lat, 8), _numbers(compass, 4)]
        _write(folder / "raw.csv", RAW, [keys, *place, dates, repeated["panorama"]])
        place = [_numbers(truth[:, 0], 4), _numbers(truth[:, 1], 4), cell[:, 0] * 1000 + cell[:, 1]]
        rest = [repeated["dashboard"], night, repeated["view"]]
        _write(folder / "postprocessed.csv", PROCESSED, [keys, *place, *rest])
    return keys


def _numbers(values, digits: int) -> list[str]:
    return ["" if np.isnan(v) else str(round(float(v), digits)) for v in values]


def _write(path: Path, header: str, columns) -> None:
    """Write rows with the unnamed index column first, as pandas does."""
    rows = zip(*columns, strict=True)
    lines = [f",{header}", *(f"{i}," + ",".join(map(str, row)) for i, row in enumerate(rows))]
    write_text(path, "\n".join(lines) + "\n")
