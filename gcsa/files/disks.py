"""What a disk owes a program: that what was written is there, or why it is not."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

# Of a disk that takes no more; other faults in the middle of writing are the program's.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
# What file systems answer that cannot be asked to keep something, as some on a network.
UNKNOWN = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS}

# How libraries that write by themselves say it: HDF5 with the system's number; NumPy and torch
# without it.
NUMBERED = re.compile(r"(?:write failed|unable to extend).*?errno = (\d+)", re.DOTALL)
UNNUMBERED = re.compile(r"\d+ requested and \d+ written|PytorchStreamWriter failed|unexpected pos")


def fault(error: BaseException) -> str | None:
    """Why the disk took no more, where that is what is behind ``error``; else None.

    Libraries tell it in their own types and words, or raise something else over it.
    """
    chain = list(_chain(error))
    for one in chain:
        if isinstance(one, OSError) and one.errno in FULL:
            return os.strerror(one.errno)  # HDF5 has a text of its own in its strerror
        if numbered := NUMBERED.search(str(one)):
            return os.strerror(int(numbered[1]))
    short = any(isinstance(e, OSError | RuntimeError) and UNNUMBERED.search(str(e)) for e in chain)
    return "only a part of it was taken, as by a full disk" if short else None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those that it was raised over."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's entries, are on the disk and outlive its power."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:  # a folder that one may write into, and not look into
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in UNKNOWN:
            raise
    finally:
        os.close(handle)


def write_whole(file: FileIO, content: bytes | memoryview) -> None:
    """Write all of ``content`` to an unbuffered file, which may take a part at a time."""
    view = memoryview(content).cast("B")
    while len(view):
        view = view[file.write(view) :]


def make_folders(folder: Path, durable: bool = True) -> None:
    """Make a folder and those above it; where ``durable``, their names are on the disk, too."""
    made = []
    above = folder
    while not above.exists():
        made.append(above)
        above = above.parent
    folder.mkdir(parents=True, exist_ok=True)
    for new in made if durable else ():
        sync(new.parent)
