"""Local features of photos, and matches of pairs, into hloc's HDF5 files.

What is there is passed over; what is made lies in a journal at once, so that a run that was killed
goes on (:mod:`gcsa.descriptors.extraction.journal`). One image, or one pair and the features of
few images, is in memory at a time.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from tqdm import tqdm

from gcsa import __version__
from gcsa.descriptors.extraction.journal import Journal, different
from gcsa.descriptors.new_hdf5 import new_hdf5
from gcsa.descriptors.objects import find, open_hdf5
from gcsa.errors import InputError, nearest
from gcsa.files import reading
from gcsa.local.extractors import Extraction, Local
from gcsa.local.files import LocalFeatures
from gcsa.local.matching import Side, mutual

logger = logging.getLogger(__name__)

ATTRIBUTE = "gcsa"  # of a file: how it was made, as JSON
ANOTHER = "write to another file, or remove this one"
EXPECTED = "what gcsa match wrote"
KEPT = 64  # images whose descriptors stay in memory while pairs are matched
# Arrays of a record by name: numbers a row of theirs (0: what is left over) and their kind.
FEATURES = {"keypoints": (2, "<f4"), "scores": (1, "<f4"), "descriptors": (0, "<f2")}
MATCHES = {"matches0": (1, "<i4"), "matching_scores0": (1, "<f2")}
MATCHERS = ("mutual", "lighterglue")
# Features of two images -> rows (m, 2) that match, and how sure each is (m,).
Compare = Callable[[Side, Side], tuple[np.ndarray, np.ndarray]]
# Arrays of one record, and (width, height) of its image; none where that is broken.
Made = Iterator[tuple[dict[str, np.ndarray], tuple[int, int]]]
# A record's image -> its group in the file, filled with its arrays (N, ...).
Write = Callable[[h5py.File, str, dict[str, np.ndarray], tuple[int, int]], None]


def extract(
    photos: Sequence[tuple[str, Path]], how: Extraction, target: Path, skip_broken: bool = False
) -> list[str]:
    """Features of the photos (name, file) into ``target``; returns why some were passed over.

    InputError where one is broken and that is not ``skip_broken``; what was made stays.
    """
    find_local, broken = how.open(), []

    def make(name: str, path: Path) -> Made:
        try:
            found: Local = find_local(path)
        except InputError as error:
            if not skip_broken:
                raise
            broken.append(str(error))
            return
        yield {key: getattr(found, key) for key in FEATURES}, found.image_size

    todo = {name: partial(make, name, path) for name, path in photos}
    _run(target, {**how.about, "what": "features"}, FEATURES, todo, _write_features, "describing")
    return broken


def match(
    pairs: Iterable[tuple[str, str]], features: Path, target: Path, ratio: float, matcher: str
) -> None:
    """Matches of pairs of images in the file ``features`` into ``target``.

    ratio: of :func:`gcsa.local.matching.mutual`; matcher: of MATCHERS.
    """
    if not 0 < ratio <= 1:
        raise InputError(f"--ratio: {ratio:g} is not above 0 and at most 1")
    with LocalFeatures(features, None) as local:
        sides, compare = lru_cache(KEPT)(partial(_side, local)), _matcher(matcher, ratio)

        def make(a: str, b: str) -> Made:
            rows, alike = compare(sides(a), sides(b))
            partner = np.full(len(sides(a).keypoints), -1)
            score = np.zeros(len(partner))
            partner[rows[:, 0]], score[rows[:, 0]] = rows[:, 1], alike
            yield {"matches0": partner, "matching_scores0": score}, (0, 0)

        todo = {f"{_flat(a)}/{_flat(b)}": partial(make, a, b) for a, b in pairs}
        about = {"what": "matches", "matcher": matcher, "ratio": ratio}
        _run(target, about, MATCHES, todo, _write_matches, "matching")


def _matcher(name: str, ratio: float) -> Compare:
    if name not in MATCHERS:
        raise InputError(f"--matcher: '{name}' is not known{nearest(name, MATCHERS)}")
    if name == "mutual":
        return lambda a, b: mutual(a.descriptors, b.descriptors, ratio)
    from gcsa.local.xfeat import lighterglue

    return lighterglue()


def _side(local: LocalFeatures, name: str) -> Side:
    rows = np.asarray(local.descriptors(name), dtype=np.float32)
    return Side(local.keypoints(name), rows, local.image_size(name))


def _flat(name: str) -> str:
    """An image's name as hloc has it in its files of matches."""
    return name.replace("/", "-")


