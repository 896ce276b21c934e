"""A folder of own photos as the settings name it: its table, and its one descriptor file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gcsa.config import Config
from gcsa.datasets.folder.scene import TABLE
from gcsa.errors import InputError, MissingFileError

SUFFIXES = (".h5", ".hdf5", ".npy")


def of_folder(config: Config, folder: Path, overrides: Sequence[str] = ()) -> Config:
    """The settings that read one folder as the one scene.

    Its descriptor file lies in it, or where gcsa folder.describe and hloc write: the folder of its
    name below ``data.descriptors``. overrides: the command line's; ``data.desc_fn`` among them says
    which of several files.
    """
    if not (folder / TABLE).is_file():
        raise MissingFileError(f"--folder: {folder / TABLE}: no such file")
    folder = folder.resolve()
    outputs = Path(config.data.descriptors or config.data.outputs) / "folder" / folder.name
    asked = any(word.startswith("data.desc_fn=") for word in overrides)
    file = _descriptors((folder, outputs), config.data.desc_fn if asked else None)
    data = replace(
        config.data,
        dataset="folder",
        root=str(folder.parent),
        # The splits of a folder are of its table; it is the one scene of all three.
        train_scenes=[folder.name],
        val_scenes=[folder.name],
        test_scenes=[folder.name],
        desc_fn=str(file.resolve()),  # absolute: it stands where it is, not below the outputs
    )
    return replace(config, data=data)


def _descriptors(places: Sequence[Path], name: str | None) -> Path:
    """The one descriptor file of the places, in the first that has any."""
    for place in places:
        found = [place / name] if name else sorted(p for p in place.glob("*") if _is_one(p))
        found = [path for path in found if path.is_file()]
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise InputError(f"--folder: {place}: several descriptor files; data.desc_fn=: {names}")
        if found:
            return found[0]
    raise MissingFileError(
        f"--folder: no descriptor file{f' {name}' if name else ''} in {places[0]}, nor in "
        f"{places[1]}; hloc makes one (docs/own_data.md), gcsa folder.describe a stand-in"
    )


def _is_one(path: Path) -> bool:
    """Whether a file is of descriptors, and not what is packed of them (F.pack.npy)."""
    return path.suffix in SUFFIXES and ".pack." not in path.name
