"""Localisation by local features: pairs matched a second, milliseconds a query, memory of the map.

Maps of 1,000 to 100,000 photos of a long street are drawn, with keypoints as the cameras truly see
its points, and each is localised in by a process of its own, through the package's files: COLMAP's
text model, hloc's HDF5 of features, pairs by distance. Features are written of the photos that the
queries meet; those of the others would only need disk. CPU seconds of one thread; memory is the
peak above what the process had before it read the model.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from machine import cpu_time, describe, table

from gcsa.datasets.lamar.cameras import rays_to_pixels
from gcsa.datasets.lamar.records import Camera
from gcsa.local.matched import Matched
from gcsa.local.matching import mutual
from gcsa.localization.model import read_model, write_model
from gcsa.localization.near_views import Nearest
from gcsa.localization.placing import Asked, place
from gcsa.localization.poses import Poses, pose_errors
from gcsa.localization.surfaces import Surfaces
from gcsa.localization.views import Views

CAMERA = Camera("SIMPLE_RADIAL", 640, 480, (500.0, 320.0, 240.0, 0.02))
STEP, STREET = 0.5, 1000.0  # metres between photos; of a street, the next is 100 m aside
POINTS = 40  # a metre of street
SHARED = 10  # pairs of a query
AHEAD = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])  # looks along +x, upright


def poses(count: int, random: np.random.Generator, along: np.ndarray | None = None) -> Poses:
    """Cameras that drive along streets; ``along``: metres from the start, else every STEP."""
    along = STEP * np.arange(count) if along is None else along
    street, x = np.divmod(along, STREET)
    y, z = random.normal(100 * street, 1.0), random.normal(1.6, 0.1, len(along))
    return Poses(np.tile(AHEAD, (len(along), 1, 1)), np.column_stack([x, y, z]))


def seen(pose: Poses, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints (n, 2) of a camera, half a pixel of noise, and descriptors (n, length).

    The points of each metre of a street come from its own seed, so that no map holds them all.
    """
    x, y, _ = pose.positions
    street, points, looks = round(y / 100), [], []
    for metre in range(int(x) + 2, int(x) + 14):
        random = np.random.default_rng([street, metre])
        side = random.choice([-5.0, 5.0], POINTS) + random.uniform(-1, 1, POINTS)
        high = random.uniform(0, 6, POINTS)
        points.append(np.column_stack([metre + random.random(POINTS), 100 * street + side, high]))
        looks.append(random.normal(size=(POINTS, length)))
    local = (np.concatenate(points) - pose.positions) @ pose.rotations
    pixels = rays_to_pixels(CAMERA.model, CAMERA.params, local[:, :2] / local[:, 2:])
    inside = (local[:, 2] > 1) & (pixels >= 0).all(1) & (pixels < [640, 480]).all(1)
    noise = np.random.default_rng(round(1e3 * x)).normal(size=(inside.sum(), 2))
    kept = np.concatenate(looks)[inside]
    return pixels[inside] + noise / 2, kept / np.linalg.norm(kept, axis=1, keepdims=True)


def write_features(path: Path, names: np.ndarray, cameras: Poses, length: int) -> float:
    """hloc's file of features; returns the keypoints of an image."""
    total = 0
    with h5py.File(path, "w") as file:
        for row, name in enumerate(names):
            pixels, looks = seen(cameras[row], length)
            file[f"{name}/keypoints"] = (pixels - 0.5).astype("f4")
            file[f"{name}/descriptors"] = looks.T.astype("f2")
            total += len(pixels)
    return total / len(names)


