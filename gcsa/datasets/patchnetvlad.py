"""Lists of images and their ground truth as Patch-NetVLAD has them -> (Scene, Truth).

``<name>_imageNames_index.txt`` and ``<name>_imageNames_query.txt``, a path a line, and an npz with
``utmDb`` (n, 2), ``utmQ`` (q, 2) and ``posDistThr``. (QVPR/Patch-NetVLAD, dataset_imagenames and
dataset_gt_files.)
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

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
from gcsa.errors import InputError
from gcsa.evaluation.truth import Truth
from gcsa.files import read_text, reading
from gcsa.files.npy import load_npz
from gcsa.scene import Scene

logger = logging.getLogger(__name__)

LISTS = {"utmDb": "{}_imageNames_index.txt", "utmQ": "{}_imageNames_query.txt"}
# Where the files lie below the root, and what the truth of a list is called.
FOLDERS = {"lists": ("dataset_imagenames", "."), "truth": ("dataset_gt_files", ".")}
TRUTHS = ("{}.npz", "{}_test.npz", "{}_val.npz")


def read_scene(
    root: str | os.PathLike, name: str, how: How = PLAIN, reach: float | None = None
) -> tuple[Scene, Truth | None]:
    """Read the lists ``name`` below ``root``, in its folders of these or in itself.

    reach: metres within which figures call an image relevant; where the npz says otherwise a word
    is said. Without an npz nothing is known of positions, and there is no truth. Paths begin
    without "./". Raises InputError, which names file, line or array.
    """
    root = Path(root)
    listed = {
        key: _names(_there(root, "lists", [form.format(name)])) for key, form in LISTS.items()
    }
    truth = _there(root, "truth", [form.format(name) for form in TRUTHS])
    if not truth.is_file():
        logger.info("%s: no such file; nothing is known of where its images are", truth)
        positions: dict[str, np.ndarray | None] = dict.fromkeys(LISTS)
    else:
        positions = {**_positions(truth, {key: len(names) for key, names in listed.items()}, reach)}
    database, queries = (
        PlacedImages(listed[key], positions[key], **crops(listed[key])) for key in LISTS
    )
    return placed_scene(name, database, queries, how)


def _there(root: Path, kind: str, names: list[str]) -> Path:
    """The first of some files that is there; else the first of all."""
    paths = [root / folder / name for folder in FOLDERS[kind] for name in names]
    return next((path for path in paths if path.is_file()), paths[0])


def _names(path: Path) -> np.ndarray:
    """The paths of a list, (n,) str."""
    first: dict[str, int] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        text = line.strip().removeprefix("./")
        if not text:
            continue
        if text in first:
            raise InputError(
                f"{path}: line {number}: '{text}' is there twice, first in line {first[text]}"
            )
        first[text] = number
    if not first:
        raise InputError(f"{path}: holds no images; expected a path a line")
    return np.array(list(first), dtype=str)


def _positions(path: Path, counts: dict[str, int], reach: float | None) -> dict[str, np.ndarray]:
    expected = "an npz of arrays utmDb (n, 2), utmQ (q, 2), posDistThr"
    arrays = load_npz(path, expected=expected)
    for key in counts:
        if key not in arrays:
            raise InputError(f"{path}: has no array '{key}'; expected {expected}")
    if np.size(arrays.get("posDistThr", ())) == 1:
        with reading(path, "metres in posDistThr"):
            threshold = float(arrays["posDistThr"].item())
        say_threshold(threshold, reach, path)
    return {key: two_columns(arrays[key], n, False, f"{path}: {key}") for key, n in counts.items()}
