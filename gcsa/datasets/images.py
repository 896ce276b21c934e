"""Where the image files of the data sets lie; whether they are there is not looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gcsa.datasets.readers import reader
from gcsa.datasets.settings import DataConfig


def image_path(data: DataConfig, scene: str, name: str) -> Path:
    """The file of a scene's image; InputError for a data set that nothing is known of."""
    reader(data)
    return HOMES.get(data.dataset, _in_scene)(data, scene, name)


def _in_scene(data: DataConfig, scene: str, name: str) -> Path:
    return Path(data.root) / data.dataset / scene / name


def _in_root(data: DataConfig, scene: str, name: str) -> Path:
    return Path(data.root) / scene / name


def _at_root(data: DataConfig, scene: str, name: str) -> Path:
    return Path(data.root) / name


def _of_gsv(data: DataConfig, city: str, name: str) -> Path:
    return Path(data.root) / "Images" / city / name


def _of_msls(data: DataConfig, city: str, name: str) -> Path:
    folders = [Path(data.root) / "msls" / part / city for part in ("train_val", "test")]
    return next((f for f in folders if f.is_dir()), folders[0]) / name


# Of the data sets whose images are not <root>/<dataset>/<scene>/<name>.
HOMES: dict[str, Callable[[DataConfig, str, str], Path]] = {
    "msls": _of_msls,
    "folder": _in_root,
    "utm": _in_root,
    "kapture": _in_root,
    "dbstruct": _at_root,
    "patchnetvlad": _at_root,
    "gsv": _of_gsv,
}
