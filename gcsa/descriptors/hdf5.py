"""Global descriptors: hloc's HDF5 files, packed once into a memory-mapped array.

hloc writes one HDF5 group per image, named by the image's path, with a ``global_descriptor`` in
it. Looking 100,000 groups up costs tens of seconds each time; a memory map opens at once and
gathers rows at memory speed. So ``X.h5`` is read once, into ``X.pack.npy`` beside it: (n, D)
float16, rows in the sorted order of the names, with these and the hash of what it was made of in
the same file. A pack whose source has changed, or that is not whole, is rebuilt.

Pages of a memory map that were read stay in the process until something drops them: RESIDENT
counts them over all packs, and gives them back to the system when they pass its limit.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from gcsa.descriptors import earlier, origin, packfile
from gcsa.descriptors.codes import open_codes
from gcsa.descriptors.lengths import Normalised
from gcsa.descriptors.memory import check_whole, mapped_bytes, release
from gcsa.descriptors.packing import EXPECTED, pack, read_record
from gcsa.errors import InputError, MissingFileError
from gcsa.files import reading

logger = logging.getLogger(__name__)

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

    def __init__(self, array: np.ndarray, rows: np.ndarray, pack: Pack | None = None):
        self._array, self._rows, self._pack = array, rows, pack

    @property
    def home(self) -> tuple[Path, str] | None:
        """The file that they are of, and a hash of its content and of which rows they are; None
        where no such is known.
        """
        if self._pack is None or not self._pack.content_hash:
            return None
        of = self._pack.content_hash.encode() + np.asarray(self._rows, "<i8").tobytes()
        return self._pack.source, hashlib.blake2b(of, digest_size=16).hexdigest()

    @property
    def shape(self) -> tuple[int, int]:
        return len(self._rows), self._array.shape[1]

    @property
    def dtype(self) -> np.dtype:
        return self._array.dtype

    @property
    def ndim(self) -> int:
        return 2

    @property
    def identity(self) -> tuple[np.ndarray, np.ndarray]:
        """The array and the rows of it: what these are, without reading them."""
        return self._array, self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> np.ndarray:
        if isinstance(index, tuple):
            return self[index[0]][(..., *index[1:])]
        rows = self._rows[index]
        check_whole(self._array)
        result = np.asarray(self._array[rows])
        RESIDENT.read(self._array, np.size(rows))
        return result

    def take(self, index: np.ndarray, out: np.ndarray) -> None:
        """Gather the rows ``index`` (m,) into ``out`` (m, D): no new memory, so twice as fast."""
        step = RESIDENT.rows_at_once
        for start in range(0, len(index), step):
            part = slice(start, start + step)
            check_whole(self._array)
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
    ``content_hash``: of the source. Of a file of codes ``array`` is decoded where it is read.
    """

    source: Path
    keys: np.ndarray
    array: Any
    normalised: Normalised = Normalised()
    content_hash: str = ""

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
        return DescriptorRows(self.array, index, self)


def open_pack(source: str | os.PathLike, normalise: bool = False, remedy: str = NORMALISE) -> Pack:
    """Open the pack of an hloc descriptor file, building it first where it lacks or is stale.

    Where the HDF5 file itself is gone and its pack is whole, the pack serves alone.
    normalise: descriptors that were not of unit length are taken as normalised, which is logged;
    otherwise they are an InputError that names the image, and the remedy.
    """
    source = Path(source)
    pack = _open_fresh(source) or _open_coded(source) or _pack_once(source)
    if pack is None:
        raise InputError(f"{source}: changed while its descriptors were being packed")
    pack.normalised.report(str(source), len(pack.array), normalise, remedy)
    return pack


def unpacked(source: Path) -> str | None:
    """The hash of a descriptor file that is to be packed; None where it is, or is not there."""
    if not _is_there(source) or _open_fresh(source) or _open_coded(source):
        return None
    return origin.take_note(source, _paths(source)[1])


def _paths(source: Path) -> tuple[Path, Path]:
    """Of the pack, and of the note on what it was made of."""
    return source.with_suffix(".pack.npy"), source.with_suffix(".pack.json")


def _is_there(source: Path) -> bool:
    with reading(source, EXPECTED):
        return source.is_file()


def _open_fresh(source: Path) -> Pack | None:
    """The pack of ``source``, or None where there is none, or it is stale or not whole."""
    path, note = _paths(source)
    there = _is_there(source)
    content = packfile.read(path)
    if content is None and not there:
        content = earlier.adopt(source)
    if content is None:
        return None
    record = read_record(content.record)
    if (
        record is None
        or len(content.names) != len(content.array)
        or (there and not origin.has_content(source, record.content_hash, note))
    ):
        logger.info("%s: its packed descriptors are stale, packing again", source)
        return None
    if record.lacking:
        text = "%s: %d images have no descriptor ('%s', ...); was the extraction interrupted?"
        logger.warning(text, source, record.lacking, record.first_lacking)
    return Pack(source, content.names, content.array, record.normalised, record.content_hash)


def _open_coded(source: Path) -> Pack | None:
    """The descriptors of a file of codes, which needs no pack; None where it is none."""
    coded = open_codes(source) if _is_there(source) else None
    if coded is None:
        return None
    return Pack(source, coded.names, coded.array, content_hash=coded.content)


def _pack_once(source: Path) -> Pack | None:
    """Pack, unless another process has done so while we waited for it."""
    if not _is_there(source):
        raise MissingFileError(
            f"{source}: no such descriptor file; extract descriptors first "
            "(scripts/msls_netvlad.sh, or hloc, for NetVLAD)"
        )
    path, note = _paths(source)
    with packfile.alone(path) as waited:
        made = _open_fresh(source) if waited else None
        if made is not None:
            return made
        pack(source, path, origin.take_note(source, note))
        with suppress(OSError):  # it is in nobody's way
            earlier.names_path(source).unlink(missing_ok=True)
        return _open_fresh(source)
