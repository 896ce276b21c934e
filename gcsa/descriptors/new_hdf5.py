"""HDF5 files written so that a full disk is an error of the program, not of HDF5.

HDF5 that writes to a full disk cannot close its file again: it complains without end, and may take
the process with it. So it writes through a file that never tells it of a fault: what comes after
one is thrown away, and the fault is raised once HDF5 has let go.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO

import h5py

from gcsa.files import disks, replacing


@contextmanager
def new_hdf5(path: str | os.PathLike, added: bool = False) -> Iterator[h5py.File]:
    """Yield an HDF5 file; on success ``path`` holds it, see :func:`gcsa.files.replacing`.

    added: it has what the file at ``path`` has; else it is empty. InputError where the disk takes
    no more.
    """
    with replacing(path) as temporary:
        if added:
            shutil.copyfile(path, temporary)
        with open(temporary, "r+b", buffering=0) as file:
            patient = _Patient(file)
            try:
                with h5py.File(patient, "r+" if added else "w", libver="latest") as made:
                    yield made
            finally:
                if patient.fault is not None:
                    raise patient.fault


class _Patient:
    """An unbuffered file that keeps the first fault of writing to itself.

    It has what h5py asks of a file; a piece that it lacks reads as zeros.
    """

    def __init__(self, file: FileIO):
        self._file = file
        self.fault: OSError | None = None

    def write(self, content: bytes) -> int:
        view = memoryview(content).cast("B")
        if self.fault is None:
            try:
                disks.write_whole(self._file, view)
            except OSError as fault:
                self.fault = fault
        return len(view)

    def flush(self) -> None:
        """Nothing waits here."""

    def truncate(self, size: int) -> int:
        return size if self.fault is not None else self._file.truncate(size)

    def readinto(self, room: bytearray) -> int:
        view = memoryview(room).cast("B")
        found = self.read(len(view))
        view[: len(found)] = found
        view[len(found) :] = bytes(len(view) - len(found))
        return len(view)

    def read(self, size: int) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()
