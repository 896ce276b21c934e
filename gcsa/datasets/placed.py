"""Images whose positions a data set's own files give -> (Scene, Truth)."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gcsa.datasets.sessions import in_order
from gcsa.descriptors.hdf5 import open_pack
from gcsa.errors import InputError
from gcsa.evaluation.truth import Clusters, Truth
from gcsa.scene import Frame, ImageSet, Scene

logger = logging.getLogger(__name__)

# Crops of one panorama, as Pittsburgh's: what stands before is the panorama.
CROP = re.compile(r"_pitch\d+_yaw\d+")


@dataclass(frozen=True, eq=False)
class PlacedImages:
    """What is known of n images, database or queries.

    names: (n,) str. positions: (n, 2) metres; headings: (n,) radians; NaN is unknown, None for
    none at all. sequences, frames: as of :class:`gcsa.scene.ImageSet`. places: (n,) int64, equal
    where alike.
    """

    names: np.ndarray
    positions: np.ndarray | None = None
    headings: np.ndarray | None = None
    sequences: np.ndarray | None = None
    frames: np.ndarray | None = None
    places: np.ndarray | None = None

    @property
    def known(self) -> np.ndarray | None:
        """``positions``; None where not one is known."""
        return None if self.positions is None or np.isnan(self.positions).all() else self.positions


@dataclass(frozen=True)
class How:
    """descriptors: hloc HDF5 file of the scene; without it the scene's descriptors are None.

    normalise: as of :func:`gcsa.descriptors.hdf5.open_pack`. query_gps: what devices of queries
    read is evidence where it is the truth, too; of data sets without such readings, nothing.
    """

    descriptors: str | os.PathLike | None = None
    normalise: bool = False
    query_gps: bool = False


PLAIN = How()


def placed_scene(
    name: str, database: PlacedImages, queries: PlacedImages, how: How, frame: Frame | None = None
) -> tuple[Scene, Truth | None]:
    """A scene of images of known positions, those of queries in the truth alone.

    Headings of queries are what their cameras say, and the scene has them, too. The truth is None
    where neither positions nor places of both are known.
    """
    pack = None if how.descriptors is None else open_pack(how.descriptors, how.normalise)

    def image_set(images: PlacedImages, positions: np.ndarray | None = None) -> ImageSet:
        unknown = images.headings is None or np.isnan(images.headings).all()
        return ImageSet(
            images.names,
            None if pack is None else pack.rows(images.names),
            positions,
            None if unknown else images.headings,
            sequences=images.sequences,
            frames=images.frames,
        )

    if how.query_gps:
        logger.info("%s: no readings of devices; data.query_gps changes nothing", name)
    asked = image_set(queries)
    scene = Scene(name, image_set(database, database.known), asked, frame)
    clusters = None
    if queries.places is not None and database.places is not None:
        clusters = Clusters(queries.places, database.places)
    if clusters is None and (database.known is None or queries.known is None):
        return scene, None
    unknown = np.full((len(queries.names), 2), np.nan)
    positions = unknown if queries.positions is None else queries.positions
    return scene, Truth(positions, asked.headings, clusters=clusters)


def say_threshold(metres: float, reach: float | None, where: Path) -> None:
    """A word where a file's own limit of what is relevant is not the rule's ``reach``."""
    if reach is not None and metres != reach:
        logger.info(
            "%s: calls images relevant within %g m, the figures are within %g m "
            "(data.val_labels=dist@%g takes the file's)",
            *(where, metres, reach, metres),
        )


def two_columns(values: np.ndarray, n: int, turned: bool, where: str) -> np.ndarray:
    """East and north as (n, 2) float64; ``turned``: the file has (2, n), as MATLAB's have.

    InputError, with ``where`` the array is, for another shape or kind, or infinite numbers.
    """
    array = np.asarray(values)
    right = (2, n) if turned else (n, 2)
    if array.dtype.kind not in "iuf" or array.shape not in (right, right[::-1]):
        raise InputError(
            f"{where}: expected numbers of shape {right}, east and north of {n} images, got "
            f"{array.dtype} {array.shape}"
        )
    array = array.T if turned == (array.shape == right) else array
    if np.isinf(array.astype(np.float64)).any():
        raise InputError(f"{where}: a position is infinite")
    return array.astype(np.float64)


def crops(paths: np.ndarray) -> dict[str, np.ndarray]:
    """Sequences and frames of images (n,) named as crops: those of each panorama; else nothing."""
    panoramas = [CROP.split(path)[0] if CROP.search(path) else "" for path in paths]
    if not any(panoramas):
        return {}
    numbers = np.unique(panoramas, return_inverse=True)[1].astype(np.int64)
    together = np.where(np.array(panoramas) == "", -1, numbers)
    return {"sequences": together, "frames": in_order(together, np.arange(len(paths)))}
