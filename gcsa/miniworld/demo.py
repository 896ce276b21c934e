"""One city and one building of the quick start's worlds, drawn in seconds, for the notebook.

Photos and side information are those of the whole world, file by file. The descriptors are not
computed here: their visual words were learnt from the photos of all training scenes. They come
from the file that is released with a checkpoint. And one wing of a building in larger photos, as
local features need them: it learns its descriptor from its own map.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from gcsa.datasets.lamar.label_files import label_path, save_labels
from gcsa.errors import InputError, MissingFileError, nearest
from gcsa.files import replacing
from gcsa.localization.labels import compute_labels
from gcsa.miniworld import build as streets
from gcsa.miniworld import plan
from gcsa.miniworld.building import build as buildings
from gcsa.miniworld.building import plan as floors
from gcsa.miniworld.crew import Crew

SIZE, SEED = "small", 0  # of scripts/quickstart.sh
# One wing; more photos to the metre than a tiny building has, so that matches have depth.
WING = replace(
    floors.SIZES["tiny"],
    shapes=(floors.Shape("HGE", 1, 10.0, 12.0, 3.4, 5.0, 0.0, 3.9),),
    navvis=floors.Amount(2, 40),
    map_phone=floors.Amount(2, 80),
    map_hololens=floors.Amount(2, 8),
    phone=floors.Amount(2, 24),
    hololens=floors.Amount(2, 6),
    test_phone=floors.Amount(1, 1),
    test_hololens=floors.Amount(1, 1),
    dim=256,
    vocabulary=64,
    depth=False,
    width=320,
    height=240,
)


def draw_city(out: str | os.PathLike, city: str, descriptors: str | os.PathLike) -> list[str]:
    """Draw a validation city of the streets under ``out``, unless it is there.

    descriptors: its hloc file, of which a copy is made. Returns the settings
    (``section.key=value``) that have a config validate on this city.
    """
    out, source, whole = Path(out), _present(descriptors), plan.SIZES[SIZE]
    _check(city, whole.val)
    features = streets.feature_file(out, city)
    if not features.exists():  # written last: the city is whole then
        spec = replace(whole, train=(), val=(city,), test=())
        with Crew(os.cpu_count() or 1) as crew:
            streets.write_cities(out, spec, SEED, True, crew)
        _copy(source, features)
    return _settings(out, city)


def draw_building(out: str | os.PathLike, scene: str, descriptors: str | os.PathLike) -> list[str]:
    """The same for a building, with the labels that geometry gives its validation queries."""
    out, source, whole = Path(out), _present(descriptors), floors.SIZES[SIZE]
    _check(scene, whole.scenes)
    features = buildings.feature_file(out, scene)
    labels = label_path(out / "labels", scene, "val", "geometry")
    if not labels.exists():
        spec = replace(whole, shapes=tuple(s for s in whole.shapes if s.name == scene))
        with Crew(os.cpu_count() or 1) as crew:
            buildings.write_scenes(out, spec, SEED, crew)
        _copy(source, features)
        save_labels(labels, compute_labels(out / "datasets" / "lamar", scene, "val", features))
    return [*_settings(out, scene), f"data.labels={labels.parent}"]


def draw_wing(out: str | os.PathLike) -> list[str]:
    """Draw a small building of photos of 320 x 240 pixels under ``out``, with descriptors and
    labels, unless it is there. Returns the settings that have a config read it alone.
    """
    out, (scene,) = Path(out), WING.scenes
    features = buildings.feature_file(out, scene)
    labels = label_path(out / "labels", scene, "val", "geometry")
    if not labels.exists():
        with Crew(os.cpu_count() or 1) as crew:
            paths = buildings.write_scenes(out, WING, SEED, crew)
            # Global descriptors are of smaller copies, as everywhere else in the miniworld.
            small = replace(WING, width=buildings.WIDTH, height=buildings.WIDTH * 3 // 4)
            buildings.describe_scenes(out, small, SEED, paths, crew)
        save_labels(labels, compute_labels(out / "datasets" / "lamar", scene, "val", features))
    others = [f"data.{split}_scenes=[{scene}]" for split in ("train", "test")]
    ways = [f"data.labels={labels.parent}", "data.train_labels=dist"]  # none of its map
    return [*_settings(out, scene), *others, *ways]


def _check(name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise InputError(f"'{name}' is none of the scenes that can be drawn{nearest(name, known)}")


def _present(path: str | os.PathLike) -> Path:
    if not Path(path).is_file():
        raise MissingFileError(f"{path}: no such file (is this the repository's folder?)")
    return Path(path)


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


def _settings(out: Path, scene: str) -> list[str]:
    folders = [f"data.root={out / 'datasets'}", f"data.outputs={out / 'outputs'}"]
    return [*folders, f"data.val_scenes=[{scene}]"]
