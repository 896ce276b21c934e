"""Radio affinities: ways to all distances between vectors that are mostly at their default.

Each image heard 30 of 2000 transmitters, anywhere or near each other; all others are at 500 m.
Times are CPU times on one thread, medians; ratios are between times of this run; errors are in
metres, against SciPy's cdist in float64.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import torch
from machine import cpu_time, describe, table
from scipy.sparse import csr_array
from scipy.spatial.distance import cdist

from gcsa.sideinfo.radio import MAX_DISTANCE, SCALE, Radio, affinity_block, pairwise_affinity

HEAD = ["heard", "way", "microseconds", "x loop", "x torch.cdist", "largest error, m"]


def heard(images: int, transmitters: int, count: int, clustered: bool) -> Radio:
    """Random observations; clustered: each image hears half of a window of transmitters."""
    random = np.random.default_rng(0)
    columns = []
    for start in random.integers(0, transmitters, images):
        near = np.arange(start, start + 2 * count) % transmitters
        columns.append(random.choice(near if clustered else transmitters, count, replace=False))
    rows, columns = np.repeat(np.arange(images), count), np.concatenate(columns)
    values = random.uniform(1 - MAX_DISTANCE, -1, len(rows))
    matrix = csr_array((values, (rows, columns)), shape=(images, transmitters))
    return Radio(matrix, np.arange(transmitters).astype(str))


def ways(radio: Radio) -> dict[str, tuple[Callable, Callable]]:
    """What computes, and distances from what it returns."""
    dense = radio.matrix.toarray() + MAX_DISTANCE
    single, every = torch.from_numpy(dense.astype(np.float32)), np.arange(len(radio))
    lists = np.tile(every, (8, 1))

    def loop():
        return np.array([[np.linalg.norm(a - b) for b in dense] for a in dense])

    def to_metres(affinity):
        return (1 - affinity.astype(np.float64)) / SCALE

    return {
        "Python loop": (loop, np.asarray),
        "torch.cdist": (lambda: torch.cdist(single, single), np.asarray),
        "SciPy cdist, float64": (lambda: cdist(dense, dense), np.asarray),
        "pairwise_affinity": (lambda: pairwise_affinity(radio, radio), to_metres),
        "affinity_block": (lambda: affinity_block(radio, every[None], every[None]), to_metres),
        "affinity_block, of 8": (lambda: affinity_block(radio, lists, lists), to_metres),
    }


def compare(label: str, radio: Radio, repeats: int) -> list[list[str]]:
    """Rows of the table."""
    dense = radio.matrix.toarray() + MAX_DISTANCE
    expected, seconds, rows = cdist(dense, dense), {}, []
    for name, (way, to_metres) in ways(radio).items():
        seconds[name] = cpu_time(way, 1 if name == "Python loop" else repeats)
        if name.endswith("of 8"):
            seconds[name] /= 8
        ratios = (f"{seconds[of] / seconds[name]:.1f}" for of in list(seconds)[:2])
        error = f"{abs(to_metres(way()) - expected).max():.1e}"
        cells = [f"{1e6 * seconds[name]:.0f}", *ratios]
        rows.append([label, name, *cells, *[""] * (3 - len(cells)), error])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--transmitters", type=int, default=2000)
    parser.add_argument("--heard", type=int, default=30, help="transmitters that an image heard")
    parser.add_argument("--quick", action="store_true", help="fewer repeats, to see that it runs")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for label in ("scattered", "clustered"):
        radio = heard(args.images, args.transmitters, args.heard, label == "clustered")
        rows += compare(label, radio, 3 if args.quick else 25)
    print(f"{describe()}\n{args.images} x {args.images} images, {args.transmitters} transmitters\n")
    print(table(rows, HEAD))


if __name__ == "__main__":
    main()
