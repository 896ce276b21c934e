"""The images of a folder: those that a list beside it names, or else all below it."""

from __future__ import annotations

import logging
import os
from collections import Counter
from pathlib import Path

import numpy as np

from gcsa.errors import InputError, MissingFileError, similar
from gcsa.files import read_text

logger = logging.getLogger(__name__)

EXTENSIONS = (".jpg", ".jpeg", ".png")
# Beside a folder, what spares looking through it: a path below the folder a line.
LIST = "{}_images_paths.txt"


def images_of(folder: Path) -> np.ndarray:
    """The paths of the images below a folder, relative to it, "/" between folders: (n,) str.

    In the order of the list where there is one, else sorted. The folder itself may lack then.
    Files that are no images are counted and said.
    """
    listed = folder.with_name(LIST.format(folder.name))
    if listed.is_file():
        names = [line.strip() for line in read_text(listed).splitlines() if line.strip()]
        _check(names, listed)
    else:
        names = _found(folder)
    if not names:
        raise InputError(f"{folder}: holds no images ({', '.join(EXTENSIONS)})")
    return np.array(names, dtype=str)


def _check(names: list[str], listed: Path) -> None:
    for name, times in Counter(names).items():
        if name.startswith(("/", "../")) or "\\" in name:
            raise InputError(f"{listed}: '{name}': expected paths below the folder, with '/'")
        if times > 1:
            raise InputError(f"{listed}: '{name}' is there {times} times")


def _found(folder: Path) -> list[str]:
    """All images below a folder, sorted."""
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: no such folder{_others(folder)}")
    names, others, seen = [], 0, set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link to a folder above, or one that was looked through
            folders.clear()
            continue
        seen.add(real)
        below = os.path.relpath(place, folder).replace(os.sep, "/")
        prefix = "" if below == "." else f"{below}/"
        images = [file for file in files if file.lower().endswith(EXTENSIONS)]
        names += [prefix + file for file in images]
        others += len(files) - len(images)
    if others:
        logger.info("%s: %d files that are no images are passed over", folder, others)
    return sorted(names)


def _others(folder: Path) -> str:
    """A hint: what is there in the place of a folder that is not."""
    if not folder.parent.is_dir():
        return " (data.root, data.val_scenes, ...)"
    there = sorted(p.name for p in folder.parent.iterdir() if p.is_dir())
    if not there:
        return f"; {folder.parent} has no folders"
    listed = ", ".join(there[:9])
    return (
        f"{similar(folder.name, there)}; {folder.parent} has {listed} "
        "(data.val_scenes, data.database_folder, data.query_folder)"
    )
