"""A random city for the benchmarks: cameras along streets, and descriptors that look alike.

Not a picture of the world: its candidate lists are made of the same place and of places of the
same style, as real ones are, and neighbours share candidates; sizes are free.
"""

from __future__ import annotations

import numpy as np

from gcsa.evaluation.truth import Truth, labels
from gcsa.ranking.retrieval import retrieve
from gcsa.scene import ImageSet, Scene
from gcsa.scoring.split import JudgedScene
from gcsa.sideinfo.affinity import SideInformation
from gcsa.sideinfo.fov import FovConfig

STREET = 2000.0  # metres
PLACE = 20.0  # metres of street that look like one place
PER_PLACE = 12  # database images of a place, over all visits
STYLES = 12  # streets of one style look alike


def poses(n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions (n, 2), headings (n,) and places (n,) of cameras that drive along streets.

    There are as many streets as give PER_PLACE images a place, each somewhere and in some
    direction within a square that holds them loosely.
    """
    streets = max(STYLES, round(n * PLACE / PER_PLACE / STREET))
    layout = np.random.default_rng(0)  # the same streets for database and queries
    corners = layout.uniform(0, 120 * np.sqrt(streets * STREET), (streets, 2))
    course = layout.uniform(0, 2 * np.pi, streets)
    street, along = random.integers(streets, size=n), random.uniform(0, STREET, n)
    direction = np.stack([np.sin(course), np.cos(course)], axis=1)[street]
    positions = corners[street] + along[:, None] * direction + random.normal(0, 2, (n, 2))
    back = np.pi * random.integers(2, size=n)
    headings = (course[street] + back + random.normal(0, 0.2, n)) % (2 * np.pi)
    per_street = int(STREET // PLACE)
    return positions, headings, street * per_street + (along // PLACE).astype(np.int64)


def descriptors(places: np.ndarray, length: int, random: np.random.Generator) -> np.ndarray:
    """Descriptors (n, length) float16 of unit length: style of the street, place, and noise."""
    per_street = int(STREET // PLACE)
    shared = np.random.default_rng(1)
    styles = shared.standard_normal((STYLES, length), dtype=np.float32)
    looks = shared.standard_normal((places.max() + 1, length), dtype=np.float32)
    rows = np.empty((len(places), length), dtype=np.float16)
    for start in range(0, len(places), 4096):
        part = places[start : start + 4096]
        noise = random.standard_normal((len(part), length), dtype=np.float32)
        row = 0.6 * styles[part // per_street % STYLES] + 0.5 * looks[part] + 0.6 * noise
        rows[start : start + 4096] = row / np.linalg.norm(row, axis=1, keepdims=True)
    return rows


def city(database: int, queries: int, length: int, seed: int = 2) -> tuple[Scene, Truth]:
    """A scene with descriptors, positions and headings, and the truth about its queries."""
    random = np.random.default_rng(seed)
    db_positions, db_headings, db_places = poses(database, random)
    positions, headings, places = poses(queries, random)
    names = np.char.add("d", np.arange(database).astype(str))
    known = ImageSet(names, descriptors(db_places, length, random), db_positions, db_headings)
    names = np.char.add("q", np.arange(queries).astype(str))
    asked = ImageSet(names, descriptors(places, length, random), None, headings)
    return Scene("city", known, asked), Truth(positions, headings)


def ranked_city(
    database: int, queries: int, length: int, num: int, kinds: list[str]
) -> JudgedScene:
    """A city with its first-round candidates, side information and training labels."""
    scene, truth = city(database, queries, length)
    candidates = retrieve(scene, num)
    relevant = labels("fov", scene, truth, candidates.indices, FovConfig())
    return JudgedScene(
        scene, candidates, SideInformation(scene, kinds, FovConfig()), relevant, truth
    )
