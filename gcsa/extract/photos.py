"""Which photos are described, and into which files: a folder's, or all scenes of a data set."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gcsa.config import Config
from gcsa.datasets.folder.listing import photos_below
from gcsa.datasets.images import image_path
from gcsa.datasets.landmarks.photos import listed_photos
from gcsa.datasets.landmarks.scene import DATASETS
from gcsa.datasets.reader import descriptor_file
from gcsa.datasets.readers import reader, scene_names
from gcsa.datasets.settings import SPLITS, DataConfig
from gcsa.descriptors.extraction.decoding import Photo
from gcsa.errors import InputError

logger = logging.getLogger(__name__)

LANDMARKS = ("rsfm", *DATASETS)


@dataclass(frozen=True)
class Job:
    """Photos and the file that their descriptors go to. fitted: those that a whitening is of.

    roles: names by role, of landmark data sets.
    """

    output: Path
    photos: list[Photo]
    fitted: list[Photo]
    roles: dict[str, list[str]] | None = None


def of_folder(images: Path, output: Path) -> Job:
    """All photos below a folder; their names are relative to it."""
    photos = [Photo(name, images / name) for name in photos_below(images, images)]
    return Job(output, photos, photos)


def of_scenes(config: Config) -> list[Job]:
    """The photos of all scenes that the settings name, of all splits, as the data set lists them.

    A whitening is of the databases of the training scenes; where there are none, of all scenes.
    """
    if config.data.dataset in LANDMARKS:
        return [_of_lists(config.data, network) for network in _networks(config.data)]
    if not config.data.desc_fn:
        raise InputError("data.desc_fn: is empty; expected the name of the files to write")
    data = replace(config.data, desc_fn="", local_fn="")
    splits: dict[str, list[str]] = {}
    for split in SPLITS:
        for scene in _scenes(data, split):
            splits.setdefault(scene, []).append(split)
    some_trained = any("train" in found for found in splits.values())
    return [
        _job(config.data, data, scene, found, "train" in found or not some_trained)
        for scene, found in splits.items()
    ]


def _networks(data: DataConfig) -> list[str]:
    """The scenes of a landmark data set are its images as each network describes them."""
    found = dict.fromkeys(n for split in SPLITS for n in getattr(data, f"{split}_scenes"))
    if len(found) != 1:
        raise InputError(
            f"data.val_scenes: {', '.join(found) or 'empty'}; expected the name of one network, "
            "whose descriptors are made"
        )
    return list(found)


def _of_lists(data: DataConfig, network: str) -> Job:
    roles, folder = listed_photos(Path(data.root), data.dataset)
    photos = {
        role: [Photo(f"{role}/{one.name}", one.path, one.box) for one in listed]
        for role, listed in roles.items()
    }
    first = next(iter(photos.values()))  # db, or train
    names = {role: [one.name for one in listed] for role, listed in roles.items()}
    everything = [photo for listed in photos.values() for photo in listed]
    return Job(folder / f"{network}.npz", everything, first, names)


def _scenes(data: DataConfig, split: str) -> list[str]:
    """The scenes of a split, none where the data set has none."""
    if not (getattr(data, f"{split}_scenes") or reader(data).scenes[split]):
        return []
    return scene_names(data, split)


def _job(config: DataConfig, data: DataConfig, scene: str, splits: list[str], fitted: bool) -> Job:
    output = descriptor_file(config, scene)
    assert output is not None  # desc_fn is not empty
    base: dict[str, Photo] = {}
    others: dict[str, Photo] = {}
    for split in splits:
        found, _ = reader(data).read(data, scene, split)
        base |= _named(data, scene, found.database.names)
        others |= _named(data, scene, found.queries.names)
    photos = sorted((base | others).values())
    return Job(output, photos, sorted(base.values()) if fitted else [])


def _named(data: DataConfig, scene: str, names: np.ndarray) -> dict[str, Photo]:
    return {str(name): Photo(str(name), image_path(data, scene, str(name))) for name in names}
