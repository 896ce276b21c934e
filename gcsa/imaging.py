"""Image files: read upright and small, boxed, and as JPEG text."""

from __future__ import annotations

import base64
import io
import os

from PIL import Image, ImageOps

JPEG_QUALITY = 70
# What Pillow raises for files that it cannot or will not read; damaged ones have all of them.
UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def read_image(path: str | os.PathLike, longest: int | None = None) -> Image.Image | None:
    """An image file in RGB, upright, or None where there is none that can be read.

    longest: pixels that neither side may exceed; the image is shrunk to that, never enlarged.
    """
    try:
        with Image.open(path) as file:
            if longest is not None:
                file.draft("RGB", (longest, longest))  # JPEG: decoded at a fraction of its size
            image = ImageOps.exif_transpose(file).convert("RGB")
    except UNREADABLE:
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
