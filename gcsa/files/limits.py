"""How much a file may ask for: a small one of a stranger can name a size that no memory holds.

Each limit is above what real data need; the environment variable of its name raises it.
"""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass

from gcsa.errors import InputError


@dataclass(frozen=True)
class Limit:
    """most: what is allowed where the environment says nothing. what: of which thing."""

    most: int
    what: str


LIMITS = {
    "GCSA_MAX_PIXELS": Limit(100_000_000, "pixels of a picture, as it is decoded"),
    "GCSA_MAX_BYTES": Limit(2**28, "bytes or more of a photo in an object store"),
    "GCSA_MAX_UNPACKED": Limit(2**30, "bytes in what is packed to less than a hundredth"),
    "GCSA_MAX_LENGTH": Limit(2**18, "numbers of a descriptor"),
    "GCSA_MAX_NUMBERS": Limit(2**24, "numbers of an image's local features or matches"),
    "GCSA_MAX_EXPANSION": Limit(32, "times its size when it is unpacked"),
    "GCSA_MAX_NAME": Limit(1024, "bytes of a name in an HDF5 file"),
}
# How many times larger than itself an archive's content may always be.
PACKED = 100


def most(name: str) -> int:
    """A limit by its name; InputError where the environment has no whole number from 1 for it."""
    text = os.environ.get(name, str(LIMITS[name].most))
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"{name}: '{text}' in the environment, expected a whole number from 1")
    return int(text)


def check(name: str, count: int, path: object) -> None:
    """InputError where ``count`` of what a file asks for is above the limit of that name."""
    limit = most(name)
    if count > limit:
        raise InputError(
            f"{path}: {count} {LIMITS[name].what}, at most {limit} are read; "
            f"{name} in the environment raises that"
        )


def check_archive(path: str | os.PathLike) -> None:
    """InputError where a zip archive (.npz, .pth) would unpack to much more than it is."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(record.file_size for record in archive.infolist())
    if unpacked > PACKED * os.path.getsize(path):
        check("GCSA_MAX_UNPACKED", unpacked, path)
