"""An index made, gone on with, added to: always the same way.

What is there is looked at; whatever database image no part holds is put into new parts, each of
which counts once it is written and listed. So a build that was killed goes on after its last part,
and a database that has grown has its new images added, without a look at the others.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from gcsa.descriptors import packfile
from gcsa.files import make_folder
from gcsa.ranking.index import factory, manifest
from gcsa.ranking.index.manifest import Manifest, Part
from gcsa.ranking.index.settings import Searching
from gcsa.scene import ImageSet

logger = logging.getLogger(__name__)

# Images added at a time: 64 MB of 4096 numbers.
CHUNK = 4096
# The share of a part's images that may have left the database before it is made anew.
MOST_GONE = 0.1


@dataclass(frozen=True, eq=False)
class Opened:
    """An index to search. index: what was trained; parts: lists, or whole indexes, with the
    database rows (n,) int64 of the images of each, -1 where one has left the database. size: bytes
    on disk.
    """

    index: Any
    parts: list[tuple[Any, np.ndarray]]
    size: int


def made_by(searching: Searching, length: int) -> dict[str, Any]:
    """What an index is made by: with other values it is another index."""
    return {
        "version": 1,
        "faiss": factory.faiss().__version__,
        "index": searching.search,
        "length": length,
        "sample": searching.sample,
        "seed": searching.seed,
    }


def folder_of(source: Path, made: dict[str, Any]) -> Path:
    """Where the index of a descriptor file is kept: beside it, by what it is made by."""
    digest = hashlib.blake2b(repr(sorted(made.items())).encode(), digest_size=4).hexdigest()
    plain = re.sub(r"[^\w]+", "-", made["index"])[:60]
    return source.with_suffix(".index") / f"{plain}-{digest}"


def open_index(database: ImageSet, searching: Searching, folder: Path, version: str) -> Opened:
    """The index of a database kept in ``folder``, made where it lacks and completed.

    version: a hash of the database's rows; "" where there is none. One process makes it, others
    wait.
    """
    made = made_by(searching, database.descriptors.shape[1])
    found = manifest.read(folder)
    if found is not None and (found.made, found.database) == (made, version) and version:
        rows = _rows(folder, found)
        if rows is not None and not len(_lacking(rows, len(database))):
            return _opened(folder, found, rows)
    make_folder(folder)
    with packfile.alone(folder / manifest.FILE):
        found, rows = _known(database, made, folder, version)
        _complete(database, searching, folder, found, rows)
        found = _listed(folder)
        return _opened(folder, found, _rows(folder, found) or [])


def _listed(folder: Path) -> Manifest:
    found = manifest.read(folder)
    assert found is not None  # we wrote it
    return found


def _rows(folder: Path, found: Manifest) -> list[np.ndarray] | None:
    """Where the images of each part stand in the database; None where a file is not whole."""
    rows = []
    for part in found.parts:
        path = manifest.paths(folder, part, found.database)[2]
        own = manifest.load(path, np.dtype(np.int64), part.images)
        if own is None or not manifest.is_whole(folder, part):
            return None
        rows.append(own)
    return rows


def _lacking(rows: list[np.ndarray], images: int) -> np.ndarray:
    """The database rows that no part holds."""
    held = np.zeros(images, dtype=bool)
    for own in rows:
        held[own[own >= 0]] = True
    return np.flatnonzero(~held)


def _known(
    database: ImageSet, made: dict[str, Any], folder: Path, version: str
) -> tuple[Manifest, list[np.ndarray]]:
    """What there is of an index of this database: sound parts, and the rows of their images."""
    fresh = Manifest(made, version)
    found = manifest.read(folder)
    if found is None or found.made != made:
        return fresh, []
    if found.database == version:
        rows = _rows(folder, found)
        if rows is not None:
            return found, rows
    keys = manifest.all_keys(database.names, database.descriptors)
    order = np.argsort(keys)
    rows, chain = [], ""
    for part in found.parts:
        own = manifest.load(
            manifest.paths(folder, part, found.database)[1], np.dtype("<u8"), part.images
        )
        if own is None or not manifest.is_whole(folder, part):
            break
        chain = manifest.chained(chain, own)
        placed = _placed(np.asarray(own), keys, order)
        if chain != part.name or (placed < 0).mean() > MOST_GONE:
            break
        manifest.save(manifest.paths(folder, part, version)[2], placed)
        fresh, rows = fresh.with_part(part), [*rows, placed]
    _say(found, fresh, rows, folder)
    return fresh, rows


def _placed(own: np.ndarray, keys: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The database rows (n,) of images by their keys (n,), -1 where one is there no more."""
    place = np.minimum(np.searchsorted(keys, own, sorter=order), len(keys) - 1)
    return np.where(keys[order[place]] == own, order[place], -1)


