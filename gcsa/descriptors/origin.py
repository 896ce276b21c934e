"""Whether a pack is of a file: by the file's content, and by its stamp where that was noted.

A pack knows the hash of the whole file that it was made of. To read 100 GB at every opening would
take minutes, so a note beside the pack says which stamp the file had when its content was last
found to have that hash: size, inode, time of content and time of change. The last cannot be set
by a program, as the others can: to bring back another file of the same size and time changes it.
Where the note does not fit, or lacks, the file is read.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from contextlib import suppress
from pathlib import Path

from gcsa.errors import InputError
from gcsa.files import read_text, reading, write_text

logger = logging.getLogger(__name__)

# Nanoseconds for which a stamp may hide a second change: disks count by up to 2 s.
SETTLED = 2 * 10**9
READABLE = "a readable file"
Stamp = dict[str, int]


def stamp(path: Path) -> Stamp:
    """What the system says of a file that changes when its content does."""
    with reading(path, READABLE):
        found = path.stat()
    return {
        "size": found.st_size,
        "inode": found.st_ino,
        "mtime_ns": found.st_mtime_ns,
        "ctime_ns": found.st_ctime_ns,
    }


def content_hash(path: Path) -> str:
    """BLAKE2b of a whole file, in hexadecimal."""
    digest = hashlib.blake2b()
    with reading(path, READABLE), open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def has_content(path: Path, digest: str, note: Path) -> bool:
    """Whether a file's content has a hash, as ``note`` tells or the file itself."""
    return known_hash(path, note) == digest


def known_hash(path: Path, note: Path) -> str:
    """The hash of a file's content, as ``note`` tells it or the file itself."""
    with suppress(InputError), reading(note, "a note"):
        told = json.loads(read_text(note))
        if told == {**stamp(path), "blake2b": told["blake2b"]}:
            return str(told["blake2b"])
    return take_note(path, note)


def take_note(path: Path, note: Path) -> str:
    """The hash of a file's content, which is noted where the file has settled."""
    before, now = stamp(path), time.time_ns()
    digest = content_hash(path)
    last = max(before["mtime_ns"], before["ctime_ns"])
    if now - last > SETTLED and stamp(path) == before:
        try:
            write_text(note, json.dumps({**before, "blake2b": digest}))
        except InputError as error:
            logger.info("%s; %s will be read whole at each opening", error, path)
    return digest
