"""Image files: read upright and small, boxed, and as JPEG text."""

from __future__ import annotations

import base64
import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from gcsa.errors import InputError
from gcsa.files import limits, reading
from gcsa.files.remote import Remote

# A file by its path, in a store, or an open one, whose text is what messages call it.
Source = str | os.PathLike | Remote | BinaryIO
JPEG_QUALITY = 70
EXPECTED = "an image that can be read"
# Depths by which 16 bits become 8: white stays white.
GREY_16 = 65535 // 255


@contextmanager
def opened(
    path: Source, draft: tuple[int, int] | None = None, formats: tuple[str, ...] | None = None
) -> Iterator[tuple[Image.Image, tuple[int, int]]]:
    """An image file, nothing of it decoded yet, and its (width, height) as stored.

    draft: (width, height) that are enough of it: a JPEG is then decoded at a fraction of its size.
    formats: those of Pillow's that it may have; None for any.
    InputError where it is none, or too large, and at what goes wrong while it is decoded.
    """
    most = limits.most("GCSA_MAX_PIXELS")
    if Image.MAX_IMAGE_PIXELS is not None and most > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = most  # Pillow's own limit, which refuses twice that
    with reading(path, EXPECTED), warnings.catch_warnings():
        # From once that it warns; that is said here, of the size that is decoded.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(_readable(path), formats=formats) as file:
            size = file.size
            if draft is not None:
                file.draft("RGB", draft)
            limits.check("GCSA_MAX_PIXELS", file.width * file.height, path)
            yield file, size


def _readable(path: Source) -> str | os.PathLike | BinaryIO:
    """What Pillow opens."""
    return io.BytesIO(path.fetched().content or b"") if isinstance(path, Remote) else path


def read_rgb(
    path: Source,
    draft: tuple[int, int] | None = None,
    upright: bool = True,
    formats: tuple[str, ...] | None = None,
) -> tuple[Image.Image, tuple[int, int]]:
    """An image file as 8-bit RGB, upright by its EXIF or as stored, and its (width, height) as
    stored.

    Grey of 16 bits becomes what its 8-bit version is, CMYK and palettes RGB; what is transparent
    keeps its colour. InputError where it cannot be read, or its numbers have no known white.
    draft, formats: as of :func:`opened`.
    """
    with opened(path, draft, formats) as (file, size):
        image = _of_8_bits(file, path)
        return (ImageOps.exif_transpose(image) if upright else image).convert("RGB"), size


def _of_8_bits(image: Image.Image, path: Source) -> Image.Image:
    if image.mode != "F" and not image.mode.startswith("I"):
        return image
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise InputError(
            f"{path}: {image.mode} pixels from {values.min():g} to {values.max():g}; expected 8 or "
            "16 bits a channel, as what is white in others is not known"
        )
    grey = Image.fromarray(((values.astype(np.uint32) + GREY_16 // 2) // GREY_16).astype(np.uint8))
    grey.info["exif"] = image.getexif().tobytes()
    return grey


def read_image(path: Source, longest: int | None = None) -> Image.Image | None:
    """An image file in RGB, upright, or None where there is none that can be read.

    longest: pixels that neither side may exceed; the image is shrunk to that, never enlarged.
    """
    try:
        image, _ = read_rgb(path, None if longest is None else (longest, longest))
    except InputError:
        return None
    if longest is not None:
        image.thumbnail((longest, longest))
    return image


def letterbox(image: Image.Image, size: tuple[int, int], fill: str) -> Image.Image:
    """The whole image, its shape kept, in the middle of a box of ``size`` (width, height)."""
    scale = min(size[0] / image.width, size[1] / image.height)
    inside = image.resize([max(1, round(scale * side)) for side in image.size])
    box = Image.new("RGB", size, fill)
    box.paste(inside, ((size[0] - inside.width) // 2, (size[1] - inside.height) // 2))
    return box


def jpeg_base64(image: Image.Image) -> str:
    """A JPEG file of an image as base64 text, as data URIs hold it."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
