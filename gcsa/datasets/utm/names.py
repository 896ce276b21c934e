"""What the '@' convention writes into the name of an image.

``@utm_east@utm_north@zone_number@zone_letter@lat@lon@pano_id@tile_num@heading@pitch@roll@height``
``@timestamp@note@.jpg``: field n stands between the n-th "@" and the next. Most readers take the
first two alone, so that ``@utm_east@utm_north@whatever@.jpg`` is a name, too; the fields behind
them count where all fourteen are there. A name without a leading "@" says nothing.
(VPR-datasets-downloader, and the readers of its folders.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from gcsa.errors import InputError
from gcsa.scene import EARTH

# Parts of a whole name cut at "@": nothing, fourteen fields, the extension.
WHOLE = 16
# Latitude bands of UTM from south to north; those before N have the southern offset.
BANDS = "CDEFGHJKLMNPQRSTUVWX"
PATTERN = "@utm_east@utm_north@...@.jpg"
# Free text of others that means nothing.
NOTHING = ("", "None")


@dataclass(frozen=True, eq=False)
class Named:
    """What the names of n images say.

    names: (n,) str. positions: (n, 2) east and north, metres. zones: (n,) int64, 0 is unknown;
    south: (n,) bool. degrees: (n, 2) latitude, longitude. headings: (n,) radians. times: (n,)
    seconds since 1970, of whole dates and times of day. panoramas: (n,) str, "" is none; tiles:
    (n,) int64. Unknown numbers are NaN.
    """

    names: np.ndarray
    positions: np.ndarray
    zones: np.ndarray
    south: np.ndarray
    degrees: np.ndarray
    headings: np.ndarray
    times: np.ndarray
    panoramas: np.ndarray
    tiles: np.ndarray


def read_names(names: Sequence[str], where: str) -> Named:
    """Read the names of images, paths with "/".

    where: the folder that they are in, for messages. Raises InputError, which names the image and
    the field, at a name that begins with "@" and is not of the convention.
    """
    rows = [_row(name, where) for name in names]
    numbers = np.array([row[:8] for row in rows], dtype=np.float64).reshape(-1, 8)
    return Named(
        names=np.array(names, dtype=str),
        positions=numbers[:, :2],
        zones=numbers[:, 2].astype(np.int64),
        south=numbers[:, 3] > 0,
        degrees=numbers[:, 4:6],
        headings=np.deg2rad(numbers[:, 6] % 360.0),
        times=numbers[:, 7],
        panoramas=np.array([row[8] for row in rows], dtype=str),
        tiles=np.array([row[9] for row in rows], dtype=np.int64),
    )


def _row(name: str, where: str) -> tuple:
    """East, north, zone, south, lat, lon, heading, seconds, panorama, tile of one name."""
    nan = float("nan")
    parts = name.rsplit("/", 1)[-1].split("@")
    if parts[0] or len(parts) == 1:
        return nan, nan, 0, 0, nan, nan, nan, nan, "", 0
    if len(parts) < 4:
        raise InputError(f"{where}: image '{name}': expected a name like {PATTERN}")

    def number(field: int, low: float, high: float, what: str) -> float:
        return _number(parts[field], low, high, f"{where}: image '{name}', field {field} ({what})")

    east, north = number(1, -EARTH, EARTH, "UTM east"), number(2, -EARTH, EARTH, "UTM north")
    if np.isnan(east) != np.isnan(north):
        raise InputError(f"{where}: image '{name}': has one of UTM east and north, not both")
    if len(parts) < WHOLE:
        return east, north, 0, 0, nan, nan, nan, nan, "", 0
    zone = number(3, 1, 60, "zone number")
    if zone % 1 > 0:
        raise InputError(f"{where}: image '{name}', field 3 (zone number): not a whole number")
    lat, lon = number(5, -90, 90, "latitude"), number(6, -180, 180, "longitude")
    south = _south(parts[4], lat, f"{where}: image '{name}'")
    heading, tile = number(9, -360, 720, "heading"), number(8, 0, 1e6, "tile number")
    panorama = "" if parts[7] in NOTHING else parts[7]
    known = 0 if np.isnan(zone) else int(zone)
    turned = 0 if np.isnan(tile) else int(tile)
    return east, north, known, south, lat, lon, heading, _seconds(parts[13]), panorama, turned


def _number(text: str, low: float, high: float, where: str) -> float:
    """A field of a name; NaN where it is empty."""
    if text in NOTHING:
        return float("nan")
    try:
        value = float(text)
    except ValueError:
        raise InputError(f"{where}: '{text}' is not a number") from None
    if not low <= value <= high:
        raise InputError(f"{where}: '{text}' is not from {low:g} to {high:g}")
    return value


def _south(letter: str, lat: float, where: str) -> bool:
    """Whether northings have the southern offset: by the zone's letter, else the latitude."""
    if letter in NOTHING:
        return lat < 0
    if len(letter) != 1 or letter.upper() not in BANDS:
        raise InputError(f"{where}, field 4 (zone letter): '{letter}' is none of {BANDS}")
    return letter.upper() < "N"


def _seconds(text: str) -> float:
    """YYYYMMDD_hhmmss as seconds; NaN of anything shorter, a date alone among it."""
    try:
        moment = datetime.strptime(f"{text}+0000", "%Y%m%d_%H%M%S%z")
    except ValueError:
        return float("nan")
    return moment.timestamp() if len(text) == 15 else float("nan")


def name_of(
    position: Sequence[float],
    zone: tuple[str, str] = ("", ""),
    degrees: Sequence[float] = (np.nan, np.nan),
    panorama: str = "",
    tile: int | None = None,
    heading: float = np.nan,
    note: str = "",
    suffix: str = ".jpg",
) -> str:
    """The name of an image: numbers as wide as the convention has them.

    position: east, north, metres. zone: number and letter, as text. degrees: latitude, longitude.
    heading: degrees. What is unknown, NaN or None, is empty.
    """
    if "@" in panorama + note or "/" in panorama + note:
        raise InputError(f"'{panorama}', '{note}': no field of a name may hold '@' or '/'")
    lat, lon = degrees
    fields = [
        *(_text(value, "010.2f") for value in position),
        *zone,
        _text(lat, "09.5f"),
        _text(lon, "010.5f"),
        panorama,
        "" if tile is None else f"{tile:02d}",
        _text(round(heading) % 360 if heading == heading else heading, "03d"),
        *[""] * 4,
        note,
    ]
    return "@".join(["", *fields, suffix])


def _text(value: float, form: str) -> str:
    return "" if value != value else format(value, form)


def letter_of(lat: float) -> str:
    """The letter of the latitude band, C to X; "" beyond 80 degrees south and 84 north."""
    if not -80 <= lat <= 84:
        return ""
    return BANDS[min(int((lat + 80) // 8), len(BANDS) - 1)]
