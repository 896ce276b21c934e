"""Feature files of image retrieval: descriptors by row number, in a pickle or an npz.

cirtorch's users, CSA among them, keep descriptors as a dict of arrays (n, D) by role ("db" and
"query", "train" and "val"), distractors as one bare array; row i belongs to image i of a list
kept elsewhere. Reading a pickle takes its whole size in memory each time (8 GB for a million
distractors). So a role of ``X.pkl`` is read once, into ``X.pkl.<role>.pack.npy``, (n, D) float16
of unit length, memory-mapped, which knows the hash of that file and is made again when its content
has changed (:mod:`gcsa.descriptors.origin`). A bare .npy is memory-mapped as it is.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from gcsa.descriptors import origin, packfile
from gcsa.descriptors.lengths import off_unit
from gcsa.descriptors.memory import release
from gcsa.errors import InputError, MissingFileError
from gcsa.files import pickles, reading
from gcsa.files.npy import load_npy, load_npz
from gcsa.scene import NORM_TOLERANCE

logger = logging.getLogger(__name__)

PACK_VERSION = 2
# Rows normalised at a time: 64 MB of 2048-d float32.
CHUNK = 8192
# In the names of a pack, for the array of a file that holds one alone.
BARE = "all"
# Behind a role, the key of the names of its images; only our own .npz files have it.
NAMES = "_names"


def open_features(
    path: str | os.PathLike,
    role: str | None,
    rows: int | None = None,
    width: int | None = None,
    names: np.ndarray | None = None,
) -> np.ndarray:
    """The descriptors of one role: (n, D) of unit length, a read-only memory map.

    float16, but for a .npy, which keeps its type.
    path: .pkl or .npz. role: the key; None for a file that is one bare array, which may be .npy.
    rows, width: n and D where known. names: (n,) of the images, for messages. Descriptors of
    other lengths are normalised and counted in the log, those of a .npy refused. Raises
    InputError where key, shape or values cannot be right.
    """
    path = Path(path)
    if role is None and path.suffix == ".npy":
        array = check_array(read_file(path), path, role, rows, width)
        _check_lengths(array, path)
        return array
    packed = _open_pack(path, role)
    if packed is None:
        _check_there(path)
        with packfile.alone(_paths(path, role)[0]) as waited:
            packed = _open_pack(path, role) if waited else None
            if packed is None:
                digest = origin.take_note(path, _paths(path, role)[1])  # before it is read
                content = check_array(pick(read_file(path), path, role), path, role, rows, width)
                _write_pack(content, path, role, names, digest)
                packed = _open_pack(path, role)
    if packed is None:
        raise InputError(f"{path}: changed while its descriptors were being packed")
    return check_array(packed, path, role, rows, width)


def read_file(path: str | os.PathLike) -> Any:
    """What a feature file holds: a dict of arrays, or one array."""
    path = Path(path)
    _check_there(path)
    if path.suffix == ".pkl":
        return pickles.load(path)
    if path.suffix == ".npz":
        return load_npz(path)
    if path.suffix == ".npy":
        return load_npy(path)
    raise InputError(f"{path}: expected a .pkl, .npz or .npy file")


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise MissingFileError(f"{path}: no such feature file")


def stored_names(path: str | os.PathLike, role: str) -> np.ndarray | None:
    """The names (n,) of a role's images where the file has them: an .npz of ours."""
    path = Path(path)
    if path.suffix != ".npz" or not path.is_file():
        return None
    return load_npz(path, [role + NAMES]).get(role + NAMES)


def pick(content: Any, path: Path, role: str | None) -> Any:
    """The array of a role out of what a file holds; with None the bare array that it is."""
    if role is None:
        if isinstance(content, dict):
            raise InputError(
                f"{path}: expected one bare array, got a dict of {', '.join(map(str, content))}"
            )
        return content
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a dict with '{role}', got {type(content).__name__}")
    if role not in content:
        raise InputError(
            f"{path}: has no '{role}', only {', '.join(map(str, content)) or 'nothing'}"
        )
    return content[role]


