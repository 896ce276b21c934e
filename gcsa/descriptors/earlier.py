"""Packs of earlier versions, of three files, where the HDF5 file that they were made of is gone.

Nothing says that the three are of one making. Where the HDF5 file is there it is packed anew;
where it is gone there is nothing else, so they are taken if they fit each other in all that can be
seen, with a warning, and become a pack of today.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from gcsa.descriptors import packfile
from gcsa.descriptors.lengths import Normalised, off_unit
from gcsa.descriptors.memory import release
from gcsa.descriptors.packing import pack_record
from gcsa.errors import InputError
from gcsa.files import read_text, reading

logger = logging.getLogger(__name__)

VERSIONS = (2, 3)
CHUNK = 2048


def names_path(source: Path) -> Path:
    """Where earlier versions kept the names."""
    return source.with_suffix(".pack.names.npy")


def adopt(source: Path) -> packfile.Content | None:
    """Make one pack of an earlier one and open it; None where there is none or it does not fit."""
    path = source.with_suffix(".pack.npy")
    with suppress(InputError):
        array, names, record = _read(path, names_path(source), source.with_suffix(".pack.json"))
        text = "%s: made by an earlier version, nothing tells that its three files belong together"
        logger.warning(text, path)
        with packfile.alone(path):
            packfile.write(path, array.shape, names, _checked(array, path), lambda: record)
        return packfile.read(path)
    return None


def _read(path: Path, names_path: Path, about: Path) -> tuple[np.ndarray, np.ndarray, dict]:
    with reading(about, "a pack of an earlier version"):
        found: dict[str, Any] = json.loads(read_text(about))
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        names = np.load(names_path, allow_pickle=False)
        whole = found["version"] in VERSIONS and list(array.shape) == found["shape"]
        if not whole or array.dtype != packfile.KIND or names.dtype.kind != "S":
            raise ValueError("does not fit")
        if len(names) != len(array) or not (names[:-1] < names[1:]).all():
            raise ValueError("does not fit")
        odd = Normalised(**found.get("normalised", {}))
        record = {
            **pack_record(found["source"], found["blake2b"], odd),
            "lacking": found.get("lacking", 0),
            "first_lacking": found.get("first_lacking", ""),
        }
    return array, names, record


def _checked(array: np.ndarray, path: Path) -> Iterator[np.ndarray]:
    for start in range(0, len(array), CHUNK):
        block = array[start : start + CHUNK]
        if len(off_unit(block)):
            raise InputError(f"{path}: has rows that are not of unit length")
        yield block
        release(array)
