"""Two kapture folders, of the map and of the queries -> (Scene, Truth).

``<scene>/mapping/sensors/`` and ``<scene>/query/sensors/``, or folders of other names. Poses of
queries (their ``trajectories.txt``) go to the truth alone; what their GNSS reads is what their
devices report. Where the map has readings but no poses, the readings are its positions, and those
of queries the truth.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np

from gcsa.datasets.folder.from_sfm import turn_upright
from gcsa.datasets.folder.scene import SAME
from gcsa.datasets.kapture.ground import Ground, fit, readings
from gcsa.datasets.kapture.part import DATA, FEATURES, Part
from gcsa.datasets.kapture.records import read_capture
from gcsa.datasets.lamar.scene import headings
from gcsa.datasets.placed import PLAIN, How
from gcsa.descriptors.gfeat import read_gfeat
from gcsa.descriptors.hdf5 import open_pack
from gcsa.evaluation.truth import Truth
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.geodesy import Plane, middle
from gcsa.sideinfo.radio import Radio, align

logger = logging.getLogger(__name__)

LEVEL = np.cos(np.deg2rad(45.0))  # cameras' up that leans less than 45 degrees from z is z
ALONG = 1.5e-4  # 1 less the cosine of a degree
AGREED = 0.5  # length of the mean of the cameras' up directions from which on it is one


def read_scene(
    folder: str | os.PathLike,
    name: str,
    how: How = PLAIN,
    database: str = "mapping",
    queries: str = "query",
    features: str = "",
    radio: bool = True,
) -> tuple[Scene, Truth | None]:
    """Read two kapture folders as the scene ``name``.

    database, queries: the folders of the two; one name for both makes each image a query among all
        the others. features: a type of global features, which are read in the place of hloc's
        HDF5. radio: False leaves records of WiFi and Bluetooth out.

    Names are ``<folder>/sensors/records_data/<path>``; those of an HDF5 file may be the paths
    alone. Positions (n, 3) are metres in kapture's world, turned so that z is up where it is not,
    which is said. Of scans an image has the nearest of its receiver within 10 s, a query the
    nearest before it; where all scans have the times of images, those of its own time. Raises
    InputError, which names file and line.
    """
    folder = Path(folder)
    captures = {role: read_capture(folder / role) for role in dict.fromkeys([database, queries])}
    mapped, asked = (Part(role, captures[role]) for role in (database, queries))
    turn = _upright(mapped, folder / database)
    places = {part.role: _places(part, turn) for part in (mapped, asked)}
    degrees = {part.role: readings(part.capture) for part in (mapped, asked)}
    here, truth, device, frame = _located(mapped, asked, places, degrees, how, folder)
    heard: list[Radio | None] = [None, None]
    scanned = any(p.capture.session.wifi or p.capture.session.bluetooth for p in (mapped, asked))
    if radio and scanned:
        heard = list(align([mapped.radio(past_only=False), asked.radio(past_only=True)]))
    rows = _Descriptors(folder, how, features)
    scene = Scene(
        name,
        ImageSet(
            mapped.names,
            rows(mapped),
            here,
            places[database][1],
            heard[0],
            **mapped.taken(True, here),
        ),
        ImageSet(
            asked.names,
            rows(asked),
            device,
            None,
            heard[1],
            None if device is None else degrees[queries][1],
            **asked.taken(queries == database, device),
        ),
        frame,
    )
    if truth is None or here is None:
        return scene, None
    return scene, Truth(truth, places[queries][1])


Places = tuple[np.ndarray | None, np.ndarray | None]


def _upright(mapped: Part, where: Path) -> np.ndarray:
    """The turn (3, 3) of kapture's world that makes z the cameras' up; most often none."""
    rotations = mapped.poses[0]
    # A camera that looks along z, at its feet in most worlds, says nothing of what is up.
    known = np.abs(rotations[:, 2, 2]) < 1 - ALONG
    up = -rotations[known, :, 1].sum(axis=0) / max(1, known.sum())
    if np.linalg.norm(up) < AGREED:
        if mapped.posed:
            logger.info("%s: its cameras do not agree on what is up; z is taken for it", where)
        return np.eye(3)
    if up[2] >= LEVEL * np.linalg.norm(up):
        return np.eye(3)
    logger.info(
        "%s: up is (%.2f, %.2f, %.2f) by its cameras; the world is turned so that it is z",
        *(where, *up / np.linalg.norm(up)),
    )
    return turn_upright(up)


def _places(part: Part, turn: np.ndarray) -> Places:
    """Positions (n, 3) and headings (n,) of the poses, in the turned world; None without any."""
    if not part.posed:
        return None, None
    rotations, positions = part.poses
    return positions @ turn.T, headings(turn @ rotations)


def _located(
    mapped: Part,
    asked: Part,
    places: dict[str, Places],
    degrees: dict[str, tuple[np.ndarray, np.ndarray]],
    how: How,
    folder: Path,
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None, Ground | Plane | None]:
    """Positions of the map, of the truth, of queries' devices, and the frame of all."""
    here, true = places[mapped.role][0], places[asked.role][0]
    read, own = degrees[mapped.role][0], degrees[asked.role][0]
    if here is None:
        known = np.isfinite(read).all(axis=1)
        if not known.any():
            return None, None, None, None
        plane = Plane(tuple(float(v) for v in middle(read[known])))  # type: ignore[arg-type]
        ground = Ground(plane, np.eye(2), np.zeros(2))
        truth = _any(ground.to_metres(own))
        return ground.to_metres(read), truth, truth if how.query_gps else None, plane
    found = fit(here[:, :2], read, folder / mapped.role)
    if found is None:
        if np.isfinite(own).any():
            text = "%s: readings of GNSS are not used: the map has none to place them by"
            logger.info(text, folder / asked.role)
        return here, true, None, None
    device = found.to_metres(own)
    if true is not None and not how.query_gps:
        device[np.linalg.norm(device - true[:, :2], axis=1) < SAME] = np.nan
    return here, true, _any(device), found


def _any(values: np.ndarray) -> np.ndarray | None:
    return None if np.isnan(values).all() else values


class _Descriptors:
    """Descriptors of a part's images, of whichever kind the settings name."""

    def __init__(self, folder: Path, how: How, features: str):
        self._folder, self._how, self._features = folder, how, features
        self._pack = None
        if not features and how.descriptors is not None:
            self._pack = open_pack(how.descriptors, how.normalise)

    def __call__(self, part: Part) -> Any:
        if self._features:
            folder = self._folder / part.role / FEATURES / self._features
            return read_gfeat(folder, part.images.paths, self._how.normalise)
        if self._pack is None:
            return None
        full = np.char.startswith(self._pack.keys, f"{part.role}/{DATA}/".encode()).any()
        return self._pack.rows(part.names if full else part.images.paths)
