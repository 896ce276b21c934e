"""Descriptors kept as codes: an HDF5 file of names, codes and codebooks, read like any other.

It has three datasets: ``names`` (n,) UTF-8 bytes, ascending; ``codes`` (n, M) uint8, in one piece;
``codebooks`` (M, C, d) float32. Codes are mapped into memory, and decoded where rows are asked
for: what a reader gets is near the descriptors that were encoded, not equal to them.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from gcsa.descriptors.memory import check_whole
from gcsa.descriptors.new_hdf5 import new_hdf5
from gcsa.descriptors.objects import check_storage, find, open_hdf5
from gcsa.descriptors.quantisation import CENTRES, Codebooks
from gcsa.errors import InputError
from gcsa.files import limits, reading

logger = logging.getLogger(__name__)

NAMES, CODES, CODEBOOKS = "names", "codes", "codebooks"
# Attribute of the file: a hash of all three.
CONTENT = "gcsa_codes"
EXPECTED = "a file of codes: names (n,), codes (n, M) uint8, codebooks (M, C, d) float32"


class Decoded:
    """Codes (n, M) as the array (n, D) float16 of unit length that they stand for."""

    dtype = np.dtype(np.float16)

    def __init__(self, codes: np.ndarray, codebooks: Codebooks):
        self._codes, self._codebooks = codes, codebooks
        self.shape = len(codes), codebooks.length

    def __len__(self) -> int:
        return len(self._codes)

    def __getitem__(self, rows: Any) -> np.ndarray:
        check_whole(self._codes)
        codes = np.asarray(self._codes[rows])
        flat = self._codebooks.decode(codes.reshape(-1, codes.shape[-1]))
        return flat.astype(np.float16).reshape(*codes.shape[:-1], self.shape[1])

    def take(self, rows: np.ndarray, axis: int, out: np.ndarray, mode: str) -> np.ndarray:
        """As of np.take, along the first axis."""
        out[:] = self[rows]
        return out


class Coded(NamedTuple):
    """names: (n,) bytes, ascending. content: a hash of all, "" where the file states none."""

    names: np.ndarray
    array: Decoded
    content: str


def write_codes(
    path: Path, names: Iterable[str], blocks: Iterable[np.ndarray], codebooks: Codebooks
) -> None:
    """Write descriptors as codes, all or nothing. blocks: (m, D) each, n in all.

    names: (n,) ascending.
    """
    keys = np.array([name.encode() for name in names])
    digest = hashlib.blake2b(keys.tobytes() + codebooks.centres.tobytes(), digest_size=16)
    shape = len(keys), len(codebooks.centres)
    with new_hdf5(path) as file:
        file[NAMES], file[CODEBOOKS] = keys, codebooks.centres
        stored, start = file.create_dataset(CODES, shape, np.uint8), 0
        for block in blocks:
            codes = codebooks.encode(block)
            stored[start : start + len(codes)] = codes
            digest.update(codes.tobytes())
            start += len(codes)
        file.attrs[CONTENT] = digest.hexdigest()


def open_codes(path: Path) -> Coded | None:
    """The codes of a file; None where it is no file of codes."""
    with reading(path, EXPECTED), open(path, "rb"):
        pass  # what the system has against it is said in its words, not in HDF5's
    with open_hdf5(path) as file, reading(path, EXPECTED):
        found = {name: find(file, name) for name in (NAMES, CODES, CODEBOOKS)}
        if any(not isinstance(part, h5py.h5d.DatasetID) for part in found.values()):
            return None
        for name, part in found.items():
            check_storage(part, f"{path}: '{name}'", "GCSA_MAX_LENGTH")
        content = file.attrs.get(CONTENT, "")
        names = h5py.Dataset(found[NAMES])[()]
        codebooks = _codebooks(found[CODEBOOKS], path)
        codes = _mapped(found[CODES], path)
        if codes.shape != (len(names), len(codebooks.centres)):
            raise ValueError(f"{len(names)} names, codes of shape {codes.shape}")
        if names.dtype.kind != "S" or not (names[:-1] < names[1:]).all():
            raise ValueError("names are no ascending text")
        str(names.tobytes(), "utf-8")  # UnicodeDecodeError where it is no text
        if int(codes.max(initial=0)) >= codebooks.centres.shape[1]:
            raise ValueError("a code is beyond the codebooks")
    text = "%s: %d codes a descriptor; what is read is near what was encoded"
    logger.info(text, path, codes.shape[1])
    return Coded(names, Decoded(codes, codebooks), str(content))


def _codebooks(dataset: h5py.h5d.DatasetID, path: Path) -> Codebooks:
    shape = dataset.shape
    if len(shape) != 3 or 0 in shape or shape[1] > CENTRES:
        raise ValueError(f"codebooks have shape {shape}")
    limits.check("GCSA_MAX_LENGTH", shape[0] * shape[2], f"{path}: a descriptor")
    centres = np.asarray(h5py.Dataset(dataset)[()], dtype=np.float32)
    if not np.isfinite(centres).all():
        raise InputError(f"{path}: a number of the codebooks is not finite")
    return Codebooks(centres)


def _mapped(dataset: h5py.h5d.DatasetID, path: Path) -> np.ndarray:
    """The codes (n, M) uint8, where they lie in the file."""
    offset = dataset.get_offset()
    if offset is None or dataset.dtype != np.uint8 or len(dataset.shape) != 2:
        raise ValueError("codes do not lie in one piece of bytes")
    return np.memmap(path, np.uint8, "r", offset, dataset.shape)
