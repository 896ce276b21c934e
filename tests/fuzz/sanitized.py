"""pytest, or kernels whose arrays change meanwhile, with the kernels of the folder $SANITIZED."""

from __future__ import annotations

import os
import sys
import threading
import time

import numpy as np

import gcsa

gcsa.__path__.insert(0, os.environ["SANITIZED"])

from gcsa import _kernels  # noqa: E402

ROUNDS = 30
WILD = np.array([-(2**62), -2, -1, 0, 1, 5, 99, 10**6, 2**62])


def changing(arrays, stop):
    """Set single items of arrays of indices to anything, until told to stop."""
    random = np.random.default_rng(1)
    while not stop.is_set():
        for array in arrays:
            place = random.integers(len(array))
            kept = array[place]
            array[place] = random.choice(WILD)
            array[place] = kept
        time.sleep(0)  # the kernels want to come back


def sparse(random, rows, width):
    """Values, columns, starts and squares of a matrix with entries in every row."""
    starts = np.arange(rows + 1, dtype=np.int64) * 5
    values = random.normal(size=5 * rows)
    columns = random.integers(width, size=5 * rows)
    return values, columns, starts, (values.reshape(rows, 5) ** 2).sum(1)


def calls(random):
    """(function without arguments, arrays of indices that it reads) of each kernel."""
    index = np.arange(200) % 100
    cameras = np.column_stack([random.normal(size=(100, 2)), np.zeros(100), np.ones(100)])
    i, j, out = index.copy(), index.copy(), np.zeros((200, 200))
    settings = (1.0, 2.0, 1.0, 1.0, 16, 2)
    for name in ("convex_overlaps", "geos_overlaps"):
        kernel = getattr(_kernels, name, None)
        if kernel is not None:
            yield (lambda k=kernel: k(cameras, cameras, i, j, *settings, out)), (i, j)
    a, b = sparse(random, 100, 40), sparse(random, 100, 40)
    rows, anchors = (np.tile(np.arange(100), (3, 1)) for _ in range(2))
    found = np.zeros((3, 100, 100))
    changed = *a[1:3], *b[1:3], rows[0], anchors[0]
    yield (lambda: _kernels.radio_affinities(a, b, 40, rows, anchors, 0.1, True, found)), changed


def race():
    """Whatever the other thread does, a kernel ends, or says that an index is none."""
    for call, arrays in calls(np.random.default_rng(0)):
        stop = threading.Event()
        other = threading.Thread(target=changing, args=(arrays, stop))
        other.start()
        refused = 0
        for _ in range(ROUNDS):
            try:
                call()
            except IndexError:
                refused += 1
        stop.set()
        other.join()
        print(f"{ROUNDS} calls, {refused} refused")


if __name__ == "__main__":
    assert _kernels.__file__.startswith(os.environ["SANITIZED"]), _kernels.__file__
    if sys.argv[1:] == ["--race"]:
        race()
    else:
        import pytest

        sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *sys.argv[1:]]))
