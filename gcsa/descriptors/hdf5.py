"""Global descriptors: hloc's HDF5 files, packed once into a memory-mapped array.

hloc writes one HDF5 group per image, named by the image's path, with a ``global_descriptor`` in
it. Looking 100,000 groups up costs tens of seconds each time; a memory map opens at once and
gathers rows at memory speed. So ``X.h5`` is read once, into ``X.pack.npy`` ((n, D) float16, rows
in the sorted order of the names), ``X.pack.names.npy`` and ``X.pack.json`` (what it was made
from), beside it. A pack whose source has changed, or whose array is not whole, is rebuilt.

Pages of a memory map that were read stay in the process until something drops them: RESIDENT
counts them over all packs, and gives them back to the system when they pass its limit.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import weakref
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from gcsa.descriptors.lengths import Normalised, off_unit
from gcsa.descriptors.memory import mapped_bytes, release
from gcsa.descriptors.packing import PACK_CHUNK, pack
from gcsa.errors import InputError, MissingFileError
from gcsa.files import write_text

logger = logging.getLogger(__name__)

PACK_VERSION = 3  # every row is of unit length, and those that were not are counted
UNCHECKED = 2  # the version before; where its source is gone there is nothing else
NORMALISE = "data.normalise=true brings all to unit length"


class Resident:
    """A bound on the memory that mapped descriptors occupy in this process.

    limit: bytes. When the pages of files in this process have grown by more since the last time,
    every map is told to drop its pages. They stay in the system's page cache, so that reading
    them again is cheap while memory is not short. How many there are Linux says; elsewhere it is
    taken that a row maps AROUND more than itself. Some systems map up to MOST for one row.
    """

    AROUND, MOST = 1 << 16, 1 << 21

    def __init__(self, limit: int = 8 << 30):
        self.limit = limit
        self._lock = threading.Lock()
        self._count, self._asked, self._before = 0, 0, mapped_bytes()
        self._maps: weakref.WeakValueDictionary = weakref.WeakValueDictionary()

    @property
    def rows_at_once(self) -> int:
        """How many rows may be read before :meth:`read` is told."""
        return max(1, self.limit // (4 * self.MOST))

    def read(self, array: np.ndarray, rows: int) -> None:
        """Note that ``rows`` rows of an array were read; nothing happens where it is no map."""
        if getattr(array, "_mmap", None) is None:
            return
        with self._lock:
            self._maps[id(array)] = array
            self._count += rows * (array.shape[1] * array.itemsize + self.AROUND)
            if self._count < self._asked + self.limit // 64:  # asking takes as long as 50 rows
                return
            self._asked, mapped = self._count, mapped_bytes()
            grown = self._count
            if mapped is not None and self._before is not None:
                grown = mapped - self._before
        if grown > self.limit:
            self.drop()

    def drop(self) -> None:
        """Give the pages of all maps back to the system."""
        with self._lock:
            for array in list(self._maps.values()):
                release(array)
            self._count, self._asked, self._before = 0, 0, mapped_bytes()


RESIDENT = Resident()


class DescriptorRows(NDArrayOperatorsMixin):
    """Some rows of a memory-mapped array, in any order, as a read-only (n, D) array.

    Only the rows that are asked for are read: ``rows[index]`` gathers, ``np.asarray(rows)`` reads
    them all. NumPy functions and operators take it as the array that it stands for.
    """

    def __init__(self, array: np.ndarray, rows: np.ndarray):
        self._array, self._rows = array, rows

    @property
    def shape(self) -> tuple[int, int]:
        return len(self._rows), self._array.shape[1]

    @property
    def dtype(self) -> np.dtype:
        return self._array.dtype

    @property
    def ndim(self) -> int:
        return 2

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> np.ndarray:
        if isinstance(index, tuple):
            return self[index[0]][(..., *index[1:])]
        rows = self._rows[index]
        result = np.asarray(self._array[rows])
        RESIDENT.read(self._array, np.size(rows))
        return result

    def take(self, index: np.ndarray, out: np.ndarray) -> None:
        """Gather the rows ``index`` (m,) into ``out`` (m, D): no new memory, so twice as fast."""
        step = RESIDENT.rows_at_once
        for start in range(0, len(index), step):
            part = slice(start, start + step)
            np.take(self._array, self._rows[index[part]], axis=0, out=out[part], mode="clip")
            RESIDENT.read(self._array, len(index[part]))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        arrays = [np.asarray(x) if isinstance(x, DescriptorRows) else x for x in inputs]
        return getattr(ufunc, method)(*arrays, **kwargs)


@dataclass(frozen=True, eq=False)
class Pack:
    """Every descriptor of one file: ``array`` (n, D) float16, memory-mapped, row i of ``names[i]``.

    ``source`` is the HDF5 file it was made from; ``keys`` are the names as UTF-8 bytes, sorted.
    ``normalised``: the rows that are not of unit length in the source; here all are.
    """

    source: Path
    keys: np.ndarray
    array: np.ndarray
    normalised: Normalised = Normalised()

    @property
    def names(self) -> np.ndarray:
        """Names of the images, (n,) str."""
        return np.char.decode(self.keys, "utf-8")

    def rows(self, names: np.ndarray) -> DescriptorRows:
        """The descriptors of the images ``names``, in their order; InputError if one lacks."""
        names = np.asarray(names, dtype=str)
        keys = np.char.encode(names, "utf-8")
        index = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        missing = np.flatnonzero(self.keys[index] != keys)
        if len(missing):
            others = f" (nor for {len(missing) - 1} others)" if len(missing) > 1 else ""
            raise InputError(
                f"{self.source}: no descriptor for image '{names[missing[0]]}'{others}; "
                f"the file's names are like '{self.keys[0].decode()}'"
            )
        return DescriptorRows(self.array, index)


def open_pack(source: str | os.PathLike, normalise: bool = False, remedy: str = NORMALISE) -> Pack:
    """Open the pack of an hloc descriptor file, building it first where it lacks or is stale.

    Where the HDF5 file itself is gone and its pack is whole, the pack serves alone.
    normalise: descriptors that were not of unit length are taken as normalised, which is logged;
    otherwise they are an InputError that names the image, and the remedy.
    """
    source = Path(source)
    pack = _open_fresh(source)
    if pack is None:
        if not source.is_file():
            raise MissingFileError(
                f"{source}: no such descriptor file; extract descriptors first "
                "(scripts/msls_netvlad.sh, or hloc, for NetVLAD)"
            )
        _build(source)
        pack = _open_fresh(source)
    if pack is None:
        raise InputError(f"{source}: changed while its descriptors were being packed")
    pack.normalised.report(str(source), len(pack.array), normalise, remedy)
    return pack


def _paths(source: Path) -> tuple[Path, Path, Path]:
    ends = ".pack.npy", ".pack.names.npy", ".pack.json"
    array, names, about = (source.with_suffix(end) for end in ends)
    return array, names, about


def _open_fresh(source: Path) -> Pack | None:
    """The pack of ``source``, or None where there is none, or it is stale or not whole."""
    array_path, names_path, record_path = _paths(source)
    try:
        record = json.loads(record_path.read_text())
        array = np.load(array_path, mmap_mode="r")
        names = np.load(names_path)
        whole = record["version"] == PACK_VERSION and list(array.shape) == record["shape"]
        normalised = Normalised(**record.get("normalised", {}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError):
        return None
    if not source.is_file() and record["version"] == UNCHECKED:
        whole = list(array.shape) == record["shape"] and _passes(array, record, record_path)
    if not whole or len(names) != len(array) or not _is_fresh(record, source, record_path):
        logger.info("%s: its packed descriptors are stale, packing again", source)
        return None
    if record.get("lacking"):
        text = "%s: %d images have no descriptor ('%s', ...); was the extraction interrupted?"
        logger.warning(text, source, record["lacking"], record["first_lacking"])
    return Pack(source, names, array, normalised)


def _passes(array: np.ndarray, record: dict, record_path: Path) -> bool:
    """Whether a pack that nobody looked at has rows of unit length; then its record says so."""
    for start in range(0, len(array), PACK_CHUNK):
        if len(off_unit(array[start : start + PACK_CHUNK])):
            return False
        release(array)
    write_text(record_path, json.dumps({**record, "version": PACK_VERSION}))
    return True


def _is_fresh(record: dict, source: Path, record_path: Path) -> bool:
    """Whether the source is the file that was packed: by size and time, else by its content."""
    if not source.is_file():
        return True
    stat = source.stat()
    if stat.st_size != record["size"]:
        return False
    if stat.st_mtime_ns == record["mtime_ns"]:
        return True
    if _content_hash(source) != record["blake2b"]:
        return False
    # A copy: other time, same bytes.
    write_text(record_path, json.dumps({**record, "mtime_ns": stat.st_mtime_ns}))
    return True


def _build(source: Path) -> None:
    array_path, names_path, record_path = _paths(source)
    stat, digest = source.stat(), _content_hash(source)
    packed = pack(source, array_path, names_path)
    record = {
        "version": PACK_VERSION,
        "source": source.name,
        "size": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
        "blake2b": digest,
        "shape": packed.shape,
        "normalised": asdict(packed.normalised),
        "lacking": packed.lacking,
        "first_lacking": packed.first_lacking,
    }
    write_text(record_path, json.dumps(record))


def _content_hash(path: Path) -> str:
    digest = hashlib.blake2b()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
