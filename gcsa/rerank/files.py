"""The input files of the program, read and checked against each other."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gcsa.datasets.folder.images import Images, read_images
from gcsa.datasets.folder.radio import read_radio
from gcsa.datasets.hloc import read_image_list
from gcsa.datasets.landmarks.features import check_array
from gcsa.datasets.sessions import in_order
from gcsa.descriptors.hdf5 import Pack, open_pack
from gcsa.descriptors.lengths import unit_array
from gcsa.errors import InputError, nearest
from gcsa.local.counts import Counts
from gcsa.rerank import MEANINGS
from gcsa.rerank.arrays import read_array
from gcsa.rerank.matrices import Matrices
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.radio import Radio

logger = logging.getLogger(__name__)

HDF5 = (".h5", ".hdf5")
ROLES = ("query", "database")
NORMALISE = "--normalise brings all to unit length"


@dataclass(frozen=True)
class Inputs:
    """Which files, as the program's options of the same names have them; None: not given.

    queries, database: descriptors, hloc HDF5 or .npy (n, D). query_database, database_database:
    matrices (Q, G) and (G, G) instead, "FILE" or "FILE:KEY"; matrices: what they hold, "distance"
    or "similarity". query_names, database_names: text files, a name a line. query_prefix,
    database_prefix: the images of an HDF5 file whose names begin so. metadata, radio: CSV files,
    :mod:`gcsa.datasets.folder.images`; of one HDF5 file for both roles, without names or prefixes,
    the metadata's column split says which images are queries. normalise: descriptors that are not
    of unit length are brought to it, which is logged; otherwise they are refused. features,
    matches: hloc's local features, and matches, which the methods geometric and posterior read.
    """

    queries: str | None = None
    database: str | None = None
    query_database: str | None = None
    database_database: str | None = None
    matrices: str | None = None
    query_names: str | None = None
    database_names: str | None = None
    query_prefix: str | None = None
    database_prefix: str | None = None
    metadata: str | None = None
    radio: str | None = None
    normalise: bool = False
    features: str | None = None
    matches: str | None = None


def read(inputs: Inputs) -> tuple[Scene, Matrices | None]:
    """The images with all that the files tell, and the matrices where these are given.

    Images without names are numbered: "query/000012", or "image/000012" where one file is both
    queries and database. An image is not a candidate of a query of its name. Raises InputError,
    naming the option or the file, where files lack or do not fit each other.
    """
    _check_choice(inputs)
    images = None if inputs.metadata is None else read_images(inputs.metadata)
    if inputs.query_database is None:
        matrices = None
        split = {role: _by_split(inputs, role, images) for role in ROLES}
        parts = [_descriptors(inputs, role, split[role]) for role in ROLES]
    else:
        matrices = _matrices(inputs)
        sizes = matrices.query_database.shape
        parts = [
            (_names(inputs, role, size, str(inputs.query_database)), None)
            for role, size in zip(ROLES, sizes, strict=True)
        ]
    heard = _radio(inputs.radio, [names for names, _ in parts])
    queries, database = (
        _image_set(role, names, rows, images, radio)
        for role, (names, rows), radio in zip(ROLES, parts, heard, strict=True)
    )
    _check_lengths(queries, database)
    if images is not None and inputs.metadata is not None:
        _check_known(inputs.metadata, images, database.names)
    common = int(np.isin(queries.names, database.names).sum())
    if common:
        logger.info("%d queries are not their own candidates: the database has their names", common)
    return Scene("images", database, queries, local=_local(inputs)), matrices


def _local(inputs: Inputs) -> Counts | None:
    if inputs.features is None:
        if inputs.matches is not None:
            raise InputError("--matches: of local features, expected --features beside them")
        return None
    return Counts(Path(inputs.features), None if inputs.matches is None else Path(inputs.matches))


def _check_choice(inputs: Inputs) -> None:
    """InputError where the options are not those of descriptors or those of matrices."""
    descriptors = {"queries": inputs.queries, "database": inputs.database}
    matrices = {
        "query_database": inputs.query_database,
        "database_database": inputs.database_database,
    }
    given = [any(v is not None for v in options.values()) for options in (descriptors, matrices)]
    if given[0] == given[1]:
        raise InputError(
            "expected either descriptors (--queries and --database) "
            "or matrices (--query_database and --database_database)"
        )
    for option, value in (descriptors if given[0] else matrices).items():
        if value is None:
            raise InputError(f"--{option}: is missing")
    if given[1] and inputs.matrices not in MEANINGS:
        word = inputs.matrices
        hint = f" (choose from {', '.join(MEANINGS)})" if word is None else nearest(word, MEANINGS)
        raise InputError(f"--matrices: must say what the matrices hold{hint}")
    for role in ROLES:
        file = inputs.queries if role == "query" else inputs.database
        if _of(inputs, role, "prefix") is not None and not _is_hdf5(file):
            raise InputError(f"--{role}_prefix: chooses images of an HDF5 file ({', '.join(HDF5)})")
        if None not in (_of(inputs, role, "prefix"), _of(inputs, role, "names")):
            raise InputError(f"--{role}_prefix and --{role}_names: only one of them")


def _check_lengths(queries: ImageSet, database: ImageSet) -> None:
    ours, theirs = queries.descriptors, database.descriptors
    if ours is not None and theirs is not None and ours.shape[1] != theirs.shape[1]:
        raise InputError(
            f"--database: its descriptors have length {theirs.shape[1]}, those of --queries "
            f"{ours.shape[1]}"
        )


def _of(inputs: Inputs, role: str, what: str) -> str | None:
    return getattr(inputs, f"{role}_{what}")


def _is_hdf5(file: str | None) -> bool:
    return file is not None and Path(file).suffix in HDF5


def _by_split(inputs: Inputs, role: str, images: Images | None) -> np.ndarray | None:
    """The images of a role by the table's column 'split', None where that does not say it.

    It does of one HDF5 file for both roles of which no other option chooses.
    """
    if images is None or images.query is None or not _is_hdf5(inputs.queries):
        return None
    chosen = [_of(inputs, r, what) for r in ROLES for what in ("names", "prefix")]
    if not _same(inputs) or any(value is not None for value in chosen):
        return None
    return images.names[images.query if role == "query" else ~images.query]


def _descriptors(inputs: Inputs, role: str, split: np.ndarray | None) -> tuple[np.ndarray, Any]:
    """Names (n,) and descriptors (n, D) float16 of unit length of one role.

    split: the names that the metadata give to the role; None: other options choose.
    """
    file = str(inputs.queries if role == "query" else inputs.database)
    if split is not None:
        return split, _pack(inputs, Path(file)).rows(split)
    if _is_hdf5(file):
        return _of_hloc(inputs, role, Path(file))
    if Path(file).suffix != ".npy":
        raise InputError(f"{file}: expected hloc's HDF5 ({', '.join(HDF5)}) or .npy")
    array = check_array(read_array(file), Path(file), None, None, None)
    names = _names(inputs, role, len(array), file)
    return names, unit_array(array, file, names, inputs.normalise, NORMALISE)


def _pack(inputs: Inputs, path: Path) -> Pack:
    return open_pack(path, inputs.normalise, NORMALISE)


def _of_hloc(inputs: Inputs, role: str, path: Path) -> tuple[np.ndarray, Any]:
    pack = _pack(inputs, path)
    names, prefix = pack.names, _of(inputs, role, "prefix")
    listed = _of(inputs, role, "names")
    if listed is not None:
        names = np.array(read_image_list(listed, True), dtype=str)
    elif prefix is not None:
        names = names[np.char.startswith(names, prefix)]
        if len(names) == 0:
            raise InputError(
                f"--{role}_prefix: no image of {path} begins with '{prefix}'; "
                f"its names are like '{pack.names[0]}'"
            )
    return names, pack.rows(names)


def _names(inputs: Inputs, role: str, count: int, source: str) -> np.ndarray:
    """The names of ``count`` rows of a file: those of the list, or numbers."""
    file = _of(inputs, role, "names")
    if file is None:
        # One file for both roles holds the same images, which are not their own candidates.
        stem = "image" if _same(inputs) else role
        return np.array([f"{stem}/{row:06d}" for row in range(count)])
    names = np.array(read_image_list(file, True), dtype=str)
    if len(names) != count:
        what = "queries" if role == "query" else "database images"
        raise InputError(f"{file}: {len(names)} names, but {source} has {count} {what}")
    return names


def _same(inputs: Inputs) -> bool:
    """Whether queries and database are the rows of one file."""
    if inputs.queries is not None:
        return inputs.queries == inputs.database
    return inputs.query_database == inputs.database_database


def _matrices(inputs: Inputs) -> Matrices:
    return Matrices(
        read_array(str(inputs.query_database)),
        read_array(str(inputs.database_database)),
        inputs.matrices == "distance",
    )


def _image_set(
    role: str, names: np.ndarray, rows: Any, images: Images | None, radio: Radio | None
) -> ImageSet:
    """Images with what the table knows of them; those that it lacks are unknown.

    Queries are where their devices say, in gps_lat and gps_lon; in lat and lon where the table has
    no such columns.
    """
    if images is None:
        return ImageSet(names, rows, radio=radio)
    order = np.argsort(images.names)
    place = order[np.searchsorted(images.names[order], names).clip(max=len(order) - 1)]
    known = images.names[place] == names

    def of(values: np.ndarray | None) -> np.ndarray | None:
        if values is None:
            return None
        found = values[place].copy()
        found[~known] = np.nan if values.dtype.kind == "f" else -1
        return found

    device = images.device
    reported = role == "query" and device.positions is not None
    frames = None if device.sequences is None else in_order(device.sequences, _times(images))
    return ImageSet(
        names,
        rows,
        of(device.positions if reported else images.positions),
        of(images.headings),
        radio,
        *map(of, (device.accuracy, device.heading_accuracy, device.sequences, frames)),
    )


def _times(images: Images) -> np.ndarray:
    times = images.device.times
    return np.zeros(len(images)) if times is None else times


def _check_known(path: str, images: Images, names: np.ndarray) -> None:
    """InputError where a table is about other images; a line where it lacks some."""
    lacking = int((~np.isin(names, images.names)).sum())
    if lacking == len(names):
        raise InputError(
            f"{path}: has none of the database images; its names are like '{images.names[0]}', "
            f"theirs like '{names[0]}'"
        )
    if lacking:
        logger.info("%s: nothing of %d of %d database images", path, lacking, len(names))


def _radio(path: str | None, names: list[np.ndarray]) -> list[Radio | None]:
    """What the images of each role heard."""
    if path is None:
        return [None for _ in names]
    every = np.unique(np.concatenate(names))
    heard = read_radio(path, every, others=True)
    if not heard.has_any.any():
        raise InputError(f"{path}: has none of the images; theirs are like '{every[0]}'")
    return [heard[np.searchsorted(every, n)] for n in names]
