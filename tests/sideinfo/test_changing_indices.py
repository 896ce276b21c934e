"""Another thread changes the indices while a kernel reads them: values suffer, memory does not.

scripts/sanitize.sh runs this with kernels that see each access beyond an array.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import numpy as np
import pytest

kernels = pytest.importorskip("gcsa._kernels", reason="not compiled")

WILD = np.array([-(2**62), -2, -1, 10**6, 2**62])
# As many that a kernel takes some hundredths of a second.
CAMERAS = {"convex": 500, "geos": 90}
PLACES, ENTRIES = 400, 5


@pytest.fixture(params=["convex", "geos", "radio"])
def kernel(request):
    """(call, output, arrays of indices) of a kernel."""
    if request.param == "radio":
        return radio()
    if not hasattr(kernels, f"{request.param}_overlaps"):
        pytest.skip("compiled without GEOS")
    return overlaps(getattr(kernels, f"{request.param}_overlaps"), CAMERAS[request.param])


def overlaps(compute, count):
    random = np.random.default_rng(0)
    cameras = np.column_stack([random.normal(size=(100, 2)), np.zeros(100), np.ones(100)])
    i, j, out = np.arange(count) % 100, np.arange(count) % 99, np.empty((count, count))
    field = (1.0, 2.0, 1.0, 1.0, 16, 1)
    return lambda: compute(cameras, cameras, i, j, *field, out), out, (i, j)


def radio():
    random, out = np.random.default_rng(0), np.empty((3, PLACES, PLACES))
    a, b = sparse(random), sparse(random)
    rows, anchors = (np.tile(np.arange(PLACES), (3, 1)) for _ in range(2))
    changed = *a[1:3], *b[1:3], rows.reshape(-1), anchors.reshape(-1)

    def call():
        kernels.radio_affinities(a, b, 40, rows, anchors, 0.1, True, out)

    return call, out, changed


def sparse(random):
    """Values, columns, starts and squares of a matrix with entries in every row."""
    values = random.normal(size=ENTRIES * PLACES)
    columns = random.integers(40, size=ENTRIES * PLACES)
    starts = np.arange(PLACES + 1) * ENTRIES
    return values, columns, starts, (values.reshape(PLACES, ENTRIES) ** 2).sum(1)


def test_all_change_once_it_has_begun(kernel):
    """The overlaps are those of the indices that were given: they were copied."""
    call, out, indices = kernel
    call()
    expected, kept = out.copy(), [array.copy() for array in indices]
    for wild in WILD:
        for array, before in zip(indices, kept, strict=True):
            array[:] = before
        out.fill(np.nan)
        other = threading.Thread(target=set_all, args=(out, indices, wild))
        other.start()
        with suppress(IndexError):
            call()
            if out.ndim == 2:
                np.testing.assert_array_equal(out, expected)
        other.join()


def set_all(out, indices, wild):
    """Wait until something is written, then set all indices to what is none."""
    for _ in range(100_000):
        if not np.isnan(out.flat[0]):
            break
        time.sleep(0)
    for array in indices:
        array[:] = wild


def test_single_ones_change_all_the_time(kernel):
    call, _, indices = kernel
    stop = threading.Event()
    other = threading.Thread(target=change, args=(indices, stop))
    other.start()
    for _ in range(20):
        with suppress(IndexError):
            call()
    stop.set()
    other.join()


def change(indices, stop):
    """Set items to anything, each for a moment, until told to stop."""
    random = np.random.default_rng(1)
    while not stop.is_set():
        for array in indices:
            place = random.integers(len(array))
            kept = array[place]
            array[place] = random.choice(WILD)
            time.sleep(0)  # the kernel wants to come back
            array[place] = kept
