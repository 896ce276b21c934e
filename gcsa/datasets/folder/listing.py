"""The photos below a folder."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from gcsa.errors import InputError, MissingFileError

logger = logging.getLogger(__name__)

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"}
# Photos that are not read, and are counted: of phones, and what cameras' sensors gave (raw).
UNREAD = set(
    ".heic .heif .avif .jxl .jp2 .bmp .gif .dng .raw .nef .nrw .cr2 .cr3 .crw .arw .srf .sr2 .orf "
    ".rw2 .raf .pef .srw .x3f .3fr .erf .kdc .mrw .insp".split()
)


def photos_below(folder: Path, base: Path) -> list[str]:
    """Names of the photos below a folder, relative to ``base``, sorted.

    Photos in linked folders count. Files of other kinds are counted in the log. InputError where
    there is no photo, or ``base`` is not above.
    """
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: no such folder of images")
    root, top = folder.resolve(), base.resolve()
    if not root.is_relative_to(top):
        raise InputError(
            f"--output: {base} is neither {folder} nor a folder above it, and the names of images "
            "are relative to the table"
        )
    files = list(_files(root))
    # What macOS lays beside each file on disks of others: no photo, whatever it is called.
    files, beside = (
        [p for p in files if p.name[:2] != "._"],
        [p for p in files if p.name[:2] == "._"],
    )
    found = [p for p in files if p.suffix.lower() in SUFFIXES]
    unread = Counter(p.suffix.lower() for p in files if p.suffix.lower() in UNREAD)
    kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(unread.items()))
    if not found:
        others = f"; {kinds}: convert them to .jpg" if unread else ""
        raise InputError(f"{folder}: no images ({', '.join(sorted(SUFFIXES))}){others}")
    if unread:
        logger.warning("%s: photos of other kinds passed over: %s; convert them", folder, kinds)
    if beside:
        logger.info(
            "%s: %d files ._* of macOS passed over, they are no photos", folder, len(beside)
        )
    return sorted(p.relative_to(top).as_posix() for p in found)


def _files(root: Path) -> Iterator[Path]:
    """The files below a folder, in linked folders too; each folder once on the way to it."""
    for place, folders, files in os.walk(root, followlinks=True):
        above = {Path(place).resolve(), *Path(place).resolve().parents}
        for name in list(folders):
            if (Path(place) / name).resolve() in above:  # a link back up has no end
                logger.info("%s: a link to a folder above it, not followed", Path(place) / name)
                folders.remove(name)
        yield from (path for name in files if (path := Path(place) / name).is_file())
