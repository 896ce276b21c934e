"""Readers of layouts that many data sets come in, by the name that a config gives them.

What a scene is called, and where its files are, says docs/datasets.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gcsa.datasets import dbstruct, gsv, patchnetvlad
from gcsa.datasets.kapture import scene as kapture
from gcsa.datasets.placed import How
from gcsa.datasets.reader import COUNTED, Reader, descriptor_file, with_gps
from gcsa.datasets.settings import SPLITS, DataConfig
from gcsa.datasets.utm import scene as utm
from gcsa.evaluation.truth import Truth
from gcsa.scene import Scene
from gcsa.sideinfo.rules import Rule

Read = tuple[Scene, Truth | None]
# The folders that the tools of these data sets make of each split.
BY_SPLIT = {split: [split] for split in SPLITS}
# What data.desc_fn begins with where kapture's own features are asked for: global_features/<type>.
FEATURES = "global_features"
PITTS = {split: [f"pitts30k_{split}"] for split in SPLITS}


def _how(config: DataConfig, name: str) -> How:
    return How(descriptor_file(config, name), config.normalise, config.query_gps)


def _reach(config: DataConfig) -> float | None:
    """Metres within which figures call an image relevant, where that is all that they ask."""
    rule = Rule.of(config.val_labels)
    return rule.reach if rule.kind == "dist" else None


def _read_utm(config: DataConfig, name: str, split: str) -> Read:
    folders = config.database_folder or "database", config.query_folder or "queries"
    return utm.read_scene(Path(config.root) / name, name, _how(config, name), *folders)


def _read_dbstruct(config: DataConfig, name: str, split: str) -> Read:
    paths = [Path(config.root) / part / f"{name}.mat" for part in (".", "datasets")]
    path = next((path for path in paths if path.is_file()), paths[0])
    database, queries = (
        folder.removesuffix("/").removesuffix(".")
        for folder in (config.database_folder, config.query_folder or "queries_real")
    )
    return dbstruct.read_scene(path, _how(config, name), database, queries, _reach(config))


def _read_patchnetvlad(config: DataConfig, name: str, split: str) -> Read:
    return patchnetvlad.read_scene(config.root, name, _how(config, name), _reach(config))


def _read_gsv(config: DataConfig, city: str, split: str) -> Read:
    return gsv.read_scene(config.root, city, _how(config, city))


def _read_kapture(config: DataConfig, name: str, split: str) -> Read:
    kind, _, features = config.desc_fn.partition("/")
    features = features if kind == FEATURES else ""
    how = replace(_how(config, name), descriptors=None) if features else _how(config, name)
    folders = config.database_folder or "mapping", config.query_folder or "query"
    folder = Path(config.root) / name
    return kapture.read_scene(folder, name, how, *folders, features=features, radio=config.radio)


def _protocol(what: str, whose: str, read: bool = False) -> Callable[[DataConfig, str], str]:
    """A sentence: ``what`` the images are, ``whose`` of them are searched in what.

    read: whether devices of queries may have readings of their own.
    """

    def protocol(config: DataConfig, split: str) -> str:
        rule = Rule.of(config.val_labels)
        words = "of the same place" if rule.kind == "cluster" else rule.words
        task = with_gps(config) if read else ""
        return f"{what}{task} {split}, relevant: {words}. {whose}; {COUNTED}"

    return protocol


OWN = "Queries are searched in the database of their own scene"
LAYOUTS: dict[str, Reader] = {
    "utm": Reader(BY_SPLIT, _read_utm, _protocol("'@' names", f"{OWN}, positions by UTM")),
    "dbstruct": Reader(PITTS, _read_dbstruct, _protocol("dbStruct", f"{OWN}, positions by UTM")),
    "patchnetvlad": Reader(
        {"train": [], "val": ["pitts30k"], "test": ["pitts30k"]},
        _read_patchnetvlad,
        _protocol("Patch-NetVLAD's lists", OWN),
    ),
    "kapture": Reader(
        {"train": [], "val": ["."], "test": ["."]},
        _read_kapture,
        _protocol("kapture", "Queries are searched in the map of their own scene", read=True),
    ),
    "gsv": Reader(
        {"train": gsv.CITIES, "val": [], "test": []},
        _read_gsv,
        _protocol("GSV-Cities", "Each image is a query among all others of its city"),
    ),
}
