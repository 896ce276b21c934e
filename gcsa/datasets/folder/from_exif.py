"""images.csv from what cameras wrote into their photos: positions and compass headings of EXIF.

Positions are GPSLatitude and GPSLongitude, headings GPSImgDirection. Where those lack, the JSON
text that Mapillary's programs put into ImageDescription is read (MAPLatitude, MAPLongitude,
MAPAltitude, MAPCompassHeading with TrueHeading). A position of exactly 0, 0 is a receiver without
a fix, and unknown. Altitudes are left out unless asked for: those of phones err by ten metres and
more, and cameras on different levels do not overlap (fov.height).

The same positions stand in gps_lat and gps_lon, as what the device reported: where a query's true
position is known, write it into lat and lon; where it is not, leave those empty. gps_accuracy is
GPSHPositioningError, or GPSDOP times 5 m; captured_at DateTimeOriginal.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import math
import os
import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from gcsa import options
from gcsa.errors import InputError, MissingFileError
from gcsa.imaging import UNREADABLE

logger = logging.getLogger(__name__)

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"}
GPS, DESCRIPTION = ExifTags.GPS, ExifTags.Base.ImageDescription
NAN = math.nan
# Metres of error of a receiver's ranges; times the dilution of precision it errs so far.
UERE = 5.0


@dataclass(frozen=True)
class Pose:
    """What a photo says of its camera; NaN is unknown.

    lat, lon: degrees. alt: metres. heading: degrees clockwise from north, in [0, 360).
    magnetic: whether north is that of the compass needle. accuracy: metres, 68 %. captured_at: ISO
    8601, "" where unknown.
    """

    lat: float = NAN
    lon: float = NAN
    alt: float = NAN
    heading: float = NAN
    magnetic: bool = False
    accuracy: float = NAN
    captured_at: str = ""


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
    names = _photos(folder, target.parent)
    if query_every > len(names):
        raise InputError(f"--query_every: {query_every}, but there are only {len(names)} images")
    poses = true_north([read_pose(target.parent / name) for name in names])
    if all(math.isnan(pose.lat) for pose in poses):
        raise InputError(f"{folder}: no photo has a position in its EXIF")
    columns = {
        "name": names,
        "lat": [round(pose.lat, 8) for pose in poses],
        "lon": [round(pose.lon, 8) for pose in poses],
        "heading": [round(pose.heading, 2) % 360 for pose in poses],
    }
    columns |= {"gps_lat": columns["lat"], "gps_lon": columns["lon"]}
    columns["gps_accuracy"] = [round(pose.accuracy, 2) for pose in poses]
    columns["captured_at"] = [pose.captured_at for pose in poses]
    if altitude:
        columns["alt"] = [round(pose.alt, 2) for pose in poses]
    if query_every:
        numbers = range(1, len(names) + 1)
        columns["split"] = [ROLES[number % query_every == 0] for number in numbers]
    write_table(target, list(columns), zip(*columns.values(), strict=True))
    _report(target, poses)
    return target


def _report(target: Path, poses: list[Pose]) -> None:
    places = sum(not math.isnan(pose.lat) for pose in poses)
    headings = sum(not math.isnan(pose.heading) for pose in poses)
    magnetic = sum(pose.magnetic for pose in poses)
    stated = sum(not math.isnan(pose.accuracy) for pose in poses)
    text = "%s: %d images, %d with a position, %d with a heading, %d with an accuracy"
    logger.info(text, target, len(poses), places, headings, stated)
    if magnetic:
        logger.info(
            "%d headings are from magnetic north, off by the local declination; "
            "pip install pygeomag corrects them",
            magnetic,
        )


def read_pose(path: str | os.PathLike) -> Pose:
    """What a photo says of its camera; InputError where it is no image that can be read."""
    try:
        with Image.open(path) as image:
            exif = image.getexif()
            gps, text = dict(exif.get_ifd(ExifTags.IFD.GPSInfo)), exif.get(DESCRIPTION)
            taken = exif.get_ifd(ExifTags.IFD.Exif)
    except UNREADABLE as error:
        raise InputError(f"{path}: not an image that can be read ({error})") from error
    own, described = _of_gps(gps), _of_description(text)
    place = described if math.isnan(own.lat) else own
    compass = described if math.isnan(own.heading) else own
    accuracy = _accuracy(gps) if place is own else NAN
    time = _time(taken)
    return Pose(place.lat, place.lon, place.alt, compass.heading, compass.magnetic, accuracy, time)


def true_north(poses: list[Pose]) -> list[Pose]:
    """Headings from magnetic north turned to true north by the World Magnetic Model.

    Needs the package pygeomag; without it, or where position or date are unknown or outside the
    model's years, a heading stays as it is and is still marked magnetic.
    """
    try:
        model = importlib.import_module("pygeomag").GeoMag()
    except ImportError:
        return poses
    return [_turned(pose, model) if pose.magnetic else pose for pose in poses]


def _turned(pose: Pose, model: Any) -> Pose:
    year = _year(pose.captured_at)
    if math.isnan(pose.lat) or math.isnan(year):
        return pose
    try:
        found = model.calculate(glat=pose.lat, glon=pose.lon, alt=0, time=year)
    except ValueError:  # outside the years of the model
        return pose
    return replace(pose, heading=(pose.heading + found.d) % 360, magnetic=False)


def _year(captured_at: str) -> float:
    """A date as a year with its fraction."""
    try:
        moment = datetime.fromisoformat(captured_at)
    except ValueError:
        return NAN
    return moment.year + (moment.timetuple().tm_yday - 1) / 365.25


def _accuracy(gps: dict[int, Any]) -> float:
    """Metres, 68 %: GPSHPositioningError, or the dilution of precision GPSDOP times UERE."""
    stated = _number(gps.get(GPS.GPSHPositioningError))
    if 0 < stated < math.inf:
        return stated
    dilution = _number(gps.get(GPS.GPSDOP))
    return UERE * dilution if 0 < dilution < math.inf else NAN


def _time(taken: dict[int, Any]) -> str:
    """When the photo was taken, ISO 8601, with its offset from UTC where that is known."""
    text = str(taken.get(ExifTags.Base.DateTimeOriginal, ""))
    offset = str(taken.get(ExifTags.Base.OffsetTimeOriginal, "")).strip("\0 ")
    try:
        moment = datetime.strptime(text.strip("\0 "), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return ""
    found = moment.isoformat()
    return found + offset if re.fullmatch(r"[+-]\d\d:\d\d", offset) else found


def _photos(folder: Path, base: Path) -> list[str]:
    """Names of the photos below a folder, relative to ``base``, sorted."""
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: no such folder of images")
    root, top = folder.resolve(), base.resolve()
    if not root.is_relative_to(top):
        raise InputError(
            f"--output: {base} is neither {folder} nor a folder above it, and the names of images "
            "are relative to the table"
        )
    found = [p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()]
    if not found:
        raise InputError(f"{folder}: no images ({', '.join(sorted(SUFFIXES))})")
    return sorted(p.relative_to(top).as_posix() for p in found)


def _of_gps(gps: dict[int, Any]) -> Pose:
    """The pose in the GPS tags of EXIF."""
    lat = _degrees(gps.get(GPS.GPSLatitude), gps.get(GPS.GPSLatitudeRef), "N", "S")
    lon = _degrees(gps.get(GPS.GPSLongitude), gps.get(GPS.GPSLongitudeRef), "E", "W")
    below = gps.get(GPS.GPSAltitudeRef) in (1, b"\x01")
    alt = _number(gps.get(GPS.GPSAltitude)) * (-1 if below else 1)
    magnetic = gps.get(GPS.GPSImgDirectionRef) == "M"
    return _checked(lat, lon, alt, _number(gps.get(GPS.GPSImgDirection)), magnetic)


def _of_description(text: Any) -> Pose:
    """The pose in Mapillary's description of an image."""
    try:
        content = json.loads(text)
    except (TypeError, ValueError):
        return Pose()
    if not isinstance(content, dict):
        return Pose()
    lat, lon, alt = (
        _number(content.get(f"MAP{key}")) for key in ("Latitude", "Longitude", "Altitude")
    )
    compass = content.get("MAPCompassHeading")
    heading = compass.get("TrueHeading") if isinstance(compass, dict) else None
    return _checked(lat, lon, alt, _number(heading), False)


def _checked(lat: float, lon: float, alt: float, heading: float, magnetic: bool) -> Pose:
    """A pose whose impossible values are unknown."""
    if not (abs(lat) <= 90 and abs(lon) <= 180) or lat == lon == 0:
        lat = lon = alt = NAN
    if not math.isfinite(alt):
        alt = NAN
    if not -360 <= heading <= 720:
        return Pose(lat, lon, alt)
    return Pose(lat, lon, alt, heading % 360, magnetic)


def _degrees(parts: Any, letter: Any, plus: str, minus: str) -> float:
    """Degrees, minutes and seconds of EXIF with the letter of their half, as signed degrees."""
    if letter not in (plus, minus) or not isinstance(parts, tuple) or len(parts) != 3:
        return NAN
    value = sum(_number(part) / 60**i for i, part in enumerate(parts))
    return value if letter == plus else -value


def _number(value: Any) -> float:
    """A number of EXIF, where 0 / 0 stands for unknown, or of JSON."""
    try:
        return float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return NAN


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
