"""The library of indoor surfaces, shared by the buildings of a world: few kinds, often repeated."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from gcsa.miniworld.atlas import Atlas
from gcsa.miniworld.building import pictures
from gcsa.miniworld.building.pictures import SCHEMES, TEXELS
from gcsa.miniworld.plan import random_of

POSTERS, BOARDS, MURALS, SHELVES = 36, 6, 10, 5


@dataclass(frozen=True)
class Kind:
    """Pictures of one sort: numbers in the atlas, and where they hang, in metres."""

    first: int
    count: int
    width: float
    base: float
    top: float


@dataclass(frozen=True)
class Library:
    """All surfaces."""

    atlas: Atlas
    kinds: dict[str, Kind]


@lru_cache(maxsize=2)
def library_of(seed: int) -> Library:
    """Draw the surfaces of a world."""
    random = random_of(seed, "building", "library")
    recipes = {
        "wall": (SCHEMES, 4.0, 0.0, 2.8, pictures.wall),
        "door": (SCHEMES, 1.1, 0.0, 2.15, pictures.door),
        "lintel": (1, 1.0, 2.1, 2.8, pictures.lintel),
        "poster": (POSTERS, 0.75, 1.0, 2.05, pictures.poster),
        "board": (BOARDS, 1.6, 0.95, 2.0, pictures.board),
        "mural": (MURALS, 2.2, 0.4, 2.4, pictures.mural),
        "extinguisher": (1, 0.3, 0.5, 1.35, pictures.extinguisher),
        "radiator": (1, 1.2, 0.1, 0.75, pictures.radiator),
        "lockers": (2, 1.5, 0.0, 1.9, pictures.lockers),
        "switch": (1, 0.25, 1.0, 1.3, pictures.switch),
        "exit": (1, 0.5, 2.25, 2.5, pictures.exit_sign),
        "window": (2, 1.5, 0.9, 2.4, pictures.window),
        "shelf": (SHELVES, 1.6, 0.0, 2.1, pictures.shelf),
        "whiteboard": (3, 1.8, 0.9, 2.0, pictures.whiteboard),
    }
    textures: list[np.ndarray] = []
    kinds: dict[str, Kind] = {}
    for name, (count, width, base, top, draw) in recipes.items():
        kinds[name] = Kind(len(textures), count, width, base, top)
        for number, child in enumerate(random.spawn(count)):
            textures.append(draw(child, number, width, top - base))
    return Library(Atlas(textures, TEXELS), kinds)
