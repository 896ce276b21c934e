"""dbStruct, the MATLAB files of Pittsburgh and Tokyo -> (Scene, Truth).

``<name>.mat`` holds one struct ``dbStruct``: ``dbImageFns`` and ``qImageFns``, paths of images,
``utmDb`` and ``utmQ``, (2, n) metres, ``posDistThr`` and more. Its fields stand in another order
in Tokyo's files than in Pittsburgh's, so they are taken by name. (NetVLAD, CVPR 2016; the files of
R. Arandjelovic.)
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gcsa.datasets.placed import (
    PLAIN,
    How,
    PlacedImages,
    crops,
    placed_scene,
    say_threshold,
    two_columns,
)
from gcsa.errors import InputError, nearest
from gcsa.evaluation.truth import Truth
from gcsa.files import reading
from gcsa.files.mat_files import load_mat
from gcsa.scene import Scene
from gcsa.sideinfo.utm import Zone

logger = logging.getLogger(__name__)

FIELDS = ("dbImageFns", "utmDb", "qImageFns", "utmQ")
EXPECTED = "a MATLAB 5 file with a struct dbStruct (save it with -v7)"
READ = {*FIELDS, "posDistThr"}
# The zone is written nowhere: that of the city, by the beginning of the file's name.
ZONES = {"pitts": Zone(17), "tokyo": Zone(54)}


def read_scene(
    path: str | os.PathLike,
    how: How = PLAIN,
    database: str = "",
    queries: str = "queries_real",
    reach: float | None = None,
) -> tuple[Scene, Truth | None]:
    """Read one .mat file; the scene is named by it.

    database, queries: folders that stand before the paths of the two, "" for none. reach: metres
    within which figures call an image relevant; where the file says otherwise a word is said.

    Crops of one panorama (``..._pitch1_yaw2.jpg``) are a sequence. Raises InputError, which names
    file and field.
    """
    path = Path(path)
    content = _struct(path)
    unread = sorted(set(content) - READ)
    logger.info("%s: fields that are not read: %s", path, ", ".join(unread) or "none")
    if "posDistThr" in content and np.size(content["posDistThr"]) == 1:
        with reading(path, "metres in posDistThr"):
            threshold = float(np.asarray(content["posDistThr"]).item())
        say_threshold(threshold, reach, path)
    here = _images(path, content, *FIELDS[:2], database)
    asked = _images(path, content, *FIELDS[2:], queries)
    frame = next((zone for city, zone in ZONES.items() if path.stem.startswith(city)), None)
    return placed_scene(path.stem, here, asked, how, frame)


def _struct(path: Path) -> Mapping[str, Any]:
    """The fields of dbStruct by name."""
    content = load_mat(path, EXPECTED, ("dbStruct",))
    if "dbStruct" not in content:
        raise InputError(f"{path}: has no dbStruct; expected {EXPECTED}")
    struct = content["dbStruct"]
    if not isinstance(struct, dict) or not struct:
        raise InputError(f"{path}: dbStruct is no struct of 1 x 1; expected {EXPECTED}")
    for name in FIELDS:
        if name not in struct:
            raise InputError(f"{path}: dbStruct has no field '{name}'{nearest(name, struct)}")
    return struct


def _images(
    path: Path, content: Mapping[str, Any], names: str, positions: str, folder: str
) -> PlacedImages:
    texts = [_text(cell) for cell in np.asarray(content[names], dtype=object).ravel()]
    if not texts:
        raise InputError(f"{path}: dbStruct.{names}: holds no images")
    if "" in texts:
        cell = texts.index("") + 1
        raise InputError(f"{path}: dbStruct.{names}: cell {cell} is not the path of an image")
    paths = np.array([f"{folder}/{text}" if folder else text for text in texts], dtype=str)
    places = two_columns(content[positions], len(texts), True, f"{path}: dbStruct.{positions}")
    return PlacedImages(paths, places, **crops(paths))


def _text(cell: Any) -> str:
    """The text of a cell, which MATLAB nests in arrays of one; "" where it is none."""
    while isinstance(cell, np.ndarray) and cell.size == 1:
        cell = cell.reshape(-1)[0]
    return str(cell).strip().replace("\\", "/") if isinstance(cell, str) else ""
