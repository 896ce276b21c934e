"""Where the image files of the data sets lie; whether they are there is not looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gcsa.datasets.landmarks.scene import DATASETS
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


def _of_rsfm(data: DataConfig, network: str, name: str) -> Path:
    """As cnnimageretrieval-pytorch keeps them: folders by the last six characters of a name."""
    cid = name.split("#")[0]  # a name that comes again has its number behind it
    folder = Path(data.root) / "train" / "retrieval-SfM-120k" / "ims"
    return folder / cid[-2:] / cid[-4:-2] / cid[-6:-4] / cid


def _of_landmarks(data: DataConfig, network: str, name: str) -> Path:
    folder = Path(data.root) / "test" / data.dataset / "jpg"
    return folder / f"{name.removeprefix('query/')}.jpg"


# Of the data sets whose images are not <root>/<dataset>/<scene>/<name>.
HOMES: dict[str, Callable[[DataConfig, str, str], Path]] = {
    "msls": _of_msls,
    "folder": _in_root,
    "utm": _in_root,
    "kapture": _in_root,
    "dbstruct": _at_root,
    "patchnetvlad": _at_root,
    "gsv": _of_gsv,
    "rsfm": _of_rsfm,
    **dict.fromkeys(DATASETS, _of_landmarks),
}
