"""Where the image files of the data sets lie, on disk or in an object store (``data.photos``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from gcsa.datasets.landmarks.scene import DATASETS
from gcsa.datasets.readers import reader
from gcsa.datasets.settings import DataConfig
from gcsa.errors import InputError
from gcsa.files.remote import Remote, folder_of

ImageFile = Path | Remote


def image_path(data: DataConfig, scene: str, name: str) -> ImageFile:
    """The file of a scene's image, which need not be there; InputError for a data set that nothing
    is known of.
    """
    reader(data)
    return HOMES.get(data.dataset, _in_scene)(data, scene, name)


def missing(paths: Iterable[ImageFile]) -> list[Path]:
    """Of photos on disk those that are not there; a store is asked when a photo is read."""
    return [path for path in paths if isinstance(path, Path) and not path.is_file()]


def on_disk(path: ImageFile) -> Path:
    """A file of this machine; InputError where it is in an object store."""
    if isinstance(path, Remote):
        raise InputError(f"{path}: expected a photo on disk, not in an object store (data.photos)")
    return path


def _root(data: DataConfig) -> ImageFile:
    return folder_of(data.photos or data.root)


def _in_scene(data: DataConfig, scene: str, name: str) -> ImageFile:
    return _root(data) / data.dataset / scene / name


def _in_root(data: DataConfig, scene: str, name: str) -> ImageFile:
    return _root(data) / scene / name


def _at_root(data: DataConfig, scene: str, name: str) -> ImageFile:
    return _root(data) / name


def _of_gsv(data: DataConfig, city: str, name: str) -> ImageFile:
    return _root(data) / "Images" / city / name


def _of_msls(data: DataConfig, city: str, name: str) -> ImageFile:
    parts, tables = ("train_val", "test"), Path(data.root) / "msls"
    part = next((part for part in parts if (tables / part / city).is_dir()), parts[0])
    return _root(data) / "msls" / part / city / name


def _of_rsfm(data: DataConfig, network: str, name: str) -> ImageFile:
    """As cnnimageretrieval-pytorch keeps them: folders by the last six characters of a name."""
    cid = name.split("#")[0]  # a name that comes again has its number behind it
    folder = _root(data) / "train" / "retrieval-SfM-120k" / "ims"
    return folder / cid[-2:] / cid[-4:-2] / cid[-6:-4] / cid


def _of_landmarks(data: DataConfig, network: str, name: str) -> ImageFile:
    folder = _root(data) / "test" / data.dataset / "jpg"
    return folder / f"{name.removeprefix('query/')}.jpg"


# Of the data sets whose images are not <root>/<dataset>/<scene>/<name>.
HOMES: dict[str, Callable[[DataConfig, str, str], ImageFile]] = {
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
