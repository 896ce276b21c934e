"""What makes a descriptor of a photo: how it is read, resized, and described."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gcsa import imaging
from gcsa.descriptors.extraction.decoding import Decoded, Photo
from gcsa.descriptors.networks import Network
from gcsa.descriptors.networks.preprocessing import Resize
from gcsa.errors import InputError
from gcsa.files.remote import Remote

# A JPEG that is shrunk further than this is decoded at a fraction of its size, where that is asked.
ENOUGH = 2
HEADERS = 4096  # of files that are looked into at a time


@dataclass(frozen=True)
class Reading:
    """How photos are read.

    orientation: "exif" turns them upright, "ignore" takes them as stored, as hloc and all the
    published evaluations do. resize: in the place of the network's own. scales: of the descriptors
    that are averaged; one of 1 is the photo alone. reduced: a JPEG of more than twice the size
    wanted is decoded at a half, a quarter or an eighth, which takes a fraction of the time.
    formats: those of Pillow's that a photo may have; None for any.
    """

    orientation: str = "exif"
    resize: Resize | None = None
    scales: tuple[float, ...] = (1.0,)
    reduced: bool = False
    formats: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Recipe:
    """What makes a descriptor of a photo.

    decode: a photo -> its pixels as the network takes them. describe: pixels (B, 3, h, w) on the
    device -> descriptors (B, length) of unit length. about: all this in words, as JSON has it.
    """

    decode: Callable[[Photo], Decoded]
    describe: Callable[[Tensor], Tensor]
    resize: Resize
    length: int
    about: dict[str, Any]


def recipe(network: Network, weights: Path, how: Reading) -> Recipe:
    """The recipe of a network. weights: its file."""
    resize = how.resize or network.resizing
    about = {
        "network": network.name,
        "weights_sha256": _sha256(weights),
        "preprocessing": str(resize),
        "orientation": how.orientation,
        "scales": list(how.scales),
        "decoding": "reduced" if how.reduced else "full",
    }
    return Recipe(
        partial(_decode, network=network, resize=resize, how=how),
        partial(_describe, network=network, scales=how.scales),
        resize,
        network.length,
        about,
    )


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sizes(photos: Sequence[Photo], network: Network, resize: Resize, workers: int) -> None:
    """InputError for the first photo of a size that the network cannot take after resizing.

    Headers alone are read; what cannot be read at all is told of when it is described, and so is
    all that is wrong with photos in an object store, which are fetched once.
    """
    if resize.exactly is not None:
        network.check_size(*resize.exactly)
        return
    why_not = partial(_wrong_size, network=network, resize=resize)
    near = [photo for photo in photos if not isinstance(photo.path, Remote)]
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(near), HEADERS):
            for reason in pool.map(why_not, near[start : start + HEADERS]):
                if reason is not None:
                    raise reason


def _wrong_size(photo: Photo, network: Network, resize: Resize) -> InputError | None:
    try:
        with imaging.opened(photo.path) as (_, (width, height)):
            pass
    except InputError:
        return None
    try:
        network.check_size(*resize.size(height, width))
    except InputError as error:
        return InputError(f"{photo.path}: {error}")
    return None


def _decode(photo: Photo, network: Network, resize: Resize, how: Reading) -> Decoded:
    if isinstance(photo.path, Remote):
        photo = photo._replace(path=photo.path.fetched())
    draft = _enough(photo, resize, how) if how.reduced and photo.box is None else None
    upright = how.orientation == "exif"
    image, (width, height) = imaging.read_rgb(photo.path, draft, upright, how.formats)
    turned = (image.width > image.height) != (width > height)
    if photo.box is not None:
        image = _part(image, photo)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    # Resizing is linear: what is left of the photo is scaled, not all of it.
    wanted = resize(pixels.float())[0].contiguous().div_(255)
    network.check_size(*wanted.shape[1:])
    return Decoded(photo.name, wanted, (height, width) if turned else (width, height))


def _part(image: Image.Image, photo: Photo) -> Image.Image:
    left, upper, right, lower = photo.box or (0, 0, image.width, image.height)
    if left >= image.width or upper >= image.height:
        raise InputError(f"{photo.path}: no pixels in the part {photo.box} of {image.size}")
    return image.crop((left, upper, min(right, image.width), min(lower, image.height)))


def _enough(photo: Photo, resize: Resize, how: Reading) -> tuple[int, int]:
    """The (width, height) of a JPEG that are enough of it, as it is stored."""
    with imaging.opened(photo.path, formats=how.formats) as (_, (width, height)):
        down, across = resize.size(height, width)
    if resize.exactly is not None:  # of a photo that may be turned yet
        down = across = max(down, across)
    return ENOUGH * across, ENOUGH * down


def _describe(pixels: Tensor, network: Network, scales: tuple[float, ...]) -> Tensor:
    # As fused networks have it.
    x = network.normalise(pixels).contiguous(memory_format=torch.channels_last)
    return network(x) if scales == (1.0,) else network.multiscale(x, scales)