def check_array(
    array: Any, path: Path, role: str | None, rows: int | None, width: int | None
) -> np.ndarray:
    """``array``, or InputError where it is not floats of shape (rows, width), as far as known."""
    where = f"{path}: '{role}'" if role else f"{path}"
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind != "f":
        got = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array)
        raise InputError(f"{where}: expected a two-dimensional array of floats, got {got}")
    expected = (rows, width)
    if all(e is None or e == n for e, n in zip(expected, array.shape, strict=True)):
        return array
    if all(e is None or e == n for e, n in zip(expected, array.T.shape, strict=True)):
        raise InputError(
            f"{where}: shape {array.shape} has an image in each column; transpose it to "
            f"{array.T.shape} (gcsa datasets.landmarks.convert --transpose)"
        )
    if rows is not None and rows != len(array):
        raise InputError(f"{where}: {len(array)} descriptors for {rows} images")
    raise InputError(f"{where}: descriptors of length {array.shape[1]}, expected {width}")


def unit_rows(
    array: np.ndarray, out: np.ndarray, where: str, names: np.ndarray | None = None
) -> None:
    """Write the rows of ``array`` (n, D), divided by their lengths, into ``out`` (n, D).

    Logs how many were not of unit length. Raises InputError for a row that is zero or not finite,
    by its number and, where names (n,) are given, its image.
    """
    for start, block in _unit_blocks(array, where, names):
        out[start : start + len(block)] = block


def _unit_blocks(
    array: np.ndarray, where: str, names: np.ndarray | None
) -> Iterator[tuple[int, np.ndarray]]:
    """The rows of unit length block by block: (number of the first, (m, D) float32)."""
    shortest, longest, count = np.inf, 0.0, 0
    for start in range(0, len(array), CHUNK):
        block = np.asarray(array[start : start + CHUNK], dtype=np.float32)
        lengths = np.linalg.norm(block, axis=1)
        wrong = ~(np.isfinite(lengths) & (lengths > 0))
        if wrong.any():
            row = start + int(wrong.argmax())
            image = "" if names is None else f": image '{names[row]}'"
            raise InputError(
                f"{where}: row {row} is zero or not finite, it has no direction{image}"
            )
        yield start, block / lengths[:, None]
        count += int((np.abs(lengths - 1) > NORM_TOLERANCE).sum())
        shortest, longest = min(shortest, lengths.min()), max(longest, lengths.max())
    if count:
        text = "%s: lengths from %.4g to %.4g, %d of %d normalised"
        logger.info(text, where, shortest, longest, count, len(array))


def _check_lengths(array: np.ndarray, path: Path) -> None:
    """InputError where a row is not of unit length. Pages that were read go back."""
    for start in range(0, len(array), CHUNK):
        wrong = off_unit(array[start : start + CHUNK])
        if len(wrong):
            row = start + int(wrong[0])
            length = np.linalg.norm(array[row].astype(np.float64))
            raise InputError(
                f"{path}: row {row} has length {length:.4g}, expected 1; "
                "gcsa datasets.landmarks.convert normalises"
            )
        if isinstance(array, np.memmap):
            release(array)


def _paths(path: Path, role: str | None) -> tuple[Path, Path]:
    stem = f"{path.name}.{role or BARE}.pack"
    return path.with_name(f"{stem}.npy"), path.with_name(f"{stem}.json")


def _write_pack(
    array: np.ndarray, path: Path, role: str | None, names: np.ndarray | None, digest: str
) -> None:
    packed, _ = _paths(path, role)
    blocks = _unit_blocks(array, f"{path}: '{role}'" if role else f"{path}", names)
    packfile.write(
        packed,
        array.shape,
        np.zeros(0, "S1"),
        (block.astype(np.float16) for _, block in blocks),
        lambda: {"version": PACK_VERSION, "source": path.name, "blake2b": digest},
    )


def _open_pack(path: Path, role: str | None) -> np.ndarray | None:
    """The pack of a role, or None where there is none, or it is stale or not whole.

    Where the feature file itself is gone the pack serves alone.
    """
    packed, note = _paths(path, role)
    content, there = packfile.read(packed), path.is_file()
    if content is None:
        return None if there else _open_earlier(packed, note)
    record = content.record
    whole = record.get("version") == PACK_VERSION
    if whole and (not there or origin.has_content(path, str(record.get("blake2b")), note)):
        return content.array
    logger.info("%s: its packed descriptors are stale, packing again", path)
    return None


def _open_earlier(packed: Path, about: Path) -> np.ndarray | None:
    """A pack of the version before, of two files, where there is nothing else."""
    with suppress(InputError), reading(about, "the record of a pack"):
        record, array = json.loads(about.read_text()), load_npy(packed)
        if record["version"] == 1 and list(array.shape) == record["shape"]:
            return array
    return None
