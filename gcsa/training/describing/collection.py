"""The photos of the training scenes in one row, and what is known of where they were taken."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gcsa.config import Config
from gcsa.datasets.images import ImageFile, image_path, missing
from gcsa.datasets.readers import reader, scene_names
from gcsa.datasets.settings import DataConfig
from gcsa.errors import InputError
from gcsa.evaluation.listed import ListedTruth
from gcsa.evaluation.truth import Truth
from gcsa.scene import Scene


@dataclass(frozen=True, eq=False)
class Placed:
    """A scene, its truth, and the rows of its photos in the collection.

    database: (n,), queries: (q,) int64. A query that is a database image has its row.
    """

    scene: Scene
    truth: Truth
    database: np.ndarray
    queries: np.ndarray


@dataclass(frozen=True, eq=False)
class Collection:
    """All photos: paths (N,); positions (N, 2) metres in each scene's frame, headings (N,) radians,
    NaN unknown; number: (N,) of the scene; things: (N,) int64, what each shows, equal in a scene
    where alike, -1 unknown.
    """

    scenes: list[Placed]
    paths: list[ImageFile]
    positions: np.ndarray
    headings: np.ndarray
    number: np.ndarray
    things: np.ndarray

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def database(self) -> np.ndarray:
        """The rows of all database images, (n,)."""
        return np.concatenate([placed.database for placed in self.scenes])


def without_descriptors(data: DataConfig) -> DataConfig:
    return replace(data, desc_fn="")


def collect(config: Config) -> Collection:
    """The photos of all training scenes; InputError where one is not on disk, or has no truth."""
    data = without_descriptors(config.data)
    scenes: list[Placed] = []
    paths: list[ImageFile] = []
    parts: list[tuple[np.ndarray, ...]] = []
    for number, name in enumerate(scene_names(data, "train")):
        scene, truth = reader(data).read(data, name, "train")
        if truth is None or isinstance(truth, ListedTruth):
            raise InputError(
                f"{name}: where its queries were taken, or what they show, is not known in a form "
                "that can be trained on"
            )
        placed, names, known = _placed(scene, truth, len(paths), number)
        scenes.append(placed)
        paths += [image_path(data, name, image) for image in names]
        parts.append(known)
    if lost := missing(paths):
        raise InputError(f"{lost[0]}: no such photo, nor {len(lost) - 1} others of training")
    return Collection(scenes, paths, *(np.concatenate(part) for part in zip(*parts, strict=True)))


def _placed(
    scene: Scene, truth: Truth, first: int, number: int
) -> tuple[Placed, list[str], tuple[np.ndarray, ...]]:
    """A scene whose photos stand behind ``first`` others; their names, and what is known of them:
    positions, headings, the scene's number, things.
    """
    own = {str(name): row for row, name in enumerate(scene.database.names)}
    names = list(own)
    new = [row for row, name in enumerate(scene.queries.names) if str(name) not in own]
    for row in new:
        own[str(scene.queries.names[row])] = len(names)
        names.append(str(scene.queries.names[row]))
    queries = np.array([first + own[str(name)] for name in scene.queries.names], dtype=np.int64)
    placed = Placed(scene, truth, first + np.arange(len(scene.database)), queries)
    database, clusters = scene.database, truth.clusters
    positions = np.full((len(names), 2), np.nan)
    headings, things = np.full(len(names), np.nan), np.full(len(names), -1)
    n = len(database)
    if database.positions is not None:
        positions[:n] = database.positions[:, :2]
    positions[n:] = truth.positions[new, :2]
    if database.headings is not None:
        headings[:n] = database.headings
    if truth.headings is not None:
        headings[n:] = truth.headings[new]
    if clusters is not None:
        things[:n], things[n:] = clusters.database, clusters.queries[new]
    return placed, names, (positions, headings, np.full(len(names), number), things)
