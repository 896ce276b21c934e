"""Global descriptors: hloc's HDF5 files, packed once into a memory-mapped array.

hloc writes one HDF5 group per image, named by the image's path, with a ``global_descriptor`` in
it. Looking 100,000 groups up costs tens of seconds each time; a memory map opens at once and
gathers rows at memory speed. So ``X.h5`` is read once, into ``X.pack.npy`` ((n, D) float16, rows
in the sorted order of the names) and ``X.pack.json`` (the names and what the pack was made
from), both beside it. A pack whose source has changed, or whose array is not whole, is rebuilt.

Pages of a memory map that were read stay in the process until something drops them: RESIDENT
counts them over all packs, and gives them back to the system when they pass its limit.
"""

from __future__ import annotations

import hashlib
import json
import logging
import mmap
import os
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from tqdm import tqdm

from gcsa.errors import InputError, MissingFileError
from gcsa.files import replacing, write_text

logger = logging.getLogger(__name__)

DATASET = "global_descriptor"
PACK_VERSION = 1
# Images whose descriptors are copied at a time: some tens of megabytes.
PACK_CHUNK = 2048


class Resident:
    """A bound on the memory that mapped descriptors occupy in this process.

    limit: bytes. Reading a row maps its pages and, as systems map what lies around a page too, up
    to AROUND more; when what was read since the last time passes the limit, every map is told to
    drop its pages. They stay in the system's page cache, so that reading them again is cheap
    while memory is not short.
    """

    AROUND = 1 << 16

    def __init__(self, limit: int = 8 << 30):
        self.limit = limit
        self._count = 0
        self._maps: weakref.WeakValueDictionary = weakref.WeakValueDictionary()

    def read(self, array: np.ndarray, rows: int) -> None:
        """Note that ``rows`` rows of an array were read; nothing happens where it is no map."""
        if not isinstance(array, np.memmap):
            return
        self._maps[id(array)] = array
        self._count += rows * (array.shape[1] * array.itemsize + self.AROUND)
        if self._count > self.limit:
            self.drop()

    def drop(self) -> None:
        """Give the pages of all maps back to the system."""
        self._count = 0
        for array in list(self._maps.values()):
            array._mmap.madvise(mmap.MADV_DONTNEED)


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
        np.take(self._array, self._rows[index], axis=0, out=out, mode="clip")
        RESIDENT.read(self._array, len(index))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        arrays = [np.asarray(x) if isinstance(x, DescriptorRows) else x for x in inputs]
        return getattr(ufunc, method)(*arrays, **kwargs)


@dataclass(frozen=True, eq=False)
class Pack:
    """Every descriptor of one file: ``array`` (n, D) float16, memory-mapped, row i of ``names[i]``.

    ``source`` is the HDF5 file it was made from.
    """

    source: Path
    names: np.ndarray
    array: np.ndarray

    def rows(self, names: np.ndarray) -> DescriptorRows:
        """The descriptors of the images ``names``, in their order; InputError if one lacks."""
        if len(self.names) == 0:
            raise InputError(f"{self.source}: holds no '{DATASET}'")
        names = np.asarray(names, dtype=str)
        index = np.minimum(np.searchsorted(self.names, names), len(self.names) - 1)
        missing = np.flatnonzero(self.names[index] != names)
        if len(missing):
            others = f" (nor for {len(missing) - 1} others)" if len(missing) > 1 else ""
            raise InputError(
                f"{self.source}: no descriptor for image '{names[missing[0]]}'{others}; "
                f"the file's names are like '{self.names[0]}'"
            )
        return DescriptorRows(self.array, index)


def open_pack(source: str | os.PathLike) -> Pack:
    """Open the pack of an hloc descriptor file, building it first where it lacks or is stale.

    Where the HDF5 file itself is gone and its pack is whole, the pack serves alone.
    """
    source = Path(source)
    pack = _open_fresh(source)
    if pack is None:
        if not source.is_file():
            raise MissingFileError(
                f"{source}: no such descriptor file; extract descriptors first "
                "(scripts/msls_netvlad.sh for NetVLAD)"
            )
        _build(source)
        pack = _open_fresh(source)
    if pack is None:
        raise InputError(f"{source}: changed while its descriptors were being packed")
    return pack


def _paths(source: Path) -> tuple[Path, Path]:
    return source.with_suffix(".pack.npy"), source.with_suffix(".pack.json")


