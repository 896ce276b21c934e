"""One run, one process: who trains a run holds its folder.

The lock is the system's, on the folder itself. There is no file of it to be left behind or copied,
and it ends with its process, however that ends. Who only reads, reads.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gcsa.errors import InputError


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a run's folder, under whatever name it is found later; InputError where another does."""
    lock = _open(folder)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _in_use(folder) from error
        except OSError:  # a disk without locks
            pass
        if not _is(folder, lock):  # another process has moved it aside meanwhile
            raise _in_use(folder)
        yield
    finally:
        os.close(lock)


def _open(folder: Path) -> int:
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise InputError(f"{folder}: cannot be opened ({error.strerror})") from error


def _is(folder: Path, opened: int) -> bool:
    try:
        return os.path.samestat(folder.stat(), os.fstat(opened))
    except OSError:
        return False


def _in_use(folder: Path) -> InputError:
    return InputError(
        f"{folder}: another process trains this run now; wait for its end, stop it, or give "
        "another --name"
    )
