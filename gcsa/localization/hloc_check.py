"""What hloc is to read, looked through before it runs: hours later it would end in a traceback.

hloc takes names as they are in every file: those of our pairs are relative to the scene's folder
(``sessions/map/raw_data/...``), and so must be those of the map's model, features and matches.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path

import h5py

from gcsa.datasets.folder.from_sfm import read_colmap
from gcsa.datasets.hloc import read_pairs
from gcsa.descriptors.objects import find, open_hdf5
from gcsa.errors import InputError
from gcsa.files import reading
from gcsa.files.lines import LONGEST

logger = logging.getLogger(__name__)

# An image of COLMAP's images.bin: number, pose, camera; its name; how many points; these.
HEAD, POINT = struct.calcsize("<I7dI"), struct.calcsize("<2dQ")
SESSIONS = "sessions/"


def check_inputs(pairs: Path, model: Path, features: Path, matches: Path) -> None:
    """InputError where hloc could not localise by a pairs file with these inputs.

    Images that the model lacks hloc passes over; how many these are is said. Each query needs one
    that it has; every pair of such an image needs matches, and both images keypoints.
    """
    names = [name.tolist() for name in read_pairs(pairs)]
    listed = list(zip(*names, strict=True))
    known = model_names(model)
    there = [pair for pair in listed if pair[1] in known]
    alone = sorted({query for query, _ in listed} - {query for query, _ in there})
    if alone:
        image = next(image for query, image in listed if query == alone[0])
        short = image.removeprefix(SESSIONS) in known
        raise InputError(
            f"{model}: has no image that {len(alone)} queries are paired with, such as '{image}'"
            f"{_relative(short)}; its names are like '{min(known, default='')}'"
        )
    if len(there) < len(listed):
        text = "%s: lacks the database images of %d of %d pairs of %s, which hloc passes over"
        logger.warning(text, model, len(listed) - len(there), len(listed), pairs)
    with open_hdf5(features) as file:
        _check(features, "keypoints", dict.fromkeys(chain(*there)), _has_keypoints(file))
    with open_hdf5(matches) as file:
        _check(matches, "matches", (" ".join(pair) for pair in there), _has_matches(file))


def model_names(model: Path) -> set[str]:
    """The names of the images of a COLMAP model, a folder with images.bin or images.txt."""
    if not (model / "images.bin").is_file():
        return set(read_colmap(model / "images.txt")[0])
    names = set()
    with reading(model / "images.bin", "COLMAP's images"), open(model / "images.bin", "rb") as file:
        (count,) = struct.unpack("<Q", file.read(8))
        for _ in range(count):
            file.seek(HEAD, 1)
            letters = iter(lambda: file.read(1), b"\0")
            name = b"".join(letter for letter, _ in zip(letters, range(LONGEST), strict=False))
            names.add(name.decode("utf-8"))
            (points,) = struct.unpack("<Q", file.read(8))
            file.seek(points * POINT, 1)
    return names


def _check(path: Path, what: str, names: Iterable[str], has: Callable[[str], bool]) -> None:
    """InputError where a file lacks something of a name; names: of images, or two of a pair."""
    names = list(names)
    lacking = [name for name in names if not has(name)]
    if not lacking:
        return
    of = "images" if what == "keypoints" else "pairs"
    short = has(" ".join(part.removeprefix(SESSIONS) for part in lacking[0].split()))
    hint = _relative(short) or ("; match these pairs first (hloc_commands.sh)" * (of == "pairs"))
    raise InputError(
        f"{path}: no {what} of {len(lacking)} of {len(names)} {of}, such as '{lacking[0]}'{hint}"
    )


def _relative(short: bool) -> str:
    if not short:
        return ""
    return f" (its names are relative to {SESSIONS}, expected relative to the scene's folder)"


def _has_keypoints(file: h5py.File) -> Callable[[str], bool]:
    return lambda name: find(file, f"{name}/keypoints") is not None


def _has_matches(file: h5py.File) -> Callable[[str], bool]:
    """Whether matches of "query image" are there, in the order and spelling that hloc knows."""

    def has(pair: str) -> bool:
        a, b = (name.replace("/", "-") for name in pair.split())
        names = (f"{x}{s}{y}/matches0" for x, y in ((a, b), (b, a)) for s in "/_")
        return any(find(file, name) is not None for name in names)

    return has
