"""images.csv from what cameras wrote into their photos: :mod:`gcsa.datasets.folder.exif`.

Altitudes are left out unless asked for: those of phones err by ten metres and more, and cameras on
different levels do not overlap (fov.height).

The same positions stand in gps_lat and gps_lon, as what the device reported: where a query's true
position is known, write it into lat and lon; where it is not, leave those empty.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

from gcsa import options
from gcsa.datasets.folder.exif import Pose, read_pose, true_north
from gcsa.datasets.folder.listing import photos_below
from gcsa.errors import InputError

logger = logging.getLogger(__name__)


def from_exif(
    images: str | os.PathLike,
    output: str | os.PathLike | None = None,
    query_every: int = 0,
    altitude: bool = False,
    force: bool = False,
) -> Path:
    """Write the table of all photos below the folder ``images``; returns its path.

    output: in the folder or above it, as names are relative to the table's folder; None for
    ``images``/images.csv. query_every: every so manyth photo, in the order of the names, becomes a
    query, the others the database; 0 leaves the column out. altitude: write altitudes too. force:
    replace a table that is there.
    """
    from gcsa.datasets.folder.images import ROLES
    from gcsa.datasets.folder.scene import TABLE
    from gcsa.datasets.folder.table import write_table

    folder = Path(images)
    target = folder / TABLE if output is None else Path(output)
    if query_every < 0 or query_every == 1:
        raise InputError(f"--query_every: {query_every} leaves no database; 0, or 2 and more")
    if target.exists() and not force:
        raise InputError(f"{target}: exists; --force replaces it")
    names = photos_below(folder, target.parent)
    if query_every > len(names):
        raise InputError(f"--query_every: {query_every}, but there are only {len(names)} images")
    poses = read_poses(target.parent / name for name in names)
    if all(math.isnan(pose.lat) for pose in poses):
        raise InputError(f"{folder}: no photo has a position in its EXIF")
    columns = {"name": names, **columns_of(poses)}
    if altitude:
        columns["alt"] = [round(pose.alt, 2) for pose in poses]
    if query_every:
        numbers = range(1, len(names) + 1)
        columns["split"] = [ROLES[number % query_every == 0] for number in numbers]
    write_table(target, list(columns), zip(*columns.values(), strict=True))
    report(target, poses)
    return target


def read_poses(photos: Iterable[Path]) -> list[Pose]:
    """What photos say of their cameras, headings from true north where that can be known."""
    return true_north([read_pose(photo) for photo in photos])


def columns_of(poses: Sequence[Pose]) -> dict[str, list]:
    """The columns of images.csv that photos fill."""
    lat = [round(pose.lat, 8) for pose in poses]
    lon = [round(pose.lon, 8) for pose in poses]
    return {
        "lat": lat,
        "lon": lon,
        "heading": [round(pose.heading, 2) % 360 for pose in poses],
        "gps_lat": lat,
        "gps_lon": lon,
        "gps_accuracy": [round(pose.accuracy, 2) for pose in poses],
        "captured_at": [pose.captured_at for pose in poses],
    }


def report(target: Path, poses: Sequence[Pose]) -> None:
    """Say of how many photos of a table what is known."""
    places = sum(not math.isnan(pose.lat) for pose in poses)
    headings = sum(not math.isnan(pose.heading) for pose in poses)
    magnetic = sum(pose.magnetic for pose in poses)
    stated = sum(not math.isnan(pose.accuracy) for pose in poses)
    text = "%s: %d images, %d with a position, %d with a heading, %d with an accuracy"
    logger.info(text, target, len(poses), places, headings, stated)
    if magnetic:
        logger.info(
            "%d headings are from magnetic north, off by the local declination; %s",
            *(magnetic, "position or date are unknown, or of no model's years")
            if find_spec("pygeomag")
            else (magnetic, "pip install pygeomag corrects them"),
        )


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "folder.from_exif",
        "Write images.csv (data.dataset=folder) from the GPS positions and compass headings in the "
        "EXIF of photos.",
        "photos/lund --query_every 4",
    )
    made.add_argument("images", help="folder of photos; those of its folders count too")
    made.add_argument(
        "--output", metavar="CSV", help="in that folder (default: IMAGES/images.csv) or above it"
    )
    made.add_argument(
        "--query_every",
        type=int,
        default=0,
        metavar="N",
        help="every N-th photo is a query, the others the database (default: no column 'split')",
    )
    made.add_argument("--altitude", action="store_true", help="write altitudes too")
    made.add_argument("--force", action="store_true", help="replace a table that is there")
    return made


def main() -> None:
    args = parser().parse_args()
    from_exif(args.images, args.output, args.query_every, args.altitude, args.force)
