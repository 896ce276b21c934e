"""What each data set's reader is to the programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gcsa.datasets.lamar.records import Camera
from gcsa.datasets.settings import DataConfig
from gcsa.evaluation.listed import ListedTruth
from gcsa.evaluation.truth import Truth
from gcsa.scene import Scene

Read = Callable[[DataConfig, str, str], tuple[Scene, Truth | ListedTruth | None]]
COUNTED = "AP@k divided by min(k, number relevant); queries without a relevant image are left out"


@dataclass(frozen=True)
class Reader:
    """One data set: its official scenes by split, and a function that reads a scene.

    ``read(config, scene, split) -> (Scene, truth)``, truth None where it is not published;
    ``protocol(config, split)`` says which images and which rule the metrics are about, the gist in
    its first sentence. protocols: those of :mod:`gcsa.evaluation.protocols` that a ListedTruth is
    scored by. ``cameras(config, scene, split)``: the intrinsics of the scene's images by name,
    where the data set has them.
    """

    scenes: dict[str, list[str]]
    read: Read
    protocol: Callable[[DataConfig, str], str]
    protocols: tuple[str, ...] = ()
    cameras: Callable[[DataConfig, str, str], dict[str, Camera]] | None = None


def descriptor_file(config: DataConfig, scene: str) -> Path | None:
    """The descriptor file of a scene; None where ``desc_fn`` is empty: poses alone are wanted."""
    folder = Path(config.descriptors or config.outputs)
    return folder / config.dataset / scene / config.desc_fn if config.desc_fn else None


def local_files(config: DataConfig, scene: str) -> tuple[Path | None, Path | None]:
    """The files of a scene's local features and of their matches; None for one that is not set."""
    features, matches = (
        descriptor_file(replace(config, desc_fn=name), scene)
        for name in (config.local_fn, config.matches_fn)
    )
    return features, matches


def with_gps(config: DataConfig) -> str:
    """What a protocol says where queries bring their GPS readings: the task is another one."""
    return " with query GPS" if config.query_gps else ""
