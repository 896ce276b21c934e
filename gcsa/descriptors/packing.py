"""The descriptors of an hloc HDF5 file, copied into one array.

hloc writes one group per image, named by the image's path, with a ``global_descriptor`` in it.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

from gcsa.descriptors.memory import release
from gcsa.errors import InputError
from gcsa.files import replacing

DATASET = "global_descriptor"
# Images whose descriptors are copied at a time: some tens of megabytes.
PACK_CHUNK = 2048


def pack(source: Path, array_path: Path, names_path: Path) -> tuple[int, int]:
    """Write all descriptors (n, D) float16 of ``source``, and the names of their images.

    Both are .npy files, in the sorted order of the names, which are UTF-8 bytes. Returns (n, D).
    """
    try:
        with h5py.File(source, "r") as file:
            names = _image_names(file)
            with replacing(array_path) as temporary:
                shape = _pack_array(file, names, temporary, source)
    except OSError as error:
        raise InputError(f"{source}: not a readable HDF5 file ({error})") from error
    write_names(names_path, names)
    return shape


def write_names(path: Path, names: list[str]) -> None:
    """Write sorted names as an array of UTF-8 bytes, which opens at once however long it is."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.save(file, np.array([name.encode() for name in names]))


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
    with tqdm(
        total=len(names), desc=f"packing {source.name}", unit="image", leave=False, disable=None
    ) as bar:
        for start in range(0, len(names), PACK_CHUNK):
            chunk = names[start : start + PACK_CHUNK]
            block = array[start : start + len(chunk)]
            np.stack([reader.read(name) for name in chunk], out=block, casting="same_kind")
            # Infinite and NaN have every bit of the exponent set; isfinite is far slower.
            finite = ((block.view(np.uint16) & 0x7C00) < 0x7C00).all(axis=1)
            if not finite.all():
                name = chunk[int(finite.argmin())]
                raise InputError(f"{source}: descriptor of image '{name}' is not finite")
            release(array)  # written pages stay with the system, not in this process
            reader.release()
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
        self._map = np.memmap(source, dtype=np.uint8, mode="r")
        self._bytes = np.asarray(self._map)
        self._folders: dict[str, h5py.h5g.GroupID] = {}

    def release(self) -> None:
        """Give back the pages that were read."""
        release(self._map)

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
