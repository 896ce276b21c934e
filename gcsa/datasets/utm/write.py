"""A scene as folders of images whose names hold their UTM position."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import numpy as np

from gcsa.datasets.utm.listing import LIST
from gcsa.datasets.utm.names import letter_of, name_of
from gcsa.descriptors.writing import write_features
from gcsa.errors import InputError
from gcsa.evaluation.truth import Truth
from gcsa.files import write_text
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.utm import Zone, to_utm, zone_of

logger = logging.getLogger(__name__)

# Characters of an image's own name that its new one keeps.
KEPT = 100
ROLES = ("database", "queries")
# Where the metres of a scene lie: the zone as names write it, positions in it, and degrees.
Placed = tuple[tuple[str, str], np.ndarray, np.ndarray]


def write_scene(
    folder: Path, scene: Scene, truth: Truth | None, features: Path
) -> dict[str, np.ndarray]:
    """Write the lists of images of ``<folder>/database`` and ``<folder>/queries``, and features.

    features: hloc's HDF5 to write, where the scene has descriptors. Sequences become panoramas,
    frames their tiles. Of queries that are the database itself nothing more is written. Returns
    the paths of the images below ``folder`` by role, in the order of the scene: that the files
    come there is the caller's.
    """
    _say_left_out(scene)
    roles = {"database": (scene.database, scene.database.positions)}
    if not np.array_equal(scene.queries.names, scene.database.names):
        roles["queries"] = (scene.queries, None if truth is None else truth.positions)
    names = {role: _names(scene, *images) for role, images in roles.items()}
    for role, own in names.items():
        write_text(folder / LIST.format(role), "".join(f"{name}\n" for name in own))
    paths = {role: np.char.add(f"{role}/", own) for role, own in names.items()}
    described = [images.descriptors for images, _ in roles.values()]
    if all(rows is not None for rows in described):
        rows = (row for part in described for row in part)
        write_features(features, np.concatenate(list(paths.values())), rows)
    return paths


def _names(scene: Scene, images: ImageSet, positions: np.ndarray | None) -> np.ndarray:
    """Names of images, (n,) str, each once."""
    zone, places, degrees = _placed(scene, positions, len(images))
    headings = np.full(len(images), np.nan) if images.headings is None else images.headings
    suffixes = [Path(name).suffix for name in images.names]
    found = [
        name_of(
            places[row],
            zone,
            degrees[row],
            *_taken(images, row),
            float(np.rad2deg(headings[row])),
            _note(str(images.names[row]), row),
            suffixes[row],
        )
        for row in range(len(images))
    ]
    if len(set(found)) < len(found):
        raise InputError(f"{scene.name}: two images would have one name")
    return np.array(found, dtype=str)


def _note(name: str, row: int) -> str:
    """What is left of an image's own name, and its number, which keeps names apart.

    Without white space, which pairs files cannot hold.
    """
    stem = re.sub(r"[@\s]+", "-", Path(name).stem)
    return f"{row:06d}_{stem[-KEPT:]}"


def _taken(images: ImageSet, row: int) -> tuple[str, int | None]:
    """Panorama and tile: the sequence, and the frame in it."""
    if images.sequences is None or images.frames is None or images.sequences[row] < 0:
        return "", None
    return f"s{images.sequences[row]}", int(images.frames[row])


def _placed(scene: Scene, positions: np.ndarray | None, n: int) -> Placed:
    """Positions (n, 2) in a UTM zone where the scene's frame tells one, else as they are."""
    unknown = np.full((n, 2), np.nan)
    places = unknown if positions is None else positions[:, :2]
    lost = int(np.isnan(places[:, 0]).sum())
    if lost:
        logger.info("%s: %d of %d images have no position to be named by", scene.name, lost, n)
    if scene.frame is None:
        return ("", ""), places, unknown
    degrees, known = scene.frame.to_degrees(places), scene.database.positions
    if known is None:
        return ("", ""), places, degrees
    lat, lon = np.nanmedian(scene.frame.to_degrees(known[:, :2]), axis=0)
    if isinstance(scene.frame, Zone):
        number, south = scene.frame.number, scene.frame.south
    else:
        number, south = zone_of(float(lon)), bool(lat < 0)
        east, north = to_utm(degrees[:, 1], degrees[:, 0], number)
        offset = np.where(degrees[:, 0] < 0, 1e7, 0.0)
        places = np.column_stack([east, north - offset + 1e7 * south])
    band = letter_of(float(lat))
    return (f"{number:02d}" if band else "", band), places, degrees


def _say_left_out(scene: Scene) -> None:
    """What names have no place for."""
    lost = {
        "radio": scene.database.radio is not None or scene.queries.radio is not None,
        "positions that queries' devices report": scene.queries.positions is not None,
        "heights": scene.database.positions is not None and scene.database.positions.shape[1] > 2,
    }
    if any(lost.values()):
        said = ", ".join(what for what, there in lost.items() if there)
        logger.info("%s: left out, as names have no place for it: %s", scene.name, said)
