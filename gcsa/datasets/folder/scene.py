"""A folder of own photos, described by images.csv and radio.csv -> (Scene, Truth).

Positions of queries (lat, lon) go to the truth alone. Their headings and what they heard are what
the device said of itself, as on MSLS: the scene has them too, and their gps_lat, gps_lon where
these are a reading of their own. Where no image is a query every image is one, and is searched
among all the others. What was taken together is the column sequence, or else what captured_at and
positions tell.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np

from gcsa.datasets.folder.images import Images, read_images
from gcsa.datasets.folder.radio import read_radio
from gcsa.datasets.landmarks.features import check_array, read_file
from gcsa.datasets.sessions import in_order, sessions
from gcsa.descriptors.hdf5 import NORMALISE, DescriptorRows, open_pack
from gcsa.descriptors.lengths import unit_array
from gcsa.errors import InputError, MissingFileError, similar
from gcsa.evaluation.truth import Clusters, Truth
from gcsa.scene import ImageSet, Scene

logger = logging.getLogger(__name__)

TABLE, RADIO_TABLE = "images.csv", "radio.csv"
# Sequences, frames and times of images, (n,) int64 each, or None.
Taken = tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]
SAME = 0.05  # metres: positions nearer than this are one reading


def read_scene(
    folder: str | os.PathLike,
    name: str,
    descriptors: str | os.PathLike | None = None,
    radio: bool = True,
    query_gps: bool = False,
    normalise: bool = False,
) -> tuple[Scene, Truth | None]:
    """Read one folder as the scene ``name``.

    descriptors: hloc HDF5 file with the names of images.csv, or .npy (n, D) with a row for each
        row of images.csv; without it the scene's descriptors are None. radio: False leaves
        radio.csv out.
    query_gps: readings of the queries' devices that are their lat, lon count as evidence, too.
    normalise: as of :func:`gcsa.descriptors.hdf5.open_pack`, also of a .npy.

    The truth is None where neither the positions of queries and database nor places are known.
    Places are the truth's clusters (rule "cluster"). Raises InputError, which names file and line.
    """
    folder = Path(folder)
    if not (folder / TABLE).is_file():
        raise MissingFileError(f"{folder / TABLE}: no such file{_others(folder)}")
    images = read_images(folder / TABLE)
    rows = None if descriptors is None else _descriptors(Path(descriptors), images, normalise)
    heard = None
    if radio and (folder / RADIO_TABLE).is_file():
        heard = read_radio(folder / RADIO_TABLE, images.names)

    device = images.device

    def images_of(role: np.ndarray, positions: np.ndarray | None, taken: Taken) -> ImageSet:
        return ImageSet(
            images.names[role],
            None if rows is None else rows(role),
            positions,
            None if images.headings is None else images.headings[role],
            None if heard is None else heard[role],
            *(None if a is None else a[role] for a in (device.accuracy, device.heading_accuracy)),
            *(None if a is None else a[role] for a in taken),
        )

    database, queries = _roles(images)
    reported = _reported(images, queries, query_gps, folder / TABLE)
    positions = images.positions[database]
    known = bool(np.isfinite(positions).any())
    # Where queries were taken is the truth's: their sessions follow from what devices report.
    places = images.positions[:, :2].copy()
    places[queries] = np.nan if reported is None else reported
    walks = _taken(images, places)
    own = walks if images.query is not None else _taken(images, images.positions[:, :2])
    scene = Scene(
        name,
        images_of(database, positions if known else None, own),
        images_of(queries, reported, walks),
        images.frame,
    )
    return scene, _truth(images, database, queries, known)


def _taken(images: Images, places: np.ndarray) -> Taken:
    """Sequences of all images: the table's, or those that times and places tell."""
    times, sequences = images.device.times, images.device.sequences
    if sequences is None and times is not None:
        sequences = sessions(times, places)
    if sequences is None:
        return None, None, None
    frames = in_order(sequences, np.zeros(len(images)) if times is None else times)
    if times is None or not np.isfinite(times).all():
        return sequences, frames, None
    return sequences, frames, np.round(1e6 * times).astype(np.int64)


def _roles(images: Images) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the database and of the queries; both are all images where none is a query."""
    if images.query is None:
        return np.arange(len(images)), np.arange(len(images))
    return np.flatnonzero(~images.query), np.flatnonzero(images.query)


def _reported(
    images: Images, queries: np.ndarray, query_gps: bool, table: Path
) -> np.ndarray | None:
    """Where the devices of the queries report them, (q, 2) metres or None.

    A reading that is the position that figures are measured with cannot be evidence beside it.
    """
    if images.device.positions is None:
        return None
    reported = images.device.positions[queries].copy()
    if not query_gps:
        away = np.linalg.norm(reported - images.positions[queries, :2], axis=1)
        same = away < SAME
        reported[same] = np.nan
        if same.any():
            logger.info(
                "%s: %d of %d queries report what their position is; they are the truth, not "
                "evidence (data.query_gps=true makes them evidence)",
                *(table, int(same.sum()), len(queries)),
            )
    return None if np.isnan(reported).all() else reported


def _truth(
    images: Images, database: np.ndarray, queries: np.ndarray, database_known: bool
) -> Truth | None:
    positions = images.positions[queries]
    if images.places is None and not (database_known and np.isfinite(positions).any()):
        return None
    headings = None if images.headings is None else images.headings[queries]
    places = images.places
    clusters = None if places is None else Clusters(places[queries], places[database])
    return Truth(positions, headings, clusters=clusters)


def _others(folder: Path) -> str:
    """A hint: the scenes that lie in a folder, or beside one, that is none."""
    for parent in (folder, folder.parent):
        if parent.is_dir():
            found = sorted(p.parent.name for p in parent.glob(f"*/{TABLE}"))
            if found:
                hint = similar(folder.name, found)
                listed = f"{parent} has the scenes {', '.join(found[:9])} (data.val_scenes, ...)"
                return f"{hint}; {listed}"
    return f" (data.root, data.val_scenes, ...); expected a table of the images of {folder}"


def _descriptors(path: Path, images: Images, normalise: bool):
    """A function from rows of the table to descriptors."""
    if path.suffix != ".npy":
        pack = open_pack(path, normalise)
        return lambda rows: pack.rows(images.names[rows])
    array = _array(path, images.names, normalise)
    return lambda rows: DescriptorRows(array, rows)


def _array(path: Path, names: np.ndarray, normalise: bool) -> np.ndarray:
    """The array (n, D) float16 of a .npy file, mapped where it is of that type and unit length."""
    array = check_array(read_file(path), path, None, None, None)
    if len(array) != len(names):
        raise InputError(f"{path}: {len(array)} rows for the {len(names)} images of {TABLE}")
    return unit_array(array, str(path), names, normalise, NORMALISE)
