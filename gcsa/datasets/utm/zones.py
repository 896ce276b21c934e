"""Images of several UTM zones brought into one."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from gcsa.datasets.utm.names import Named
from gcsa.errors import InputError
from gcsa.sideinfo.utm import Zone, to_utm

logger = logging.getLogger(__name__)

# Metres between the degrees and the metres of names, in the median: beyond, the zone is wrong.
ZONE_ERROR = 1000.0
OFFSET = 1e7  # metres, of southern northings


def one_zone(
    named: dict[str, Named], database: str, folder: Path
) -> tuple[dict[str, np.ndarray], Zone | None]:
    """Positions of the images of each folder, (n, 2) metres in one zone, and that zone.

    The zone is that of most of the database, None where its names tell none. Images of a
    neighbouring zone, or of the other side of the equator, are brought into it, which is said; of
    zones further apart InputError is raised: they are not one place. Images whose names tell no
    zone are taken to be of this one.
    """
    main = _most(named[database])
    if main is None:
        if any(known.zones.any() for known in named.values()):
            logger.info("%s: no zone in the names of its database, those of others unread", folder)
        return {role: known.positions for role, known in named.items()}, None
    places = {role: _brought(known, main, folder / role) for role, known in named.items()}
    return places, main if _fits(named[database], places[database], main, folder) else None


def _most(named: Named) -> Zone | None:
    """The zone of most of the images; of equally many, the first by number."""
    told = named.zones > 0
    if not told.any():
        return None
    both = np.column_stack([named.zones, named.south])[told]
    zones, counts = np.unique(both, axis=0, return_counts=True)
    number, south = zones[counts.argmax()]
    return Zone(int(number), bool(south))


def _brought(named: Named, main: Zone, where: Path) -> np.ndarray:
    """Positions (n, 2) in the zone ``main``."""
    places = named.positions.copy()
    told = named.zones > 0
    silent = ~told & np.isfinite(places[:, 0])
    if silent.any():
        text = "%s: %d images tell no zone, taken to be of zone %d"
        logger.info(text, where, int(silent.sum()), main.number)
    apart = np.abs((named.zones - main.number + 30) % 60 - 30)
    if (told & (apart > 1)).any():
        row = int((told & (apart > 1)).argmax())
        raise InputError(
            f"{where}: image '{named.names[row]}' is of UTM zone {named.zones[row]}, most of the "
            f"database of zone {main.number}; a scene is one place"
        )
    other = told & ((named.zones != main.number) | (named.south != main.south))
    for number, south in np.unique(np.column_stack([named.zones, named.south])[other], axis=0):
        of = other & (named.zones == number) & (named.south == south)
        places[of] = _into(places[of], Zone(int(number), bool(south)), main)
    if other.any():
        logger.info(
            "%s: %d of %d images are of another UTM zone than %d%s, brought into it",
            *(where, int(other.sum()), len(other), main.number, "S" if main.south else "N"),
        )
    return places


def _into(places: np.ndarray, own: Zone, main: Zone) -> np.ndarray:
    """Positions of one zone in another."""
    return _metres(own.to_degrees(places), main)


def _fits(named: Named, places: np.ndarray, main: Zone, folder: Path) -> bool:
    """Whether the degrees in the names lie where the metres do, in the median; else it is said."""
    apart = np.linalg.norm(_metres(named.degrees, main) - places, axis=1)
    known = np.isfinite(apart)
    if not known.any() or np.median(apart[known]) <= ZONE_ERROR:
        return True
    logger.warning(
        "%s: latitudes and longitudes lie %.0f m from UTM east and north in zone %d; distances are "
        "those of east and north, and no degrees are told of this scene",
        *(folder, np.median(apart[known]), main.number),
    )
    return False


def _metres(degrees: np.ndarray, main: Zone) -> np.ndarray:
    """Latitude and longitude (n, 2) in a zone, with that zone's own offset."""
    lat, lon = degrees.T
    east, north = to_utm(lon, lat, main.number)
    return np.column_stack([east, north - np.where(lat < 0, OFFSET, 0.0) + OFFSET * main.south])
