"""NumPy's files of others: arrays alone, nothing pickled, and no more than a file may unpack to."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import numpy as np

from gcsa.errors import InputError
from gcsa.files import limits, reading


@contextmanager
def reading_arrays(path: str | os.PathLike, expected: str) -> Iterator[None]:
    """:func:`gcsa.files.reading` around NumPy's own reader."""
    with reading(path, expected):
        limits.check_archive(path)
        try:
            yield
        except ValueError as error:
            if "pickle" not in str(error) and "Python objects" not in str(error):
                raise
            # NumPy's own words advise to run what a file may hold.
            said = "no file of NumPy, or one with Python objects in it"
            raise InputError(f"{path}: {said}; expected {expected}") from error


def load_npy(path: str | os.PathLike) -> np.ndarray:
    """The array of a .npy file, memory-mapped, read-only; InputError where it is none."""
    expected = "an array in NumPy's .npy format"
    with reading_arrays(path, expected):
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(found, np.ndarray):
            raise InputError(f"{path}: it is an .npz, of several arrays; expected {expected}")
    return found


def load_npz(
    path: str | os.PathLike,
    names: Collection[str] | None = None,
    expected: str = "arrays in NumPy's .npz format",
) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by their names; of ``names`` those that are there, None: all.

    InputError where it is no such file, or would unpack to far more than it is.
    """
    with reading_arrays(path, expected):
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            raise InputError(f"{path}: it is an .npy, of one array; expected {expected}")
        with found as file:
            chosen = [name for name in file.files if names is None or name in names]
            arrays = {name: file[name] for name in chosen}
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray):
                raise InputError(f"{path}: '{name}' is no array; expected {expected}")
    return arrays
