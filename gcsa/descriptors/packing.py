"""The descriptors of an hloc HDF5 file, copied into a pack."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from tqdm import tqdm

from gcsa.descriptors import packfile
from gcsa.descriptors.lengths import Normalised, UnitRows
from gcsa.descriptors.listing import DATASET, image_names
from gcsa.descriptors.objects import check_storage, open_hdf5
from gcsa.errors import InputError
from gcsa.files import limits, reading

PACK_VERSION = 4
EXPECTED = "an HDF5 file of descriptors, as hloc writes it"
# Images whose descriptors are copied at a time, and the numbers that these have at most: some
# tens of megabytes.
PACK_CHUNK, PACK_NUMBERS = 2048, 1 << 23
# Bytes that a file may unpack to however small it is: a compressed file of some hundred kilobytes
# can hold gigabytes of equal numbers.
UNPACKED = 64 << 20


def pack(source: Path, path: Path, content_hash: str) -> None:
    """Write the pack of all descriptors of ``source``, rows in the sorted order of the names.

    Rows are brought to unit length. InputError names the image whose descriptor is none.
    """
    with opened(source) as found:
        found.write(path, content_hash, slice(None))


@contextmanager
def opened(source: Path) -> Iterator[Unpacked]:
    """The descriptors of an HDF5 file, to be packed, all or a part of them."""
    with open_hdf5(source) as file, open(source, "rb") as beside:
        with reading(source, EXPECTED):
            names, lacking = image_names(file, source)
            rows = _Rows(file, beside.fileno(), source, names)
        yield Unpacked(names, lacking, rows)


@dataclass(frozen=True, eq=False)
class Unpacked:
    """An open file of descriptors: its images, sorted, those without one, and what reads them."""

    names: list[str]
    lacking: list[str]
    rows: _Rows

    def write(self, path: Path, content_hash: str, part: slice, own: bool = False) -> None:
        """Write the pack of a part of the images. own: as of :func:`gcsa.files.replacing`."""
        names, source = self.names[part], self.rows.source
        unit = UnitRows(str(source), lambda row: f"image '{names[row]}'")
        packfile.write(
            path,
            (len(names), self.rows.length),
            np.array([name.encode() for name in names]),
            _blocks(self.rows, names, unit),
            lambda: pack_record(source.name, content_hash, unit.found, self.lacking),
            own,
        )


def pack_record(
    source: str = "",
    content_hash: str = "",
    normalised: Normalised | None = None,
    lacking: Sequence[str] = (),
) -> dict[str, Any]:
    """What a pack says of itself: the file it is of, rows of other lengths, images without one."""
    return {
        "version": PACK_VERSION,
        "source": source,
        "blake2b": content_hash,
        "normalised": asdict(normalised or Normalised()),
        "lacking": len(lacking),
        "first_lacking": lacking[0] if lacking else "",
    }


@dataclass(frozen=True)
class Record:
    """A record as it is read: hash of the source, its odd rows, images without a descriptor."""

    content_hash: str
    normalised: Normalised
    lacking: int
    first_lacking: str


def read_record(found: dict[str, Any]) -> Record | None:
    """The record of a pack of this version, None where it is none."""
    with suppress(InputError), reading("a pack", "its record"):
        if found["version"] == PACK_VERSION:
            odd = Normalised(**found["normalised"])
            odd = Normalised(int(odd.count), str(odd.first), float(odd.length))
            content_hash, first = str(found["blake2b"]), str(found["first_lacking"])
            return Record(content_hash, odd, int(found["lacking"]), first)
    return None


def _blocks(rows: _Rows, names: list[str], unit: UnitRows) -> Iterator[np.ndarray]:
    """The descriptors of ``names`` block by block: (m, D) float16, each overwritten by the next."""
    size = max(1, min(PACK_CHUNK, PACK_NUMBERS // rows.length))
    room = np.empty((min(size, len(names)), rows.length), dtype=np.float16)
    title = f"packing {rows.source.name}"
    with tqdm(total=len(names), desc=title, unit="image", leave=False, disable=None) as bar:
        for start in range(0, len(names), size):
            chunk = names[start : start + size]
            block = room[: len(chunk)]
            with reading(rows.source, EXPECTED):
                found = [rows.read(name) for name in chunk]
            with np.errstate(over="ignore"):  # such rows are not of unit length
                np.stack(found, out=block, casting="same_kind")
            unit.bring(found, block, start)
            yield block
            bar.update(len(chunk))


class _Rows:
    """Reads descriptors out of an HDF5 file, each as it lies there.

    hloc writes plain floats in one piece, and HDF5 says where: reading the bytes there is several
    times faster than asking HDF5 for them, and opening by the name within the folder faster than
    by the whole path. In a file without links to others, as image_names has seen to, what has an
    address has it in this file. They are read, not mapped: a file that is cut short under us is
    then an error, not the end of the process.
    """

    def __init__(self, file: h5py.File, handle: int, source: Path, names: list[str]):
        if not names:
            raise InputError(f"{source}: holds no '{DATASET}'; expected the output of hloc")
        self.source = source
        self._file, self._handle, self._first = file, handle, names[0]
        self._folders: dict[str, h5py.h5g.GroupID] = {}
        self._type: h5py.h5t.TypeID | None = None
        example, _ = self._open(names[0])
        self.dtype, self._type = example.dtype, example.get_type()
        (self.length,) = example.shape
        self._bytes = self.length * self.dtype.itemsize
        # Half of the kinds of floats that HDF5 can describe NumPy has under no or another size.
        self._plain = h5py.h5t.py_create(self.dtype).equal(self._type)
        self._check_size(len(names))

    def read(self, name: str) -> np.ndarray:
        """The descriptor (length,) of an image, in the type of the file."""
        dataset, offset = self._open(name)
        if dataset.shape != (self.length,):
            raise InputError(
                f"{self.source}: descriptor of image '{name}' has shape {dataset.shape}, "
                f"that of '{self._first}' {(self.length,)}"
            )
        if offset is not None and self._plain and dataset.get_type().equal(self._type):
            stored = os.pread(self._handle, self._bytes, offset)
            if len(stored) < self._bytes:
                raise InputError(f"{self.source}: ends within the descriptor of image '{name}'")
            return np.frombuffer(stored, self.dtype)
        row = np.empty(self.length, dtype=np.float32)  # compressed, in chunks, or of another type
        dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, row)
        return row

    def _open(self, name: str) -> tuple[h5py.h5d.DatasetID, int | None]:
        """The dataset of an image, and where in the file its numbers lie if in one piece.

        InputError where it is no vector of floats, or not in this file.
        """
        folder, _, stem = name.rpartition("/")
        where = f"{self.source}: descriptor of image '{name}'"
        if folder not in self._folders:
            self._folders[folder] = h5py.h5g.open(self._file.id, folder.encode() or b"/")
        dataset = h5py.h5o.open(self._folders[folder], f"{stem}/{DATASET}".encode())
        if not isinstance(dataset, h5py.h5d.DatasetID):
            raise InputError(f"{where} is a group, expected a vector (D,) of floats")
        # Without numbers there is no address, whatever HDF5 says (511 behind a block of 512).
        offset = dataset.get_offset() if dataset.get_storage_size() else None
        if offset is None:
            check_storage(dataset, where, "GCSA_MAX_LENGTH")
        self._check_vector(dataset, where)
        return dataset, offset

    def _check_vector(self, dataset: h5py.h5d.DatasetID, where: str) -> None:
        shape = dataset.shape
        if not shape or len(shape) != 1 or not shape[0]:
            got = "is empty" if not shape or 0 in shape else "has"
            told = f" shape {shape}" if shape else ""
            raise InputError(f"{where} {got}{told}, expected a vector (D,) of floats")
        limits.check("GCSA_MAX_LENGTH", shape[0], where)
        kind = dataset.get_type()
        known = self._type is not None and kind.equal(self._type)
        if not known and kind.get_class() != h5py.h5t.FLOAT:
            raise InputError(f"{where} is of {dataset.dtype}, expected floats")

    def _check_size(self, count: int) -> None:
        """InputError where the rows of half precision are far more than what the file has."""
        unpacked, size = 2 * count * self.length, os.fstat(self._handle).st_size
        if unpacked > UNPACKED:
            limits.check("GCSA_MAX_EXPANSION", unpacked // size, self.source)
