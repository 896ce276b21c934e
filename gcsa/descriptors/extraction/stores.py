"""The files that descriptors are kept in: hloc's HDF5, a NumPy array, kapture's folder."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gcsa import __version__
from gcsa.descriptors import gfeat
from gcsa.descriptors.extraction.journal import different
from gcsa.descriptors.listing import DATASET, image_names
from gcsa.descriptors.new_hdf5 import new_hdf5
from gcsa.descriptors.objects import open_hdf5
from gcsa.errors import InputError
from gcsa.files import read_text, reading, replacing, write_text
from gcsa.files.npy import load_npy, load_npz

ATTRIBUTE = "gcsa"  # of an HDF5 file: how its descriptors were made, as JSON
WRITTEN = "what gcsa extract wrote"
ROLE_NAMES = "_names"  # behind a role, the key of its images' names
ANOTHER = "write to another file, or remove this one"


class Described(NamedTuple):
    """One image of the output: its name, its descriptor (D,), its (width, height)."""

    name: str
    descriptor: np.ndarray
    image_size: tuple[int, int]


def _read_json(path: Path) -> Any:
    with reading(path, WRITTEN):
        return json.loads(path.read_text(encoding="utf-8"))


Rows = Callable[[], Iterator[Described]]


class Store(ABC):
    """A descriptor file as it will be, or is already. about: how descriptors are made."""

    def __init__(self, path: Path, about: dict[str, Any]):
        self.path, self.about = path, about

    @abstractmethod
    def names(self) -> list[str]:
        """The images that are in it; none where it does not exist.

        InputError where its descriptors were made in another way.
        """

    @abstractmethod
    def write(self, rows: Rows, count: int) -> None:
        """Add ``count`` images, all or none of them."""

    def _stated(self) -> str:
        """``about`` as it is kept; the version that wrote does not make descriptors others."""
        return json.dumps({**self.about, "version": __version__}, indent=1) + "\n"


class HDF5(Store):
    """hloc's file: a group an image, slashes of its name as nested groups."""

    def names(self) -> list[str]:
        if not self.path.exists():
            return []
        with reading(self.path, WRITTEN), open_hdf5(self.path) as file:
            different(json.loads(file.attrs.get(ATTRIBUTE, "{}")), self.about, self.path, ANOTHER)
            return image_names(file, self.path)[0]

    def write(self, rows: Rows, count: int) -> None:
        with new_hdf5(self.path, added=self.path.exists()) as file:
            file.attrs[ATTRIBUTE] = self._stated()
            for name, descriptor, size in rows():
                group = file.create_group(name)
                group.create_dataset(DATASET, data=descriptor)
                group.create_dataset("image_size", data=np.array(size))


class Array(Store):
    """An array (n, D) as .npy; beside it the names, a line each, and how it was made."""

    @property
    def _names(self) -> Path:
        return self.path.with_suffix(".txt")

    @property
    def _about(self) -> Path:
        return self.path.with_suffix(".json")

    def names(self) -> list[str]:
        if not self.path.exists():
            return []
        different(_read_json(self._about), self.about, self.path, ANOTHER)
        listed, count = read_text(self._names).split("\n")[:-1], len(load_npy(self.path))
        if len(listed) < count:
            raise InputError(
                f"{self._names}: {len(listed)} names, {self.path.name} has {count} rows"
            )
        return listed[:count]  # a process that was killed may have left names alone

    def write(self, rows: Rows, count: int) -> None:
        from numpy.lib.format import open_memmap

        known = self.names()
        old = np.load(self.path, mmap_mode="r") if known else None
        names = list(known)
        with ExitStack() as files:
            # Renamed in turn once all of them are written, the array last.
            array, listed, about = (
                files.enter_context(replacing(p)) for p in (self.path, self._names, self._about)
            )
            shape = (len(known) + count, self.about["length"])
            whole = open_memmap(array, "w+", np.dtype(self.about["dtype"]), shape)
            if old is not None:
                whole[: len(known)] = old
            for row, (name, descriptor, _) in enumerate(rows(), len(known)):
                whole[row] = descriptor
                names.append(name)
            whole.flush()
            listed.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
            about.write_text(self._stated(), encoding="utf-8")


