"""Photos described in the very way in which the database's were: by what its file says of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gcsa.descriptors import whitening
from gcsa.descriptors.extraction import stores
from gcsa.descriptors.extraction.decoding import Decoded, batches, stacked
from gcsa.descriptors.extraction.journal import different
from gcsa.descriptors.extraction.recipes import Reading, Recipe, recipe
from gcsa.descriptors.networks import default_weights, fused, load_network
from gcsa.descriptors.whitening import Whitening
from gcsa.errors import InputError, MissingFileError
from gcsa.extract.command import SUFFIX

logger = logging.getLogger(__name__)

# Of strangers' photos; Pillow knows many more, some of which run other programs.
FORMATS = ("JPEG", "PNG", "WEBP")
REMEDY = "expected the network and the settings that the database was described by"


@dataclass(frozen=True, eq=False)
class Describer:
    """The recipe of a database's descriptors, and what is done to what it makes."""

    recipe: Recipe
    whitening: Whitening | None
    dtype: np.dtype
    device: torch.device

    def describe(self, photos: Sequence[Decoded]) -> np.ndarray:
        """Descriptors (n, D) of photos, as they are kept; those of one size are seen together."""
        if not photos:
            return np.empty((0, 0), self.dtype)
        rows: dict[int, np.ndarray] = {}
        count = len(photos)
        with torch.inference_mode():
            for batch in batches(photos, count, count + 1):
                pixels = stacked(batch, pinned=False).to(self.device)
                made = self.recipe.describe(pixels).float().cpu().numpy()
                rows |= {id(photo): row for photo, row in zip(batch, made, strict=True)}
        found = np.array([rows[id(photo)] for photo in photos])
        if self.whitening is not None:
            found = self.whitening.apply(found, power=0)
        return found.astype(self.dtype)


def describer(file: Path, weights: Path | None, device: torch.device) -> Describer | None:
    """What describes photos as those of a descriptor file; None, and a word, where nobody can.

    weights: of its network; None for the one that ships. InputError where given weights are others
    than those that the file was made by.
    """
    about = stores.stated(file)
    if not about:
        logger.info("%s: does not say what made it; descriptors are taken, photos are not", file)
        return None
    try:
        return _made(file, about, weights, device)
    except InputError as error:
        if weights is not None:
            raise
        logger.info("%s; descriptors are taken, photos are not (--weights)", error)
        return None


def _made(
    file: Path, about: dict[str, Any], weights: Path | None, device: torch.device
) -> Describer:
    weights = weights or default_weights()
    if not weights.is_file():
        raise MissingFileError(f"--weights: {weights}: no such file")
    how = Reading(
        str(about.get("orientation")),
        scales=tuple(about.get("scales", (1.0,))),
        reduced=about.get("decoding") == "reduced",
        formats=FORMATS,
    )
    made = recipe(fused(load_network(weights, device)), weights, how)
    different(about, made.about, file, REMEDY)
    dtype = np.dtype(np.float32 if about.get("dtype") == "float32" else np.float16)
    return Describer(made, _whitening(file, about), dtype, device)


def _whitening(file: Path, about: dict[str, Any]) -> Whitening | None:
    """The whitening of a file's descriptors: beside it, or of all scenes, a folder above."""
    if about.get("whitening") == "none":
        return None
    name = file.stem + SUFFIX
    for path in (file.with_name(name), file.parent.parent / name):
        if path.is_file():
            found = whitening.load(path)
            if found.fingerprint() == about.get("whitening"):
                return found
    raise MissingFileError(f"{file}: its whitening, {name}, is not beside it")
