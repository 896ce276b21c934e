"""Faults that are the machine's, or of what a user may do on it, not the program's."""

from __future__ import annotations

import errno
import re

# Of a file that is there, and of the system's limits; a file that is not there is the program's
# fault where no reader has said what it is for.
SYSTEM = {
    getattr(errno, name)
    for name in "EACCES EPERM EIO ENOSPC EDQUOT EFBIG EROFS EMFILE ENFILE ESTALE ELOOP "
    "ENAMETOOLONG".split()
}
# How libraries say it that have no MemoryError.
MEMORY = re.compile(
    r"can't allocate memory|cannot allocate memory|out of memory|can't start new thread|"
    r"failed to map segment|bad_alloc|std::bad_alloc|unable to (mmap|allocate)",
    re.IGNORECASE,
)


def of_the_machine(error: Exception) -> str | None:
    """A line for a fault of the machine, which names the file where there is one; else None."""
    text = " ".join(str(error).split())[:200]
    if isinstance(error, MemoryError) or _of_memory(error):
        return f"not enough memory{f' ({text})' if text else ''}"
    if isinstance(error, OSError) and error.errno in SYSTEM:
        reason = error.strerror or text
        return reason if error.filename is None else f"{error.filename}: {reason}"
    return None


def _of_memory(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError | ImportError) and bool(MEMORY.search(str(error)))
