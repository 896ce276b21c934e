"""Descriptors as they are made, in files that only grow: what a killed process made is used.

A journal is a folder beside the file that becomes of it. Each process writes a file of its own,
record by record, so that several processes, or machines with one disk, share the work; a record
that was cut short is not counted. ``about.json`` says what the descriptors are: of another network
or another preprocessing, they are not mixed with those that are there.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gcsa.errors import InputError
from gcsa.files import disks, make_folder, reading, write_text, writing

SUFFIX = ".parts"
ABOUT = "about.json"
RECORDS = ".records"
# Bytes of the name, width and height of the image; before them the CRC-32 of all that follows.
HEAD = struct.Struct("<III")
CHECK = struct.Struct("<I")
COUNT = struct.Struct("<I")  # how many numbers follow, where that differs between images
LONGEST_NAME = 65_535  # bytes


class Row(NamedTuple):
    """Where a descriptor lies: file, offset, bytes; (width, height) of its image."""

    file: Path
    offset: int
    size: int
    image_size: tuple[int, int]


class Journal:
    """The journal of the file ``target``; a context, which locks it.

    about: what the descriptors are, as JSON has it. length: numbers of one, None where that differs
    between images; dtype: of the numbers. first: of several processes of one run, which all write,
    the first alone locks.
    """

    def __init__(
        self,
        target: Path,
        about: dict[str, Any],
        length: int | None,
        dtype: str,
        first: bool = True,
    ):
        self.folder = target.with_name(target.name + SUFFIX)
        self._about = {**about, "length": length, "dtype": dtype}
        self._length, self._dtype, self._first = length, np.dtype(dtype), first
        self._file: FileIO | None = None
        self._open = ExitStack()

    def __enter__(self) -> Journal:
        make_folder(self.folder)
        if self._first:
            self._lock()
            self._check_about()
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()
        self._file = None
        with suppress(OSError):  # nothing was made
            if self._first and not any(self.folder.glob(f"*{RECORDS}")):
                shutil.rmtree(self.folder)

    def rows(self) -> dict[str, Row]:
        """What is there, by the name of the image."""
        found: dict[str, Row] = {}
        for file in sorted(self.folder.glob(f"*{RECORDS}")):
            found.update(self._records(file))
        return found

    def append(self, name: str, image_size: tuple[int, int], row: np.ndarray) -> None:
        """Add the descriptor (length,) of an image; it outlives this process.

        InputError where the disk takes no more.
        """
        encoded = name.encode()
        head = HEAD.pack(len(encoded), *image_size)
        if self._length is None:
            head += COUNT.pack(len(row))
        record = head + encoded + row.astype(self._dtype).tobytes()
        if self._file is None:
            self._file = self._open.enter_context(self._new_file())
        with writing(self.folder):
            disks.write_whole(self._file, CHECK.pack(zlib.crc32(record)) + record)

    def read(self, row: Row) -> np.ndarray:
        """The descriptor (length,) at ``row``."""
        with open(row.file, "rb") as file:
            file.seek(row.offset)
            return np.frombuffer(file.read(row.size), dtype=self._dtype)

    def settle(self) -> None:
        """Close the file of this process, so that others find all of it, on other machines too."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Remove all of it: its rows are in the file that they were for."""
        self._open.close()
        self._file = None
        shutil.rmtree(self.folder)

    def _lock(self) -> None:
        handle = os.open(self.folder, os.O_RDONLY)
        self._open.callback(os.close, handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"{self.folder}: another process extracts to this file") from error
        except OSError:  # a disk without locks
            return

    def _check_about(self) -> None:
        path = self.folder / ABOUT
        if not path.exists():
            write_text(path, json.dumps(self._about, indent=1) + "\n")
            return
        with reading(path, "what gcsa extract wrote"):
            found = json.loads(path.read_text(encoding="utf-8"))
        different(found, self._about, self.folder, "remove the folder to begin anew")

    def _new_file(self) -> FileIO:
        with writing(self.folder):
            handle, _ = tempfile.mkstemp(RECORDS, "", self.folder)
        return FileIO(handle, "wb")

    def _records(self, file: Path) -> Iterator[tuple[str, Row]]:
        """The whole records of a file, in the order in which they were written."""
        known = HEAD.size + (COUNT.size if self._length is None else 0)
        with reading(file, "what gcsa extract wrote"), open(file, "rb") as stream:
            while len(begin := stream.read(CHECK.size + known)) == CHECK.size + known:
                (check,), head = CHECK.unpack_from(begin), begin[CHECK.size :]
                length, width, height = HEAD.unpack_from(head)
                numbers = self._length
                if numbers is None:
                    (numbers,) = COUNT.unpack_from(head, HEAD.size)
                size = numbers * self._dtype.itemsize
                if length > LONGEST_NAME or stream.tell() + length + size > file.stat().st_size:
                    return
                rest = stream.read(length + size)
                if zlib.crc32(rest, zlib.crc32(head)) != check:
                    return  # cut short, or what a disk made of it
                offset = stream.tell() - size
                yield rest[:length].decode(), Row(file, offset, size, (width, height))


def different(found: Any, wanted: dict[str, Any], where: Path, remedy: str) -> None:
    """InputError where descriptors that are there were made in another way than is wanted."""
    known = found if isinstance(found, dict) else {}
    for key, value in wanted.items():
        if known.get(key) != value:
            raise InputError(
                f"{where}: was made with {key} {known.get(key, 'unknown')}, now it would be "
                f"{value}; {remedy}"
            )