class Kapture(Store):
    """kapture's global features, see :mod:`gcsa.descriptors.gfeat`; a file says how made."""

    ABOUT = "gcsa.json"

    def names(self) -> list[str]:
        if not (self.path / gfeat.TABLE).exists():
            return []
        about = self.path / self.ABOUT
        different(_read_json(about) if about.exists() else {}, self.about, self.path, ANOTHER)
        return [
            path.relative_to(self.path).as_posix().removesuffix(gfeat.SUFFIX)
            for path in self.path.rglob(f"*{gfeat.SUFFIX}")
        ]

    def write(self, rows: Rows, count: int) -> None:
        names = (row.name for row in rows())
        descriptors = (row.descriptor for row in rows())
        write_text(self.path / self.ABOUT, self._stated())
        gfeat.write_gfeat(self.path, self.about["network"], names, descriptors)


class Roles(Store):
    """The .npz of landmark data sets: rows in the order of their lists, a role an array.

    roles: the names of each role's images, in the order of the rows; in the store an image is
    called ``role/name``. What was made of a part of them is made again.
    """

    def __init__(self, path: Path, about: dict[str, Any], roles: dict[str, list[str]]):
        super().__init__(path, about)
        self._roles = roles

    def names(self) -> list[str]:
        if not self.path.exists():
            return []
        with reading(self.path, WRITTEN):
            found = load_npz(self.path, [ATTRIBUTE])
            about = json.loads(str(found[ATTRIBUTE])) if ATTRIBUTE in found else {}
        different(about, self.about, self.path, ANOTHER)
        return [f"{role}/{name}" for role, names in self._roles.items() for name in names]

    def write(self, rows: Rows, count: int) -> None:
        made = {row.name: row.descriptor for row in rows()}
        arrays: dict[str, Any] = {ATTRIBUTE: np.array(self._stated())}
        for role, names in self._roles.items():
            lacking = [name for name in names if f"{role}/{name}" not in made]
            if lacking:
                raise InputError(
                    f"{self.path}: {len(lacking)} images of '{role}' are not described, the first "
                    f"is {lacking[0]}; rows are known by their place, so that none may lack"
                )
            arrays[role] = np.array([made[f"{role}/{name}"] for name in names])
            arrays[f"{role}{ROLE_NAMES}"] = np.array(names)
        with replacing(self.path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays)


STORES: dict[str, type[Store]] = {".h5": HDF5, ".hdf5": HDF5, ".npy": Array}


def store(path: Path, about: dict[str, Any], roles: dict[str, list[str]] | None = None) -> Store:
    """The store that the end of a path asks for: .h5, .npy, or a folder of kapture's.

    roles: those of a landmark data set, see :class:`Roles`.
    """
    if roles is not None:
        return Roles(path, about, roles)
    suffix = path.suffix.lower()
    if suffix and suffix not in STORES:
        raise InputError(
            f"--output: '{path}' ends with none of {', '.join(STORES)}, nor is a folder"
        )
    return STORES.get(suffix, Kapture)(path, about)


def stated(path: Path) -> dict[str, Any]:
    """How the descriptors of a file were made, as its store states it; {} where it does not."""
    if path.suffix.lower() == ".npy":
        about = path.with_suffix(".json")
        found = _read_json(about) if about.is_file() else {}
    else:
        with reading(path, WRITTEN), open_hdf5(path) as file:
            found = json.loads(file.attrs.get(ATTRIBUTE, "{}"))
    return found if isinstance(found, dict) else {}


def check_names(names: Sequence[str]) -> None:
    """InputError for an image that lies in the place of another's folder: a.jpg and a.jpg/b.jpg."""
    known = set(names)
    for name in names:
        parts = name.split("/")
        for end in range(1, len(parts)):
            if "/".join(parts[:end]) in known:
                raise InputError(
                    f"image '{name}': an image is called '{'/'.join(parts[:end])}', too; HDF5 has "
                    "one of them alone"
                )
