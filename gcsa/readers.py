"""The data sets that the programs know, by the name that a config gives them.

A new data set is a folder with a reader like :mod:`gcsa.msls.scene` and one line in READERS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from gcsa.errors import InputError, nearest
from gcsa.lamar import scene as lamar
from gcsa.lamar.label_files import label_path, load_labels
from gcsa.msls import scene as msls
from gcsa.scene import Scene
from gcsa.truth import Judged, Truth

SPLITS = ("train", "val", "test")
# Rules that a label file answers, and the word in that file's name.
LABEL_FILES = {"score": "scores", "geometry": "geometry"}


@dataclass
class DataConfig:
    """Section ``data``: where the images are, and how they are cut into batches."""

    dataset: str = "msls"  # a data set of gcsa/readers.py
    root: str = "datasets"  # the folder that holds msls/ and lamar/
    outputs: str = "outputs"  # the folder that holds msls/<city>/<desc_fn>, and training/
    labels: str = "data"  # LaMAR: the folder of its label files
    desc_fn: str = "global-feats-netvlad.h5"  # descriptor file of each scene
    train_scenes: list[str] = field(default_factory=list)  # empty: the official split's
    val_scenes: list[str] = field(default_factory=list)  # of validation, likewise
    test_scenes: list[str] = field(default_factory=list)  # of the test split, likewise
    subtask: str = "all"  # MSLS: images of validation and test; training takes every image
    train_labels: str = "fov"  # what is relevant in training: fov | dist | score | geometry
    val_labels: str = "dist"  # what is relevant in the metrics, likewise
    batch_size: int = 32  # queries of a training step
    num_workers: int = 8  # threads that prepare batches ahead of the model
    memory: float = 8.0  # gigabytes of the mapped descriptor files that may stay resident
    search: str = "auto"  # first round: auto | fp32 | half | faiss, the same result by each
    on_device: bool = False  # keep the training descriptors on the GPU (2 bytes a number)
    radio_dropout: float = 0.0  # share of the heard radio entries dropped in training
    radio: bool = True  # LaMAR: false reads the scenes as if no image had heard any radio
    heading_convention: str = "correct"  # LaMAR: correct | published (mirrored)


@dataclass(frozen=True)
class Reader:
    """One data set: its official scenes by split, and a function that reads a scene.

    ``read(config, scene, split) -> (Scene, Truth | None)``; ``protocol(config, split)`` says in a
    sentence which images and which rule the metrics are about.
    """

    scenes: dict[str, list[str]]
    read: Callable[[DataConfig, str, str], tuple[Scene, Truth | None]]
    protocol: Callable[[DataConfig, str], str]


def _read_msls(config: DataConfig, city: str, split: str) -> tuple[Scene, Truth | None]:
    return msls.read_scene(
        Path(config.root) / "msls",
        city,
        descriptors=Path(config.outputs) / "msls" / city / config.desc_fn,
        subtask=None if split == "train" else config.subtask,
    )


def _msls_protocol(config: DataConfig, split: str) -> str:
    images = "every image" if split == "train" else f"subtask '{config.subtask}'"
    rules = {"dist": "within 25 m (UTM)", "fov": "fields of view overlap by 1/3"}
    rule = rules.get(config.val_labels, config.val_labels)
    return (
        f"MSLS image to image, {split} cities, {images}, no panoramas, queries searched in their "
        f"own city; relevant: {rule}; AP@k divided by min(k, number relevant)"
    )


def _read_lamar(config: DataConfig, name: str, split: str) -> tuple[Scene, Truth | None]:
    scene, truth = lamar.read_scene(
        Path(config.root) / "lamar",
        name,
        split,
        descriptors=Path(config.outputs) / "lamar" / name / config.desc_fn,
        heading_convention=config.heading_convention,
    )
    if not config.radio:
        parts = (replace(images, radio=None) for images in (scene.database, scene.queries))
        scene = Scene(name, *parts)
    rule = config.train_labels if split == "train" else config.val_labels
    if truth is not None and rule in LABEL_FILES:
        path = label_path(config.labels, name, split, LABEL_FILES[rule])
        sizes = len(scene.queries), len(scene.database)
        truth = replace(truth, judged=_judged(path, *sizes, own_queries=split == "train"))
    return scene, truth


def _judged(path: Path, queries: int, database: int, own_queries: bool) -> Judged:
    """A label file as the truth holds it."""
    content = load_labels(path, queries, database, num_candidates=1, own_queries=own_queries)
    query, column = np.nonzero(content.labels)
    entries = np.ones(len(query), dtype=bool), (query, content.topk[query, column])
    relevant = csr_array(entries, shape=(queries, database))
    counts = relevant.sum(axis=1) if content.num_pos is None else content.num_pos
    return Judged(relevant, np.asarray(counts), content.topk.shape[1])


def _lamar_protocol(config: DataConfig, split: str) -> str:
    rule = {
        "score": "by local-feature matches under the true pose (label files)",
        "geometry": "by geometry alone: fields of view overlap by 1/3 within 10 m (label files)",
        "dist": "within 25 m",
        "fov": "fields of view overlap by 1/3",
    }[config.val_labels]
    return (
        f"LaMAR, {split} queries of phone and HoloLens, camera by camera, database: the map "
        f"session of their own scene; relevant: {rule}; AP@k divided by min(k, number relevant)"
    )


READERS: dict[str, Reader] = {
    "msls": Reader(
        scenes={
            "train": msls.TRAIN_CITIES,
            "val": msls.VAL_CITIES,
            "test": msls.TEST_CITIES,
        },
        read=_read_msls,
        protocol=_msls_protocol,
    ),
    "lamar": Reader(
        scenes=dict.fromkeys(SPLITS, lamar.SCENES),
        read=_read_lamar,
        protocol=_lamar_protocol,
    ),
}


def reader(config: DataConfig) -> Reader:
    """The reader that ``config.dataset`` names."""
    if config.dataset not in READERS:
        hint = nearest(config.dataset, READERS)
        raise InputError(f"data.dataset: no reader '{config.dataset}'{hint}")
    return READERS[config.dataset]


def scene_names(config: DataConfig, split: str) -> list[str]:
    """The scenes of a split: those that the config lists, or the official ones."""
    if split not in SPLITS:
        raise InputError(f"'{split}' is not a split{nearest(split, SPLITS)}")
    return list(getattr(config, f"{split}_scenes") or reader(config).scenes[split])
