"""The descriptors of an hloc HDF5 file, copied into one array.

hloc writes one group per image, named by the image's path, with a ``global_descriptor`` in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from tqdm import tqdm

from gcsa.descriptors.lengths import Normalised, UnitRows
from gcsa.descriptors.memory import release
from gcsa.errors import InputError
from gcsa.files import replacing

DATASET = "global_descriptor"
SUFFIX = f"/{DATASET}".encode()
# Images whose descriptors are copied at a time: some tens of megabytes.
PACK_CHUNK = 2048


class Packed(NamedTuple):
    """What was packed: its shape (n, D), the rows that were not of unit length; images without a
    descriptor, how many and the first.
    """

    shape: tuple[int, int]
    normalised: Normalised
    lacking: int
    first_lacking: str


def pack(source: Path, array_path: Path, names_path: Path) -> Packed:
    """Write all descriptors (n, D) float16 of ``source``, and the names of their images.

    Both are .npy files, in the sorted order of the names, which are UTF-8 bytes. Rows are brought
    to unit length. InputError names the image whose descriptor is none.
    """
    try:
        with h5py.File(source, "r") as file:
            names, lacking = _image_names(file)
            with replacing(array_path) as temporary:
                shape, normalised = _pack_array(file, names, temporary, source)
    except OSError as error:
        raise InputError(f"{source}: not a readable HDF5 file ({error})") from error
    write_names(names_path, names)
    return Packed(shape, normalised, len(lacking), lacking[0] if lacking else "")


def write_names(path: Path, names: list[str]) -> None:
    """Write sorted names as an array of UTF-8 bytes, which opens at once however long it is."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.save(file, np.array([name.encode() for name in names]))


def _image_names(file: h5py.File) -> tuple[list[str], list[str]]:
    """Names of the images that have a descriptor, and of those that have none.

    Sorted: hloc's own order is not repeatable.
    """
    links: list[bytes] = []
    # The low-level visitor opens no object: several times faster than File.visititems.
    file.id.links.visit(links.append)
    found = {name[: -len(SUFFIX)] for name in links if name.endswith(SUFFIX)}
    lacking = _lacking(file, links, found) if found else set()
    without = sorted(name.decode(errors="replace") for name in lacking)
    return sorted(name.decode() for name in found), without


def _lacking(file: h5py.File, links: list[bytes], found: set[bytes]) -> set[bytes]:
    """Images without a descriptor: groups that are empty, or hold other things alone."""
    folders = {name.rpartition(b"/")[0] for name in links}
    result = set()
    for name in links:
        folder = name.rpartition(b"/")[0]
        if name in folders or folder in found or folder.endswith(SUFFIX):
            continue
        if file.id.links.get_info(name).type == h5py.h5l.TYPE_HARD:
            empty = isinstance(h5py.h5o.open(file.id, name), h5py.h5g.GroupID)
            result.add(name if empty else folder)
    return result - {b""}


def _pack_array(
    file: h5py.File, names: list[str], path: Path, source: Path
) -> tuple[tuple[int, int], Normalised]:
    """Copy the descriptors of ``names`` into a .npy file at ``path``; results as of pack."""
    if not names:
        raise InputError(f"{source}: holds no '{DATASET}'; expected the output of hloc")
    reader = _Rows(file, source, names[0])
    shape = (len(names), reader.length)
    unit = UnitRows(str(source), lambda row: f"image '{names[row]}'")
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
    with tqdm(
        total=len(names), desc=f"packing {source.name}", unit="image", leave=False, disable=None
    ) as bar:
        for start in range(0, len(names), PACK_CHUNK):
            chunk = names[start : start + PACK_CHUNK]
            block = array[start : start + len(chunk)]
            rows = [reader.read(name) for name in chunk]
            with np.errstate(over="ignore"):  # such rows are not of unit length
                np.stack(rows, out=block, casting="same_kind")
            unit.bring(rows, block, start)
            release(array)  # written pages stay with the system, not in this process
            reader.release()
            bar.update(len(chunk))
    array.flush()
    return shape, unit.found


class _Rows:
    """Reads descriptors out of an HDF5 file, each as it lies there.

    hloc writes plain floats in one piece, and HDF5 says where: reading the bytes there is several
    times faster than asking HDF5 for them, and opening by the name within the folder faster than
    by the whole path.
    """

    def __init__(self, file: h5py.File, source: Path, first: str):
        self._file, self._source, self._first = file, source, first
        self._folders: dict[str, h5py.h5g.GroupID] = {}
        self._type: h5py.h5t.TypeID | None = None
        example = self._open(first)
        self.dtype, self._type = example.dtype, example.get_type()
        (self.length,) = example.shape
        self._map = np.memmap(source, dtype=np.uint8, mode="r")
        self._bytes = np.asarray(self._map)

    def release(self) -> None:
        """Give back the pages that were read."""
        release(self._map)

    def read(self, name: str) -> np.ndarray:
        """The descriptor (length,) of an image, in the type of the file."""
        dataset = self._open(name)
        if dataset.shape != (self.length,):
            raise InputError(
                f"{self._source}: descriptor of image '{name}' has shape {dataset.shape}, "
                f"that of '{self._first}' {(self.length,)}"
            )
        offset = dataset.get_offset()
        if offset is not None and dataset.get_type().equal(self._type):
            return self._bytes[offset : offset + self.length * self.dtype.itemsize].view(self.dtype)
        row = np.empty(self.length, dtype=np.float32)  # compressed, in chunks, or of another type
        dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, row)
        return row

    def _open(self, name: str) -> h5py.h5d.DatasetID:
        """The dataset of an image; InputError where it is no vector of floats."""
        folder, _, stem = name.rpartition("/")
        where = f"{self._source}: descriptor of image '{name}'"
        if folder not in self._folders:
            self._folders[folder] = h5py.h5g.open(self._file.id, folder.encode() or b"/")
        dataset = h5py.h5o.open(self._folders[folder], f"{stem}/{DATASET}".encode())
        if not isinstance(dataset, h5py.h5d.DatasetID):
            raise InputError(f"{where} is a group, expected a vector (D,) of floats")
        if not dataset.shape or len(dataset.shape) != 1 or not dataset.shape[0]:
            got = "is empty" if not dataset.shape or 0 in dataset.shape else "has"
            shape = f" shape {dataset.shape}" if dataset.shape else ""
            raise InputError(f"{where} {got}{shape}, expected a vector (D,) of floats")
        kind = dataset.get_type()
        known = self._type is not None and kind.equal(self._type)
        if not known and kind.get_class() != h5py.h5t.FLOAT:
            raise InputError(f"{where} is of {dataset.dtype}, expected floats")
        return dataset
