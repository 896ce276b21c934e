"""The data sets that the programs know, by the name that a config gives them.

A new data set is a folder with a reader like :mod:`gcsa.msls.scene` and one line in READERS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gcsa.errors import InputError, nearest
from gcsa.msls import scene as msls
from gcsa.scene import Scene
from gcsa.truth import Truth

SPLITS = ("train", "val", "test")


@dataclass
class DataConfig:
    """Section ``data``: where the images are, and how they are cut into batches."""

    dataset: str = "msls"  # a data set of gcsa/readers.py
    root: str = "datasets"  # the folder that holds msls/
    outputs: str = "outputs"  # the folder that holds msls/<city>/<desc_fn>, and training/
    desc_fn: str = "global-feats-netvlad.h5"  # descriptor file of each scene
    train_scenes: list[str] = field(
        default_factory=list
    )  # scenes to train on; empty: the official split's
    val_scenes: list[str] = field(default_factory=list)  # of validation, likewise
    test_scenes: list[str] = field(default_factory=list)  # of the test split, likewise
    subtask: str = "all"  # MSLS: images of validation and test; training takes every image
    train_labels: str = "fov"  # which candidates are relevant in training: fov | dist
    val_labels: str = "dist"  # which are relevant in the metrics: dist | fov
    batch_size: int = 32  # queries of a training step
    num_workers: int = 8  # threads that prepare batches ahead of the model
    radio_dropout: float = 0.0  # share of the heard radio entries dropped in training


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
    rule = {"dist": "within 25 m (UTM)", "fov": "fields of view overlap by 1/3"}[config.val_labels]
    return (
        f"MSLS image to image, {split} cities, {images}, no panoramas, queries searched in their "
        f"own city; relevant: {rule}; AP@k divided by min(k, number relevant)"
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