def _run(
    target: Path,
    about: dict[str, Any],
    arrays: dict[str, tuple[int, str]],
    todo: Mapping[str, Callable[[], Made]],
    write: Write,
    doing: str,
) -> None:
    """Make what ``target`` lacks of ``todo``, by way of a journal beside it."""
    present = _present(target, about, todo)
    with Journal(target, about, None, "uint8") as journal:
        rows = journal.rows()
        missing = [name for name in todo if name not in present and name not in rows]
        if len(missing) < len(todo):
            known = len(todo) - len(missing)
            logger.info("%s: %d of %d are there already", target, known, len(todo))
        for name in tqdm(missing, desc=doing, leave=False, disable=None):
            for made, size in todo[name]():
                journal.append(name, size, _packed(made, arrays))
        rows = journal.rows()
        new = [name for name in todo if name in rows and name not in present]
        if new:
            with new_hdf5(target, added=target.exists()) as file:
                file.attrs[ATTRIBUTE] = json.dumps({**about, "version": __version__})
                for name in new:
                    row = rows[name]
                    write(file, name, _unpacked(journal.read(row), arrays), row.image_size)
            journal.remove()


def _present(target: Path, about: dict[str, Any], names: Iterable[str]) -> set[str]:
    """Which of the names the file has; InputError where it was made in another way."""
    if not target.exists():
        return set()
    with open_hdf5(target) as file, reading(target, EXPECTED):
        different(json.loads(file.attrs.get(ATTRIBUTE, "{}")), about, target, ANOTHER)
        return {name for name in names if find(file, name) is not None}


def _packed(made: dict[str, np.ndarray], arrays: dict[str, tuple[int, str]]) -> np.ndarray:
    """Arrays (N, ...) as bytes: N, then one after the other."""
    count = np.array([len(next(iter(made.values())))], "<u4")
    parts = [count, *(np.ascontiguousarray(made[name], kind) for name, (_, kind) in arrays.items())]
    return np.frombuffer(b"".join(part.tobytes() for part in parts), dtype=np.uint8)


def _unpacked(record: np.ndarray, arrays: dict[str, tuple[int, str]]) -> dict[str, np.ndarray]:
    raw, made = record.tobytes(), {}
    count, start = int(np.frombuffer(raw, "<u4", 1)[0]), 4
    for name, (width, kind) in arrays.items():
        size = count * width * np.dtype(kind).itemsize if width else len(raw) - start
        values = np.frombuffer(raw[start : start + size], kind)
        made[name] = values if width == 1 else values.reshape(count, width or _width(values, count))
        start += size
    return made


def _width(values: np.ndarray, count: int) -> int:
    return len(values) // count if count else 0


def _write_features(
    file: h5py.File, name: str, made: dict[str, np.ndarray], size: tuple[int, int]
) -> None:
    group = file.create_group(name)
    group.create_dataset("keypoints", data=made["keypoints"])
    group.create_dataset("scores", data=made["scores"])
    group.create_dataset("descriptors", data=made["descriptors"].T)
    group.create_dataset("image_size", data=np.array(size))


def _write_matches(
    file: h5py.File, name: str, made: dict[str, np.ndarray], size: tuple[int, int]
) -> None:
    group = file.create_group(name)
    for key, values in made.items():
        group.create_dataset(key, data=values)
