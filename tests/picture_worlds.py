"""The little cities of tests/worlds.py with a photo for each image, in a colour of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from conftest import SMALL, STAGE_2, overrides
from PIL import Image
from worlds import write_world

from gcsa.config import Config, load_config
from gcsa.datasets.msls import read_scene
from gcsa.train import train

VAL = ("cph", "sf")


def write_pictures(root: Path, city: str, size: tuple[int, int] = (64, 48)) -> list[Path]:
    """A plain JPEG for every image of a city; returns their paths, queries last."""
    scene, _ = read_scene(root / "msls", city)
    random, paths = np.random.default_rng(list(city.encode())), []
    for images in (scene.database, scene.queries):
        for name in images.names:
            paths.append(root / "msls" / "train_val" / city / name)
            colour = tuple(random.integers(30, 226, 3).tolist())
            Image.new("RGB", size, colour).save(paths[-1], quality=95)
    return paths


def move_away(path: Path) -> None:
    """Leave the first query of a city without a relevant image."""
    table = pd.read_csv(path, index_col=0)
    table.loc[0, "easting"] += 9000
    table.to_csv(path)


def trained_world(root: Path, *settings: dict, name: str = "run") -> Config:
    """Three cities with photos in ``root`` and a run of one epoch on them; its config."""
    world = write_world(root, dict.fromkeys(("zurich", *VAL), "train_val"))
    for city in VAL:
        move_away(root / "datasets" / "msls" / "train_val" / city / "query" / "postprocessed.csv")
        write_pictures(root / "datasets", city)
    basic = {"data.train_scenes": "[zurich]", "data.val_scenes": "[cph,sf]", "train.num_epochs": 1}
    config = load_config(None, overrides(world, SMALL, STAGE_2, basic, *settings))
    train(config, name)
    return config
