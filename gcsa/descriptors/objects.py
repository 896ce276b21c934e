"""HDF5 files of others: what lies in the file itself, and nothing that only is named in it.

An HDF5 file may name other files: external links, raw data outside, virtual datasets. HDF5 opens
these without asking, so that a stranger's file could have any file of this machine read. They are
refused by name, before HDF5 touches what they name. Soft and hard links stay in the file and are
followed as h5py follows them.
"""

from __future__ import annotations

import math
import os
from collections import deque
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from gcsa.errors import InputError, MissingFileError
from gcsa.files import limits, reading

# As HDF5 itself counts soft links in one path before it gives up.
SOFT_LINKS = 16
EXPECTED = "an HDF5 file of hloc"
WHOLE = "docs/formats.md says how to make one whole file of it"


def open_hdf5(path: str | os.PathLike) -> h5py.File:
    """An HDF5 file opened for reading; InputError where it lacks or is none."""
    if not Path(path).is_file():
        raise MissingFileError(f"{path}: no such file")
    with reading(path, EXPECTED):
        return h5py.File(path, "r")


def find(file: h5py.File, name: str) -> Any | None:
    """The object of a name in the file, as of h5py.h5o.open; None where there is none.

    InputError where the way to it leaves the file.
    """
    group, crossed = h5py.h5g.open(file.id, b"/"), 0
    parts = deque(name.encode().split(b"/"))
    while parts:
        part = parts.popleft()
        if part in (b"", b"."):
            continue
        if not isinstance(group, h5py.h5g.GroupID) or not group.links.exists(part):
            return None
        kind = group.links.get_info(part).type
        if kind == h5py.h5l.TYPE_HARD:
            group = h5py.h5o.open(group, part)
            continue
        if kind != h5py.h5l.TYPE_SOFT:
            raise leads_away(file.filename, group, part, name.encode())
        target, crossed = group.links.get_val(part), crossed + 1
        if crossed > SOFT_LINKS:
            return None
        if target.startswith(b"/"):
            group = h5py.h5g.open(file.id, b"/")
        parts.extendleft(reversed(target.split(b"/")))
    return group


def leads_away(
    path: str | os.PathLike, group: h5py.h5g.GroupID, link: bytes, name: bytes
) -> InputError:
    """The error about a link of ``group`` that is neither soft nor hard; name: for the message."""
    where = f"{path}: '{readable(name)}' is a link"
    if group.links.get_info(link).type != h5py.h5l.TYPE_EXTERNAL:
        return InputError(f"{where} of a kind that only its own program knows")
    target = readable(os.fsencode(group.links.get_val(link)[0]))
    return InputError(f"{where} to another file, '{target}', and is not followed; {WHOLE}")


def check_storage(dataset: h5py.h5d.DatasetID, where: str, limit: str) -> None:
    """InputError where a dataset's numbers lie in other files, or unpack to far more than a chunk.

    To be asked before its shape, for which HDF5 may open the sources of a virtual dataset.
    where: begins the message. limit: of the numbers of a chunk, by its name in gcsa.files.limits.
    """
    layout = dataset.get_create_plist()
    if layout.get_external_count():
        other = readable(os.fsencode(layout.get_external(0)[0]))
        raise InputError(f"{where} lies in another file, '{other}', which is not read; {WHOLE}")
    if layout.get_layout() == h5py.h5d.VIRTUAL:
        raise InputError(f"{where} is a view of other datasets, which are not read; {WHOLE}")
    if layout.get_layout() != h5py.h5d.CHUNKED:
        return
    numbers = math.prod(layout.get_chunk())
    limits.check(limit, numbers, f"{where}, in its chunks")
    nominal = numbers * dataset.get_type().get_size()
    if dataset.get_storage_size() > dataset.get_num_chunks() * (nominal + nominal // 8 + 1024):
        raise InputError(f"{where} has more bytes stored than its chunks can have")


def read_array(file: h5py.File, name: str) -> np.ndarray | None:
    """The dataset of a name as an array, None where there is none.

    InputError where it is none of numbers, or of too many, or not in the file itself.
    """
    where = f"{file.filename}: '{readable(name.encode())}'"
    with reading(where, "a dataset of numbers"):
        dataset = find(file, name)
        if dataset is None:
            return None
        if not isinstance(dataset, h5py.h5d.DatasetID):
            raise InputError(f"{where} is no dataset")
        check_storage(dataset, where, "GCSA_MAX_NUMBERS")
        limits.check("GCSA_MAX_NUMBERS", math.prod(dataset.shape or ()), where)
        if dataset.get_type().get_class() not in (h5py.h5t.FLOAT, h5py.h5t.INTEGER):
            raise InputError(f"{where} is of {dataset.dtype}, expected numbers")
        return h5py.Dataset(dataset)[()]


def readable(name: bytes) -> str:
    """A name of a file's object for a message: in one line, and not long."""
    text = name.decode("utf-8", errors="backslashreplace")
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[:120])
    return text if len(name) <= 120 else f"{text}..."
