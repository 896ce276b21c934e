"""How the process gets memory, where that is slower than what is done with it; mapped files."""

from __future__ import annotations

import ctypes
import functools
import mmap
import os

import numpy as np

from gcsa.errors import InputError

# mallopt's names for: from which size on a block is a mapping of its own, and how much free
# memory at the end of the heap goes back to the system.
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1
LARGEST = (1 << 31) - 1


@functools.cache
def keep_freed_memory() -> bool:
    """Let glibc keep freed blocks for the next tensor; False where the C library is another one.

    By default a large tensor is a fresh mapping whose pages the system fills with zeros one by
    one: for element-wise operations on a CPU that takes several times as long as the operation,
    in a step of training a fifth of the time. The price: the process keeps the memory of its
    largest moment.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST) and mallopt(M_TRIM_THRESHOLD, LARGEST))


def mapped_bytes() -> int | None:
    """Bytes of files that this process holds in memory, and of shared memory; None off Linux."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[2]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def release(array: np.ndarray) -> None:
    """Give the pages of a np.memmap back to the system, where it knows how; they stay cached."""
    if hasattr(mmap, "MADV_DONTNEED"):
        # NumPy's name for it, which its types do not have.
        vars(array)["_mmap"].madvise(mmap.MADV_DONTNEED)


def check_whole(array: np.ndarray) -> None:
    """InputError where the file of a np.memmap has been cut short: reading on ends the process.

    To be asked before each reading, it takes less than a microsecond. What is cut off while rows
    are being copied, it cannot see.
    """
    held = getattr(array, "_mmap", None)
    if held is None:
        return
    end = array.offset + array.nbytes  # type: ignore[attr-defined]
    if held.size() < end:
        raise InputError(
            f"{array.filename}: was cut short while it was read, "  # type: ignore[attr-defined]
            f"{held.size()} of {end} bytes are left"
        )
