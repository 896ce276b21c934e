"""Descriptors from hloc's HDF5 into a pack, and rows out of it, against reading image by image."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import h5py
import numpy as np
from machine import cpu_time, describe, table, wall_time

from gcsa.descriptors import packfile
from gcsa.descriptors.hdf5 import RESIDENT, open_pack
from gcsa.descriptors.listing import DATASET
from gcsa.descriptors.packing import pack_record


def write(path: Path, images: int, length: int) -> list[str]:
    """A descriptor file as hloc writes it; returns the names of its images."""
    random = np.random.default_rng(0)
    names = [f"database/images/{i:022d}.jpg" for i in random.permutation(images)]
    with h5py.File(path, "w", libver="latest") as file:
        for name in names:
            row = random.standard_normal(length, dtype=np.float32)
            row = (row / np.linalg.norm(row)).astype(np.float16)
            file.create_group(name).create_dataset(DATASET, data=row)
    return names


def packed(source: Path) -> None:
    for path in source.parent.glob("*.pack.*"):
        path.unlink()
    open_pack(source)


def by_image(source: Path, names: list[str]) -> np.ndarray:
    with h5py.File(source, "r", libver="latest") as file:
        return np.stack([file[name][DATASET][()] for name in names])


def opening(folder: Path, images: int, length: int) -> float:
    """Seconds to open a pack of MSLS's size; its array is a file with a hole, and takes no disk."""
    source = folder / "large.h5"
    names = [f"database/images/{i:022d}.jpg" for i in range(images)]
    shape = images, length
    with source.with_suffix(".pack.npy").open("wb") as file:
        packfile.write_head(file, shape)
        file.seek(2 * images * length, os.SEEK_CUR)
        packfile.write_end(file, np.array([name.encode() for name in names]), pack_record())
    return wall_time(lambda: open_pack(source), 3, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20000)
    parser.add_argument("--length", type=int, default=4096)
    parser.add_argument("--quick", action="store_true", help="a few seconds, to see that it runs")
    args = parser.parse_args()
    large = 1_400_000
    if args.quick:
        args.images, args.length, large = 500, 256, 10_000
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "feats.h5"
        names = write(source, args.images, args.length)
        some = names[: min(2000, args.images)]
        naive = cpu_time(lambda: by_image(source, some), 3) / len(some)
        once = cpu_time(lambda: packed(source), 3) / args.images
        rows_of = open_pack(source).rows(np.array(names))
        list_of = np.random.default_rng(1).integers(args.images, size=320)
        out = np.empty((320, args.length), np.float16)
        take = cpu_time(lambda: rows_of.take(list_of, out), 20)
        read = cpu_time(lambda: by_image(source, [names[i] for i in list_of]), 3)
        seconds = opening(Path(name), large, args.length)
    print(f"{describe()}\nCPU time of one thread, warm page cache; D = {args.length}\n")
    rows = [
        ["reading by image with h5py", f"{1e6 * naive:.0f} us an image", "1"],
        ["packing, once", f"{1e6 * once:.0f} us an image", f"{naive / once:.1f}"],
        ["320 random rows by image", f"{1e3 * read:.1f} ms", "1"],
        ["320 random rows of the pack", f"{1e3 * take:.3f} ms", f"{read / take:.0f}"],
        [f"opening {large:,} x {args.length}", f"{seconds:.2f} s", ""],
    ]
    print(table(rows, ["", "time", "times"]))
    print(f"\ngathered at {2 * out.nbytes / take / 1e9:.1f} GB/s, read and written; ", end="")
    print(f"resident at most {RESIDENT.limit / 1e9:.1f} GB (data.memory)")


if __name__ == "__main__":
    main()
