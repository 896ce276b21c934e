"""How the cost of each part grows with the number of images, 10^4 to 10^7: time, memory, exponent.

Each size runs in a process of its own, on one simulated scene: cameras along streets with
positions, headings and the access points that they hear, descriptors of 64 numbers. An exponent is
the slope of log seconds over log images, by least squares, and of the last step alone; 1 is
linear, n log n up to 1.1 over these sizes. Parts have a largest size: what they hold in memory, or
on disk, ends it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from city import descriptors, poses
from machine import describe, table
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from gcsa.datasets.readers import reader
from gcsa.datasets.settings import DataConfig
from gcsa.descriptors.hdf5 import open_pack
from gcsa.descriptors.writing import write_features
from gcsa.places.calibrating import calibrated
from gcsa.places.calibration import Calibration
from gcsa.ranking.cells import Grid
from gcsa.ranking.index.settings import Searching
from gcsa.ranking.nearby import with_nearby
from gcsa.ranking.retrieval import retrieve
from gcsa.rerankers.posterior import PosteriorConfig, posterior
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo import fov
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.radio import Radio, affinity_of_lists
from gcsa.sideinfo.rules import Rule

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
LENGTH, QUERIES, NUM = 64, 128, 100
HEARD = 8  # access points that an image hears
PACKING, INDEX = "packing", "index: training, adding, 128 queries"
OVERLAPS, POSTERIOR = "overlaps of all pairs", "posterior, 128 queries"
CALIBRATION = "calibration"
# The largest size of a part, and why; the others take all. Radio and the posterior by fields of
# view go as far as the posterior does.
PAIRS = "an image has 60 to 74 within reach here, 12 bytes each and three times that while made"
MOST = {
    PACKING: (100_000, "HDF5 takes longer to write the file than it takes to be packed"),
    INDEX: (1_000_000, "first_round.py has ten million, of 512 numbers"),
    OVERLAPS: (1_000_000, f"{PAIRS}: 20 GiB at ten million"),
    POSTERIOR: (1_000_000, f"{PAIRS}: with radio 40 GiB at ten million"),
    CALIBRATION: (1_000_000, "it needs the posterior's pairs"),
}
WORST = 1.2  # exponent that n log n has at most over these sizes, 1.1, and what caches do to it


class Laps:
    """CPU seconds of each part, and the peak memory in GiB once it is done."""

    def __init__(self, images: int):
        self.images = images
        self.found: dict[str, tuple[float, float]] = {}

    def runs(self, part: str) -> bool:
        """Whether a part is run at this size."""
        return self.images <= MOST.get(part, (self.images, ""))[0]

    @contextmanager
    def lap(self, part: str) -> Iterator[None]:
        start = time.process_time()
        yield
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        self.found[part] = time.process_time() - start, peak
        seconds = self.found[part][0]
        print(f"{self.images:,}: {part}: {seconds:.2f} s, {peak:.1f} GiB", file=sys.stderr)


def street(images: int, seed: int = 0) -> tuple[ImageSet, np.ndarray]:
    """Cameras with poses, radio and the places where they stand; descriptors lack."""
    random = np.random.default_rng([7, seed])
    positions, headings, places = poses(images, random)
    names = np.char.zfill(np.arange(images).astype(str), 8)
    return ImageSet(names, None, positions, headings), places


def heard(images: ImageSet, points: np.ndarray) -> Radio:
    """What is heard of access points (T, 2): the nearest, by distance."""
    assert images.positions is not None
    distance, which = cKDTree(points).query(images.positions, HEARD)
    starts = HEARD * np.arange(len(images) + 1)
    values = np.minimum(distance.ravel(), 499.0) - 500.0
    matrix = csr_array((values, which.ravel(), starts), shape=(len(images), len(points)))
    return Radio(matrix, np.arange(len(points)).astype(str))


def measure(images: int, folder: Path) -> dict[str, tuple[float, float]]:
    """All parts at one size."""
    laps = Laps(images)
    database, places = street(images)
    _reading(laps, database, folder)
    random = np.random.default_rng(1)
    database = replace(database, descriptors=descriptors(places, LENGTH, random))
    if laps.runs(PACKING):
        path = folder / "feats.h5"
        write_features(path, database.names, database.descriptors)
        with laps.lap(PACKING):
            open_pack(path)
    rows = np.sort(random.choice(images, QUERIES, replace=False))
    queries = replace(
        database.of_rows(rows),
        names=np.char.add("q", database.names[rows]),
        descriptors=descriptors(places[rows], LENGTH, random),
        positions=database.positions[rows] + random.normal(0, 10, (QUERIES, 2)),
    )
    with laps.lap("checking a scene"):
        scene = Scene("street", database, queries)
    _first_rounds(laps, scene, images)
    _places(laps, replace(scene, queries=replace(queries, positions=None)))
    return laps.found


def _reading(laps: Laps, database: ImageSet, folder: Path) -> None:
    split = np.full(len(database), "database")
    split[:2] = "query"
    columns = {"name": database.names, "split": split}
    columns |= dict(zip("xy", database.positions.T, strict=True))
    (folder / "street").mkdir()
    frame = pd.DataFrame(columns | {"heading": np.degrees(database.headings)})
    frame.to_csv(folder / "street" / "images.csv", index=False, float_format="%.2f")
    del frame, columns
    data = DataConfig(dataset="folder", root=str(folder), desc_fn="", val_scenes=["street"])
    with laps.lap("reading"):
        reader(data).read(data, "street", "val")


def _first_rounds(laps: Laps, scene: Scene, images: int) -> None:
    """The exact one, and by an index whose lists grow as the root of the images."""
    bare = replace(scene, queries=replace(scene.queries, positions=None))
    with laps.lap("first round, exact, 128 queries"):
        retrieve(bare, NUM, search="fp32")
    lists = 1 << round(np.log2(4 * np.sqrt(images)))
    searching = Searching(f"IVF{lists}_HNSW32,PQ16", "nprobe=16", sample=1 << 17)
    if laps.runs(INDEX):
        with laps.lap(INDEX):
            retrieve(bare, NUM, search=searching)
    with laps.lap("what is near a device joins the lists"):
        with_nearby(scene, retrieve(scene, NUM, search=Searching(within=3.0)), 50)
    with laps.lap("grid of cells"):
        Grid.of(scene.database.positions)


def _places(laps: Laps, scene: Scene) -> None:
    """Overlaps, radio, calibration, posterior."""
    database, known = scene.database, FovConfig()
    if laps.runs(OVERLAPS):
        with laps.lap(OVERLAPS):
            fov.overlap_sparse(database.positions, database.headings, **known.kwargs())
    if not laps.runs(POSTERIOR):
        return
    box = np.ptp(database.positions, axis=0)
    points = np.random.default_rng(2).uniform(0, 1, (len(database) // 10, 2)) * box
    points += database.positions.min(axis=0)
    radio = heard(database, points)
    first = retrieve(scene, NUM, search="fp32")
    nearest = first.indices[:, 0]
    with laps.lap("radio affinity of 128 lists"):
        affinity_of_lists(radio, nearest, first.indices)
    scene = Scene(
        "street",
        replace(database, radio=radio),
        replace(scene.queries, radio=radio[nearest]),
    )
    rule = Rule.of("dist")
    with laps.lap(POSTERIOR):
        posterior(scene, first, PosteriorConfig(), rule, known, Calibration())
    with laps.lap("posterior by fields of view, 128 queries"):
        posterior(scene, first, PosteriorConfig(), Rule.of("fov"), known, Calibration())
    with laps.lap(CALIBRATION):
        calibrated(scene, rule, known, NUM)


def exponent(known: list[tuple[int, float]]) -> float:
    """The slope of log seconds over log images, of times that can be told from nothing."""
    kept = np.array([(n, s) for n, s in known if s >= 0.02])
    return float(np.polyfit(*np.log(kept).T, 1)[0]) if len(kept) > 1 else float("nan")


def grown(sizes: list[int], found: list[dict[str, list[float]]]) -> str:
    """The table: a row for each part."""
    rows = []
    for part in dict.fromkeys(name for one in found for name in one):
        cells = [f"{one[part][0]:.2f}" if part in one else "" for one in found]
        known = [(n, one[part][0]) for n, one in zip(sizes, found, strict=True) if part in one]
        slope, last = (exponent(known[-few:]) for few in (len(known), 2))
        most = "above n log n" if last > WORST else ""
        shown = ["" if np.isnan(value) else f"{value:.2f}" for value in (slope, last)]
        peak = max(one[part][1] for one in found if part in one)
        rows.append([part, *cells, *shown, most, f"{peak:.1f}"])
    named = [f"{n:,} images, s" for n in sizes]
    return table(rows, ["part", *named, "exponent", "last step", "", "GiB, peak"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--one", type=int, help="measure one size, and print it as JSON")
    parser.add_argument("--folder", help="where to write; default: temporary")
    parser.add_argument("--quick", action="store_true", help="a few seconds, to see that it runs")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.one:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            print(json.dumps(measure(args.one, Path(folder))))
        return
    sizes: list[int] = [1000, 2000] if args.quick else sorted(args.sizes)
    print(f"{describe()}\none scene, one thread, CPU time\n", flush=True)
    found: list[dict[str, Any]] = []
    for size in sizes:
        more = ["--folder", args.folder] if args.folder else []
        command = [sys.executable, __file__, "--one", str(size), *more]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            sys.exit(f"{size:,} images: ended with {done.returncode}")
        found.append(json.loads(done.stdout.splitlines()[-1]))
    print(grown(sizes, found))
    for part, (most, why) in MOST.items():
        if most < max(sizes):
            print(f"\n{part}: no more than {most:,} images, as {why}")


if __name__ == "__main__":
    main()
