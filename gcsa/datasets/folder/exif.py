"""What a camera wrote into one photo: where it was, which way it looked, when, and how sure it is.

Positions are GPSLatitude and GPSLongitude, headings GPSImgDirection. Where those lack, the JSON
text that Mapillary's programs put into ImageDescription is read (MAPLatitude, MAPLongitude,
MAPAltitude, MAPCompassHeading with TrueHeading). A position of exactly 0, 0 is a receiver without
a fix, and unknown.

Exif (CIPA DC-008, tag 0x001F) asks for GPSHPositioningError in metres and names no confidence;
what phones write there is their system's figure, which holds the true position in 68 % of cases
(Android, Location.getAccuracy) or is the root mean square of the distance, 63 to 68 % (Apple's
engineers of CLLocation.horizontalAccuracy, developer.apple.com/forums/thread/699996).
GPSDOP is HDOP or, of a fix in three dimensions, PDOP (tag 0x000B). HDOP times the error of a range
to a satellite (UERE, one sigma) is the root mean square of the distance (US National Academies,
nationalacademies.org/read/4920/chapter/111); PDOP is larger, and the error from it too.
"""

from __future__ import annotations

import importlib
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from PIL import ExifTags

from gcsa.imaging import Source, opened

GPS, DESCRIPTION = ExifTags.GPS, ExifTags.Base.ImageDescription
NAN = math.nan
# Metres, one sigma, of a civil receiver's ranges among houses; under open sky it is about 1 to 2.
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


def read_pose(path: Source) -> Pose:
    """What a photo says of its camera; InputError where it is no image that can be read."""
    with opened(path) as (image, _):
        exif = image.getexif()
        gps, text = dict(exif.get_ifd(ExifTags.IFD.GPSInfo)), exif.get(DESCRIPTION)
        taken = exif.get_ifd(ExifTags.IFD.Exif)
    own, described = _of_gps(gps), _of_description(text)
    place = described if math.isnan(own.lat) else own
    compass = described if math.isnan(own.heading) else own
    accuracy = _accuracy(gps) if place is own else NAN
    time = _time(taken)
    return Pose(place.lat, place.lon, place.alt, compass.heading, compass.magnetic, accuracy, time)


def true_north(poses: list[Pose]) -> list[Pose]:
    """Headings from magnetic north turned to true north by the World Magnetic Model.

    Needs the package pygeomag; without it, or where position or date are unknown or of years that
    no model of it is for, a heading stays as it is and is still marked magnetic.
    """
    try:
        package = importlib.import_module("pygeomag")
    except ImportError:
        return poses
    # A model is for five years, and takes a while to load.
    model = lru_cache(lambda epoch: package.GeoMag(base_year=datetime(epoch, 1, 1)))
    return [_turned(pose, model) if pose.magnetic else pose for pose in poses]


def _turned(pose: Pose, model: Callable[[int], Any]) -> Pose:
    year = _year(pose.captured_at)
    if math.isnan(pose.lat) or math.isnan(year):
        return pose
    try:
        found = model(int(year) // 5 * 5).calculate(glat=pose.lat, glon=pose.lon, alt=0, time=year)
    except ValueError:  # before the first model, or behind the last
        return pose
    return replace(pose, heading=(pose.heading + found.d) % 360, magnetic=False)


def _year(captured_at: str) -> float:
    """A date as a year with its fraction."""
    try:
        moment = datetime.fromisoformat(captured_at)
    except ValueError:
        return NAN
    return moment.year + (moment.timetuple().tm_yday - 1) / 366


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
    """Degrees, minutes and seconds of EXIF with the letter of their half, as signed degrees.

    Exif's numbers have no sign; of phones that write one beside the letter, the letter tells the
    half and the parts the size, whichever of them are negative.
    """
    half = letter.strip("\0 ").upper() if isinstance(letter, str) else None
    if half not in (plus, minus) or not isinstance(parts, tuple) or len(parts) != 3:
        return NAN
    value = sum(abs(_number(part)) / 60**i for i, part in enumerate(parts))
    return value if half == plus else -value


def _number(value: Any) -> float:
    """A number of EXIF, where 0 / 0 stands for unknown, or of JSON."""
    try:
        return float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return NAN
