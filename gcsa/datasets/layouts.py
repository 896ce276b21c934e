"""Readers of layouts that many data sets come in, by the name that a config gives them.

A scene is a folder below ``data.root``; its name is the path, as ``pitts30k/images/test``.
"""

from __future__ import annotations

from pathlib import Path

from gcsa.datasets.reader import COUNTED, Reader, descriptor_file, with_gps
from gcsa.datasets.settings import SPLITS, DataConfig
from gcsa.datasets.utm import scene as utm
from gcsa.evaluation.truth import Truth
from gcsa.scene import Scene
from gcsa.sideinfo.rules import Rule

# The folders that the tools of these data sets make of each split.
BY_SPLIT = {split: [split] for split in SPLITS}


def _read_utm(config: DataConfig, name: str, split: str) -> tuple[Scene, Truth | None]:
    return utm.read_scene(
        Path(config.root) / name,
        name,
        descriptors=descriptor_file(config, name),
        database=config.database_folder or "database",
        queries=config.query_folder or "queries",
        query_gps=config.query_gps,
        normalise=config.normalise,
    )


def _utm_protocol(config: DataConfig, split: str) -> str:
    rule = Rule.of(config.val_labels).words
    database, queries = config.database_folder or "database", config.query_folder or "queries"
    return (
        f"'@' names{with_gps(config)} {split}, relevant: {rule}. Images of '{queries}' are "
        f"searched in '{database}' of their own scene, positions by UTM; {COUNTED}"
    )


LAYOUTS: dict[str, Reader] = {
    "utm": Reader(BY_SPLIT, _read_utm, _utm_protocol),
}
