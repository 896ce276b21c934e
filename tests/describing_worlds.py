"""Little cities with photos that show where they were taken, to train descriptors on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from conftest import overrides
from PIL import Image
from worlds import write_world

from gcsa.config import Config, load_config
from gcsa.datasets.msls import read_scene

SIZE = (32, 32)  # width, height
# The smallest network that there is, on images as small: a ResNet-18 in a fraction of a second.
TINY = {
    "train.system": "descriptor",
    "train.own_positive": False,
    "train.learning_rate": 1e-4,
    "train.num_epochs": 1,
    "train.loss": "triplet",
    "train.device": "cpu",
    "data.train_scenes": "[zurich,boston]",
    "data.val_scenes": "[cph]",
    "data.batch_size": 4,
    "data.num_workers": 0,
    "descriptor.head": "cosplace",
    "descriptor.backbone": "resnet18",
    "descriptor.length": 8,
    "descriptor.size": "32x32",
    "descriptor.steps": 2,
    "mining.draws": 8,
    "mining.negatives": 3,
}


def write_photos(root: Path, city: str, split: str = "train_val") -> None:
    """A photo for each image of a city: waves whose colours go along the street, and noise."""
    scene, truth = read_scene(root / "msls", city)
    random = np.random.default_rng(list(city.encode()))
    x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    places = scene.database.positions, truth.positions
    start = np.nanmin(scene.database.positions, axis=0)
    for images, positions in zip((scene.database, scene.queries), places, strict=True):
        for name, position in zip(images.names, positions, strict=True):
            along = np.linalg.norm(position - start) / 60
            waves = [np.sin(along * (c + 1) + 0.3 * (x if c % 2 else y)) for c in range(3)]
            pixels = 128 + 90 * np.stack(waves, axis=2) + random.normal(0, 8, (*SIZE[::-1], 3))
            path = root / "msls" / split / city / str(name)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=95)


def photo_world(root: Path, database: int = 30, queries: int = 10) -> dict[str, str]:
    """Three cities with photos; the settings that point a config at them, and TINY."""
    cities = dict.fromkeys(("zurich", "boston", "cph"), "train_val")
    world = write_world(root, cities, database=database, queries=queries)
    for city in cities:
        write_photos(root / "datasets", city)
    return {**world, **TINY}


def config_of(world: dict, *settings: dict) -> Config:
    return load_config(None, overrides(world, *settings))
