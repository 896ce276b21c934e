"""Flat upright pictures of what stands and walks about: plants, bins, chairs, people."""

from functools import lru_cache

import numpy as np

from gcsa.miniworld.building.light import Condition
from gcsa.miniworld.building.sessions import Shot
from gcsa.miniworld.plan import random_of

PEOPLE = 5
FIRST_PERSON = 3  # after plant, bin and chair


@lru_cache(maxsize=2)
def pictures_of(seed: int) -> list[np.ndarray]:
    """All pictures, (h, w, 5) uint8, bottom row first."""
    random = random_of(seed, "building", "things")
    return [_plant(random), _bin(), _chair()] + [_person(random) for _ in range(PEOPLE)]


def people(shot: Shot, condition: Condition, random: np.random.Generator):
    """Points (N, 2), sizes (N, 2) and kinds (N,) of people in front of a camera, if any."""
    count = int(random.random() < (0.15 if condition.epoch == "query" else 0.04))
    bearing = shot.heading + random.uniform(-0.5, 0.5, count)
    ahead = random.uniform(2.0, 8.0, count)[:, None]
    points = shot.position[:2] + ahead * np.stack([np.sin(bearing), np.cos(bearing)], 1)
    size = np.tile([0.6, random.uniform(1.6, 1.9)], (count, 1))
    return points, size, FIRST_PERSON + random.integers(0, PEOPLE, count)


def _blank(height: int, width: int):
    y, x = np.mgrid[:height, :width]
    return np.zeros((height, width, 5), np.uint8), y / height, x / width - 0.5


def _plant(random) -> np.ndarray:
    picture, y, x = _blank(60, 28)
    picture[(y < 0.22) & (np.abs(x) < 0.22)] = (150, 84, 60, 0, 255)
    crown = (x / 0.5) ** 2 + ((y - 0.6) / 0.42) ** 2 < 1
    leaves = crown & (random.random(crown.shape) < 0.75)
    shade = random.uniform(0.6, 1.2, crown.shape)[leaves, None]
    picture[leaves, :3] = np.array((52, 110, 50)) * shade
    picture[leaves, 4] = 255
    return picture


def _bin() -> np.ndarray:
    picture, y, x = _blank(36, 20)
    picture[np.abs(x) < 0.36 + 0.1 * y] = (70, 74, 80, 0, 255)
    picture[y > 0.9] = (40, 40, 44, 0, 255)
    return picture


def _chair() -> np.ndarray:
    picture, y, x = _blank(36, 20)
    picture[(y < 0.5) & (np.abs(np.abs(x) - 0.38) < 0.06)] = (60, 60, 62, 0, 255)
    picture[(y > 0.42) & (np.abs(x) < 0.42)] = (60, 84, 130, 0, 255)
    return picture


def _person(random) -> np.ndarray:
    picture, y, x = _blank(72, 26)
    coat, legs = random.integers(20, 220, (2, 3))
    picture[(y < 0.48) & (np.abs(np.abs(x) - 0.14) < 0.11)] = (*(legs // 2), 0, 255)
    picture[(y >= 0.45) & (y < 0.84) & (np.abs(x) < 0.36)] = (*coat, 0, 255)
    skin = np.array((224, 186, 160)) * random.uniform(0.5, 1.0)
    picture[(x / 0.2) ** 2 + ((y - 0.92) / 0.08) ** 2 < 1] = (*skin.astype(int), 0, 255)
    return picture
