"""HDF5 files written so that a full disk is an error of the program, not of HDF5.

HDF5 that writes to a full disk cannot close its file again: it complains without end, and may take
the process with it. So a file is made in memory, and its bytes are written once it is whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import h5py

from gcsa.files import replacing

# Bytes by which the file grows in memory.
GROWTH = 1 << 22


@contextmanager
def new_hdf5(path: str | os.PathLike) -> Iterator[h5py.File]:
    """Yield an empty HDF5 file; on success ``path`` holds it, see :func:`gcsa.files.replacing`.

    What is put into it must fit in memory.
    """
    with replacing(path) as temporary:
        memory = {"driver": "core", "backing_store": False, "block_size": GROWTH}
        with h5py.File(temporary, "w", libver="latest", **memory) as file:
            yield file
            file.flush()
            image = file.id.get_file_image()
        temporary.write_bytes(image)
