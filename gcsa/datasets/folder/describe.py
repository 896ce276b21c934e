"""A stand-in for a learnt global descriptor, to try things out without one.

Each photo becomes a small image; on a grid its gradients are counted by direction, and its colours
averaged. Nothing is learnt and nothing downloaded. It finds photos of nearly the same view, in
like light; NetVLAD and its successors (hloc) find far more, so report nothing measured with it.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from gcsa import options
from gcsa.errors import MissingFileError
from gcsa.imaging import read_rgb

logger = logging.getLogger(__name__)

DESC_FN = "global-feats-standin.h5"
WIDTH, HEIGHT = 160, 120  # pixels of the small image
GRID = (6, 8)  # cells, down and across
DIRECTIONS = 8
COLOUR = 0.5  # weight of the colours beside the gradients
DIM = GRID[0] * GRID[1] * (DIRECTIONS + 2)


def describe(folder: str | os.PathLike, output: str | os.PathLike) -> int:
    """Describe the images of ``folder``/images.csv, in hloc's format; returns their number.

    Raises InputError, which names the image that lacks or cannot be read.
    """
    from gcsa.datasets.folder.images import read_images
    from gcsa.datasets.folder.scene import TABLE
    from gcsa.descriptors.new_hdf5 import new_hdf5

    folder = Path(folder)
    names = read_images(folder / TABLE).names
    with new_hdf5(output) as file:
        for name, (size, row) in zip(names, _described(folder, names), strict=True):
            group = file.create_group(name)
            group.create_dataset("global_descriptor", data=row.astype(np.float16))
            group.create_dataset("image_size", data=np.array(size))
    logger.info("%s: %d images, %d numbers each, a stand-in", output, len(names), DIM)
    return len(names)


def descriptor(image: np.ndarray) -> np.ndarray:
    """The descriptor (DIM,) float32, of unit length, of an image (HEIGHT, WIDTH, 3) uint8."""
    pixels = image.astype(np.float32)
    parts = _standardised(_gradients(pixels)), COLOUR * _standardised(_colours(pixels))
    whole = np.concatenate([part.ravel() for part in parts])
    length = np.linalg.norm(whole)
    # A picture of one colour has no gradients: any fixed direction is as good.
    return whole / length if length > 0 else np.full(DIM, DIM**-0.5, dtype=np.float32)


def _described(folder: Path, names: Iterable[str]):
    """(size of the original, descriptor) of each image."""
    from gcsa.datasets.folder.scene import TABLE

    for name in tqdm(names, desc="describing", unit="image", leave=False, disable=None):
        path = folder / name
        if not path.is_file():
            raise MissingFileError(f"{path}: no such image, {TABLE} names it")
        image, size = read_rgb(path, draft=(2 * WIDTH, 2 * HEIGHT))
        small = image.resize((WIDTH, HEIGHT), Image.Resampling.BOX)
        yield size, descriptor(np.asarray(small))


def _gradients(pixels: np.ndarray) -> np.ndarray:
    """Root of the share of each direction in the gradients of each cell, (*GRID, DIRECTIONS)."""
    down, across = np.gradient(pixels @ np.array([0.299, 0.587, 0.114], dtype=np.float32))
    strength = np.hypot(down, across)
    turn = np.arctan2(down, across) / (2 * np.pi) * DIRECTIONS
    low = np.floor(turn)
    bins = np.zeros((*strength.shape, DIRECTIONS), dtype=np.float32)
    rows, columns = np.indices(strength.shape)
    for which, share in ((low, 1 - (turn - low)), (low + 1, turn - low)):
        bins[rows, columns, which.astype(np.int64) % DIRECTIONS] += strength * share
    cells = _cells(bins)
    return np.sqrt(cells / np.maximum(cells.sum(axis=2, keepdims=True), 1.0))


def _colours(pixels: np.ndarray) -> np.ndarray:
    """Log ratios of red and of blue to green in each cell, (*GRID, 2)."""
    logarithm = np.log(_cells(pixels) + 8)
    return logarithm[..., ::2] - logarithm[..., 1:2]


def _cells(values: np.ndarray) -> np.ndarray:
    """Means (*GRID, C) over the cells of an image (HEIGHT, WIDTH, C)."""
    shape = GRID[0], HEIGHT // GRID[0], GRID[1], WIDTH // GRID[1], -1
    return values.reshape(shape).mean(axis=(1, 3))


def _standardised(cells: np.ndarray) -> np.ndarray:
    """Cells (*GRID, C) less their mean over the image, of unit length together."""
    centred = cells - cells.mean(axis=(0, 1))
    length = np.linalg.norm(centred)
    return centred / length if length > 1e-6 else np.zeros_like(centred)


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "folder.describe",
        "Describe the photos of a folder with images.csv by a stand-in descriptor, for trying out; "
        "for results use NetVLAD or better (hloc).",
        f"photos/lund --output outputs/folder/lund/{DESC_FN}",
    )
    made.add_argument("folder", help="folder with images.csv and the photos it names")
    made.add_argument(
        "--output", metavar="H5", help=f"default: outputs/folder/FOLDER'S NAME/{DESC_FN}"
    )
    return made


def main() -> None:
    args = parser().parse_args()
    name = Path(args.folder).resolve().name
    describe(args.folder, args.output or Path("outputs") / "folder" / name / DESC_FN)