def _open_fresh(source: Path) -> Pack | None:
    """The pack of ``source``, or None where there is none, or it is stale or not whole."""
    array_path, record_path = _paths(source)
    try:
        record = json.loads(record_path.read_text())
        array = np.load(array_path, mmap_mode="r")
        whole = record["version"] == PACK_VERSION and list(array.shape) == record["shape"]
        names = np.array(record["names"], dtype=str)
    except (OSError, ValueError, KeyError):
        return None
    if not whole or len(names) != len(array) or not _is_fresh(record, source, record_path):
        logger.info("%s: its packed descriptors are stale, packing again", source)
        return None
    return Pack(source, names, array)


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
    array_path, record_path = _paths(source)
    stat, digest = source.stat(), _content_hash(source)
    try:
        with h5py.File(source, "r") as file:
            names = _image_names(file)
            with replacing(array_path) as temporary:
                shape = _pack_array(file, names, temporary, source)
    except OSError as error:
        raise InputError(f"{source}: not a readable HDF5 file ({error})") from error
    record = {
        "version": PACK_VERSION,
        "source": source.name,
        "size": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
        "blake2b": digest,
        "shape": shape,
        "names": names,
    }
    write_text(record_path, json.dumps(record))


def _image_names(file: h5py.File) -> list[str]:
    """Names of the images that have a descriptor, sorted: hloc's own order is not repeatable."""
    suffix, found = f"/{DATASET}".encode(), []
    # The low-level visitor opens no object: several times faster than File.visititems.
    file.id.links.visit(lambda name: found.append(name) if name.endswith(suffix) else None)
    return sorted(name[: -len(suffix)].decode() for name in found)


def _pack_array(file: h5py.File, names: list[str], path: Path, source: Path) -> tuple[int, int]:
    """Copy the descriptors of ``names`` into a .npy file at ``path``; returns its shape."""
    if not names:
        raise InputError(f"{source}: holds no '{DATASET}'; expected the output of hloc")
    reader = _Rows(file, source, names[0])
    shape = (len(names), reader.length)
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
    with tqdm(total=len(names), desc=f"packing {source.name}", unit="image", leave=False) as bar:
        for start in range(0, len(names), PACK_CHUNK):
            chunk = names[start : start + PACK_CHUNK]
            block = array[start : start + len(chunk)]
            np.stack([reader.read(name) for name in chunk], out=block, casting="same_kind")
            # Infinite and NaN have every bit of the exponent set; isfinite is far slower.
            finite = ((block.view(np.uint16) & 0x7C00) < 0x7C00).all(axis=1)
            if not finite.all():
                name = chunk[int(finite.argmin())]
                raise InputError(f"{source}: descriptor of image '{name}' is not finite")
            bar.update(len(chunk))
    array.flush()
    return shape


class _Rows:
    """Reads descriptors out of an HDF5 file, each as it lies there.

    hloc writes plain floats in one piece, and HDF5 says where: reading the bytes there is several
    times faster than asking HDF5 for them, and opening by the name within the folder faster than
    by the whole path.
    """

    def __init__(self, file: h5py.File, source: Path, first: str):
        self._file, self._source, self._first = file, source, first
        example = file[f"{first}/{DATASET}"]
        self.shape, self.dtype, self._type = example.shape, example.dtype, example.id.get_type()
        self.length = int(np.prod(self.shape))
        self._bytes = np.asarray(np.memmap(source, dtype=np.uint8, mode="r"))
        self._folders: dict[str, h5py.h5g.GroupID] = {}

    def read(self, name: str) -> np.ndarray:
        """The descriptor (length,) of an image, in the type of the file."""
        folder, _, stem = name.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = h5py.h5g.open(self._file.id, folder.encode() or b"/")
        dataset = h5py.h5d.open(self._folders[folder], f"{stem}/{DATASET}".encode())
        if dataset.shape != (self.length,):
            raise InputError(
                f"{self._source}: descriptor of image '{name}' has shape {dataset.shape}, "
                f"that of '{self._first}' {self.shape}"
            )
        offset = dataset.get_offset()
        if offset is not None and self.dtype.kind == "f" and dataset.get_type().equal(self._type):
            return self._bytes[offset : offset + self.length * self.dtype.itemsize].view(self.dtype)
        row = np.empty(self.length, dtype=np.float32)  # compressed, in chunks, or of another type
        dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, row)
        return row


def _content_hash(path: Path) -> str:
    digest = hashlib.blake2b()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
