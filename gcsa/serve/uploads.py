"""A stranger's photo, in memory: what is looked at before anything of it is decoded."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

from gcsa import imaging
from gcsa.errors import InputError
from gcsa.serve.describing import FORMATS

# Passes over all of a JPEG's pixels; progressive ones in use have ten or so.
SCANS = 100
SEGMENTS = 10_000
# What begins a segment; neither a byte of a scan nor filling nor what stands alone (TEM, RST, SOI).
MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
END, SCAN = 0xD9, 0xDA


class Upload(io.BytesIO):
    """A photo as it was sent, called "photo" in messages: it has no name and no path."""

    def __str__(self) -> str:
        return "photo"

    __repr__ = __str__


@dataclass(frozen=True)
class PhotoLimits:
    """pixels: as the photo is stored. side: pixels of the longer one."""

    pixels: int = 50_000_000
    side: int = 16_384


def check(upload: Upload, limits: PhotoLimits) -> None:
    """InputError for what is no photo, or one that would take too long, or too much memory."""
    with imaging.opened(upload, formats=FORMATS) as (image, (width, height)):
        kind = image.format
    if max(width, height) > limits.side:
        raise InputError(
            f"photo: {width} x {height} pixels, at most {limits.side} are taken along a side"
        )
    if width * height > limits.pixels:
        raise InputError(f"photo: {width * height} pixels, at most {limits.pixels} are taken")
    if kind == "JPEG" and (count := scans(upload.getvalue())) > SCANS:
        raise InputError(f"photo: a JPEG of {count} scans, at most {SCANS} are taken")


def scans(data: bytes) -> int:
    """How many scans the first picture of a JPEG file has; each is a pass over all its pixels."""
    found, at = 0, 2
    for _ in range(SEGMENTS):
        marker = MARKER.search(data, at)
        if marker is None or marker[0][1] == END:
            return found
        found += marker[0][1] == SCAN
        start = marker.end()
        at = start + int.from_bytes(data[start : start + 2], "big")
    raise InputError(f"photo: a JPEG of more than {SEGMENTS} segments")
