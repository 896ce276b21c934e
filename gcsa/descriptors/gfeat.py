"""kapture's global features: a folder of ``<image>.gfeat``, raw numbers, and a table about them.

``global_features.txt`` says in one line ``name, dtype, dsize, metric_type`` of all; the features
may also lie together in ``global_features.tar``. (kapture 1.1.)
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from gcsa.descriptors.lengths import UnitRows
from gcsa.errors import InputError, MissingFileError
from gcsa.files import read_text, reading, replacing, write_text

TABLE, ARCHIVE, SUFFIX = "global_features.txt", "global_features.tar", ".gfeat"
COLUMNS = "name, dtype, dsize, metric_type"
# Types by the names that kapture writes; "float" is Python's.
DTYPES = {"float16": "<f2", "float32": "<f4", "float64": "<f8", "float": "<f8"}
NORMALISE = "data.normalise=true brings all to unit length"


class _Source(Protocol):
    def __call__(self, name: str) -> bytes | None:
        """The content of an image's file; None where there is none."""


def read_gfeat(
    folder: str | os.PathLike, names: Iterable[str], normalise: bool = False
) -> np.ndarray:
    """The descriptors of the images ``names``, (n, D) float16 of unit length, in their order.

    normalise: descriptors that are not of unit length are brought to it, which is said; they are
    an InputError otherwise. So is an image without a feature, or one of another size.
    """
    folder, names = Path(folder), list(names)
    dtype, size = _table(folder / TABLE)
    rows = np.empty((len(names), size), dtype=np.float16)
    unit = UnitRows(str(folder), lambda row: f"image '{names[row]}'")
    with _source(folder) as source:
        for row, name in enumerate(names):
            raw = source(name)
            if raw is None:
                raise InputError(f"{folder}: no feature '{name}{SUFFIX}'")
            if len(raw) != size * dtype.itemsize:
                raise InputError(
                    f"{folder}: '{name}{SUFFIX}' has {len(raw)} bytes, expected "
                    f"{size * dtype.itemsize}: {size} numbers of {dtype.name} ({TABLE})"
                )
            values = np.frombuffer(raw, dtype)
            with np.errstate(over="ignore"):  # such rows are not of unit length
                rows[row] = values
            unit.bring(values[None], rows[row : row + 1], row)
    unit.found.report(str(folder), len(names), normalise, NORMALISE)
    return rows


def write_gfeat(
    folder: str | os.PathLike, kind: str, names: Iterable[str], descriptors: Iterable[np.ndarray]
) -> None:
    """Write descriptors (D,) float32, an image each, and the table; kind: what made them."""
    folder, size = Path(folder), 0
    for name, descriptor in zip(names, descriptors, strict=True):
        size = len(descriptor)
        with replacing(folder / f"{name}{SUFFIX}", durable=False) as temporary:
            np.asarray(descriptor, dtype="<f4").tofile(temporary)
    line = f"{kind.replace(',', ' ')}, float32, {size}, L2"
    write_text(folder / TABLE, f"# kapture format: 1.1\n# {COLUMNS}\n{line}\n")


def _table(path: Path) -> tuple[np.dtype, int]:
    """Type and number of a feature's numbers."""
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file; expected a line '{COLUMNS}'")
    lines = [line for line in read_text(path).splitlines() if line.strip() and line[0] != "#"]
    fields = [field.strip() for field in lines[0].split(",")] if len(lines) == 1 else []
    if len(fields) != 4 or not fields[2].isdigit() or not 0 < int(fields[2]) < 1 << 24:
        raise InputError(f"{path}: expected one line '{COLUMNS}'")
    if fields[1] not in DTYPES:
        raise InputError(f"{path}: dtype '{fields[1]}' is none of {', '.join(DTYPES)}")
    return np.dtype(DTYPES[fields[1]]), int(fields[2])


@contextmanager
def _source(folder: Path) -> Iterator[_Source]:
    """What gives the content of features: the archive where there is one, or the folder."""
    archive = folder / ARCHIVE
    if not archive.is_file():
        yield lambda name: _content(folder / f"{name}{SUFFIX}")
        return
    with reading(archive, "an archive of features"), tarfile.open(archive) as opened:
        # The last one of a name counts: kapture appends what replaces.
        members = {member.name.removeprefix("./"): member for member in opened if member.isfile()}

        def content(name: str) -> bytes | None:
            member = members.get(f"{name}{SUFFIX}")
            file: BinaryIO | None = None if member is None else opened.extractfile(member)  # type: ignore[assignment]
            return None if file is None else file.read()

        yield content


def _content(path: Path) -> bytes | None:
    if not path.is_file():
        return None
    with reading(path, "a feature"):
        return path.read_bytes()