def _say(before: Manifest, now: Manifest, rows: list[np.ndarray], folder: Path) -> None:
    dropped, gone = len(before.parts) - len(now.parts), sum(int((own < 0).sum()) for own in rows)
    if dropped or gone:
        text = "%s: the database has changed; %d parts are made anew, %d images of others are gone"
        logger.info(text, folder, dropped, gone)


def _complete(
    database: ImageSet,
    searching: Searching,
    folder: Path,
    found: Manifest,
    rows: list[np.ndarray],
) -> None:
    """Train what is not trained, and put what no part holds into new parts."""
    trained = _trained(database, searching, folder, bool(found.parts))
    lacking = _lacking(rows, len(database))
    if found.parts and len(lacking):
        logger.info("%s: %d images join it", folder, len(lacking))
    manifest.write(folder, found)
    title, chain = f"index {searching.search}", found.parts[-1].name if found.parts else ""
    with tqdm(total=len(lacking), desc=title, unit="image", leave=False, disable=None) as bar:
        for start in range(0, len(lacking), searching.part):
            own = lacking[start : start + searching.part]
            index = factory.read(trained)
            keys = np.concatenate([*_added(index, database, own, bar)])
            part = Part(manifest.chained(chain, keys), len(own), 0)
            path, keys_path, rows_path = manifest.paths(folder, part, found.database)
            factory.write_part(index, path)
            manifest.save(keys_path, keys)
            manifest.save(rows_path, own)
            found = found.with_part(replace(part, size=path.stat().st_size))
            manifest.write(folder, found)
            chain = part.name


def _trained(database: ImageSet, searching: Searching, folder: Path, used: bool) -> Path:
    """The file of what is trained on a sample of the database; made where no part uses it."""
    path = folder / manifest.TRAINED
    if used and path.is_file():
        return path
    random, count = np.random.default_rng(searching.seed), min(searching.sample, len(database))
    chosen = np.sort(random.choice(len(database), count, replace=False))
    rows = np.empty((count, database.descriptors.shape[1]), dtype=np.float32)
    for start in range(0, count, CHUNK):
        part = chosen[start : start + CHUNK]
        rows[start : start + len(part)] = database.descriptors[part]
    logger.info("%s: %s is trained on %d images", folder, searching.search, count)
    factory.write(factory.trained(searching.search, rows), path)
    return path


def _added(index: Any, database: ImageSet, rows: np.ndarray, bar: tqdm) -> Iterator[np.ndarray]:
    """Add the images of ``rows`` to an index; yields their keys."""
    for start in range(0, len(rows), CHUNK):
        own = rows[start : start + CHUNK]
        block = np.asarray(database.descriptors[own])
        index.add(np.ascontiguousarray(block, dtype=np.float32))
        yield manifest.keys_of(database.names[own], block)
        bar.update(len(own))


def _opened(folder: Path, found: Manifest, rows: list[np.ndarray]) -> Opened:
    index = factory.read(folder / manifest.TRAINED)
    lists = factory.inverted(index) is not None
    paths = [manifest.paths(folder, part, found.database) for part in found.parts]
    parts = [factory.read_part(path[0], lists) for path in paths]
    files = [folder / manifest.TRAINED, *(file for path in paths for file in path)]
    return Opened(index, list(zip(parts, rows, strict=True)), sum(f.stat().st_size for f in files))
