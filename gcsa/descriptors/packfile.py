"""A pack: many rows of half precision, what they are called and what they were made of, one file.

It is a .npy file of an array (n, D) float16, which NumPy maps into memory as it is, and behind
the array the names, a record in JSON and an end of fixed size with the lengths and the hash of
both. One file is there by one rename, so that rows, names and record are always of one making. A
file whose parts do not fill it to the byte, or do not have that hash, is no pack.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from gcsa.errors import InputError
from gcsa.files import reading, replacing

logger = logging.getLogger(__name__)

MAGIC = b"gcsapack"
HASH = 32
# Bytes of the names, bytes of the record, their hash, and last what says that this is an end.
END = struct.Struct(f"<QQ{HASH}s8s")
KIND = np.dtype("<f2")


class Content(NamedTuple):
    """array: (n, D) float16, memory-mapped; names: (n,) bytes, (0,) where it has none."""

    array: np.memmap
    names: np.ndarray
    record: dict[str, Any]


def write(
    path: Path,
    shape: tuple[int, int],
    names: np.ndarray,
    blocks: Iterable[np.ndarray],
    record: Callable[[], dict[str, Any]],
    own: bool = False,
) -> None:
    """Write a pack, all or nothing. blocks: the rows (m, D) float16, in turn, n in all.

    names: (n,) bytes, or (0,). record: asked when all blocks have been taken. own: as of
    :func:`gcsa.files.replacing`.
    """
    with replacing(path, own=own) as temporary, open(temporary, "wb") as file:
        write_head(file, shape)
        for block in blocks:
            # Written, not stored through a map: there a full disk ends the process.
            file.write(np.ascontiguousarray(block, dtype=KIND).data)
        write_end(file, names, record())


def write_head(file: BinaryIO, shape: tuple[int, int]) -> None:
    """The beginning of a pack, a .npy's; rows of float16 follow."""
    header = {"descr": KIND.str, "fortran_order": False, "shape": tuple(map(int, shape))}
    np.lib.format.write_array_header_1_0(file, header)


def write_end(file: BinaryIO, names: np.ndarray, record: dict[str, Any]) -> None:
    """What follows the rows."""
    listed = names.tobytes()
    about = json.dumps({**record, "width": names.dtype.itemsize}).encode()
    file.write(listed + about)
    file.write(END.pack(len(listed), len(about), _hash(listed, about), MAGIC))


def read(path: Path) -> Content | None:
    """The pack at ``path``, None where there is none or it is not whole. Rows are not looked at."""
    with suppress(InputError), reading(path, "a pack"), open(path, "rb") as file:
        return _read(file)
    return None


def _read(file: BinaryIO) -> Content:
    size = os.fstat(file.fileno()).st_size
    file.seek(max(0, size - END.size))
    listed, about, digest, magic = END.unpack(file.read())
    start = size - END.size - listed - about
    if magic != MAGIC or start < 0:
        raise ValueError("no end of a pack")
    file.seek(start)
    names, record = file.read(listed), file.read(about)
    if _hash(names, record) != digest:
        raise ValueError("names or record are damaged")
    found = json.loads(record)
    file.seek(0)
    np.lib.format.read_magic(file)
    shape, fortran, kind = np.lib.format.read_array_header_1_0(file)
    n, width = shape
    if fortran or kind != KIND or file.tell() + KIND.itemsize * n * width != start:
        raise ValueError("array is not whole")
    if not isinstance(found, dict):
        raise ValueError("record is none")
    array = np.memmap(file, KIND, "r", offset=file.tell(), shape=shape)
    return Content(array, _names(names, found["width"]), found)


def _names(stored: bytes, width: int) -> np.ndarray:
    """Names (n,) of ``width`` bytes each; ValueError where one is no UTF-8 text."""
    names = np.frombuffer(stored, f"S{width}")
    first = np.frombuffer(stored, np.uint8)[::width]
    str(stored, "utf-8")
    if (first & 0xC0 == 0x80).any():  # a name begins within a letter
        raise ValueError("names are no text")
    return names


def _hash(*parts: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=HASH)
    for part in parts:
        digest.update(part)
    return digest.digest()


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Be the only process that makes the pack at ``path``; yields whether another was before.

    The lock is of a file beside it and ends with its process, however that ends; where the disk
    knows no locks there is none. InputError where the folder cannot be written.
    """
    beside, waited = path.with_suffix(".lock"), False
    while True:
        lock = _open_lock(beside, path)
        try:
            waited |= _wait(lock, path)
            with suppress(FileNotFoundError):  # else removed by the one before
                if os.path.samestat(os.fstat(lock), os.stat(beside)):
                    break
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)
    try:
        yield waited
    finally:
        with suppress(OSError):
            os.unlink(beside)
        os.close(lock)


def _open_lock(beside: Path, path: Path) -> int:
    try:
        return os.open(beside, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error


def _wait(lock: int, path: Path) -> bool:
    with suppress(OSError):  # a disk without locks
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("%s: another process is making it, waiting", path)
            fcntl.flock(lock, fcntl.LOCK_EX)
            return True
    return False