def peak() -> float:
    """MB that the process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def draw(folder: Path, count: int, queries: int, length: int) -> float:
    """Write a map of so many photos, and its queries; returns the keypoints of a photo."""
    random = np.random.default_rng(0)
    mapped, rows = poses(count, random), places(count, queries)
    asked = poses(queries, random, STEP * (rows + 0.5))
    names = np.array([f"map/{row:06d}.jpg" for row in range(count)])
    write_model(folder, Views(names, mapped, [CAMERA] * count, [None] * count))
    np.savez(folder / "asked.npz", rotations=asked.rotations, positions=asked.positions)
    # A photo's neighbours are among the 23 nearest: a dozen to either side.
    met = np.unique(np.clip(np.add.outer(rows, np.arange(-30, SHARED + 30)), 0, count - 1))
    both = (np.concatenate([getattr(p, f) for p in (mapped[met], asked)]) for f in vars(asked))
    named = np.concatenate([names[met], query_names(queries)])
    return write_features(folder / "f.h5", named, Poses(*both), length)


def places(count: int, queries: int) -> np.ndarray:
    """The photos (q,) behind which queries are taken, spread over the map."""
    return np.linspace(30, count - 40, queries).astype(int)


def query_names(queries: int) -> np.ndarray:
    return np.array([f"q/{row:06d}.jpg" for row in range(queries)])


def localise(folder: Path, count: int, queries: int) -> dict[str, float]:
    """The figures of a row, of what ``draw`` wrote."""
    before, start = peak(), time.process_time()
    views = read_model(folder)
    surfaces = Surfaces(views, Nearest(views.poses), Matched(folder / "f.h5"))
    reading = time.process_time() - start
    alone = Poses(np.eye(3)[None], np.zeros((1, 3)))
    asked = [
        Asked([name], [CAMERA], alone, [np.arange(row - 2, row - 2 + SHARED)])
        for name, row in zip(query_names(queries), places(count, queries), strict=True)
    ]
    seconds, placed = [], None
    for _ in range(2):
        start = time.process_time()
        placed = place(asked, surfaces)
        seconds.append((time.process_time() - start) / queries)
    turned, away = pose_errors(placed.poses, Poses(**np.load(folder / "asked.npz")))
    return {
        "model, s": reading,
        "ms a query": 1e3 * seconds[0],
        "ms again": 1e3 * seconds[1],
        "points of images": surfaces.points.cache_info().currsize,
        "memory, MB": peak() - before,
        "within 1 deg, 0.1 m": 100 * float(((turned < 1) & (away < 0.1)).mean()),
    }


def matching(counts: list[int], length: int = 128) -> list[list[str]]:
    """Pairs a second of :func:`gcsa.local.matching.mutual` by keypoints of an image."""
    rows = []
    for count in counts:
        a, b = np.random.default_rng(0).normal(size=(2, count, length)).astype("f4")
        a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
        rows.append([str(count), f"{1 / cpu_time(lambda a=a, b=b: mutual(a, b)):.0f}"])
    return rows


def exponents(counts: list[int], found: list[dict[str, float]]) -> list[str]:
    """How figures grow from the smallest map to the largest: the power of its size."""
    size = np.log(counts[-1] / counts[0])
    keys = ("model, s", "ms a query", "ms again", "memory, MB")
    return [f"{key}: {np.log(found[-1][key] / found[0][key]) / size:.2f}" for key in keys]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--length", type=int, default=64, help="of a descriptor")
    parser.add_argument("--quick", action="store_true", help="a few seconds, to see that it runs")
    args = parser.parse_args()
    if args.quick:
        args.counts, args.queries = [100, 200], 2
    rows, found = [], []
    # The peak of memory is of a process that has done nothing else.
    once = None if args.quick else 1
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=once) as pool:
        for count in args.counts:
            with tempfile.TemporaryDirectory() as name:
                drawn = Path(name), count, args.queries
                keypoints = pool.apply(draw, (*drawn, args.length))
                found.append(pool.apply(localise, drawn))
            figures = (f"{value:.1f}" for value in found[-1].values())
            rows.append([f"{count:,}", f"{keypoints:.0f}", *figures])
    print(f"{describe()}\n\n{table(rows, ['photos', 'keypoints', *found[0]])}\n")
    print(f"powers of the size of the map: {', '.join(exponents(args.counts, found))}\n")
    sizes = [256] if args.quick else [256, 512, 1024, 2048]
    print(table(matching(sizes), ["keypoints of an image", "pairs a second"]))


if __name__ == "__main__":
    main()
