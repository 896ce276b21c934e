"""A data set of MSLS's size through the real path: reading, search, overlap, a training window.

Writes 22 cities in MSLS's files, 900,000 database and 500,000 query images in all, into a
temporary folder (about 0.4 GB of CSV files). Two of the cities get descriptors (1 GB); those of
the others would only need disk. Times are of the whole process by the wall, with the peak memory.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from city import descriptors, poses
from machine import describe, table

from gcsa.config import load_config
from gcsa.datasets.msls import TRAIN_CITIES, read_scene
from gcsa.descriptors import packfile
from gcsa.descriptors.hdf5 import RESIDENT
from gcsa.descriptors.packing import pack_record
from gcsa.evaluation.truth import Truth, labels
from gcsa.ranking.retrieval import retrieve
from gcsa.scene import ImageSet, Scene
from gcsa.scoring.split import JudgedScene
from gcsa.sideinfo import fov
from gcsa.sideinfo.affinity import SideInformation
from gcsa.sideinfo.fov import FovConfig
from gcsa.training.trainer import Trainer

RAW = "key,lon,lat,ca,captured_at,pano"
PROCESSED = "key,easting,northing,unique_cluster,control_panel,night,view_direction"
SEQUENCE = "key,sequence_key,frame_number"
KINDS = ["positional-db", "heading"]


def write_csv(path: Path, header: str, rows: Iterable[str]) -> None:
    """Rows behind the unnamed index column, as in MSLS."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f",{header}", *(f"{i},{row}" for i, row in enumerate(rows))]
    path.write_text("\n".join(lines) + "\n")


def write_city(folder: Path, sizes: dict[str, int], seed: int) -> dict[str, np.ndarray]:
    """The CSV files of a city; returns the places of its images by role."""
    random, places = np.random.default_rng(seed), {}
    for role, count in sizes.items():
        positions, headings, places[role] = poses(count, random)
        keys = [f"{role[0]}{seed:03d}{i:018d}" for i in range(count)]
        east, north = (positions + (5e5, 5e6)).T
        degrees = np.degrees(headings)
        write_csv(
            folder / role / "raw.csv",
            RAW,
            (f"{k},8.5,47.4,{a:.4f},2018-06-01,False" for k, a in zip(keys, degrees, strict=True)),
        )
        write_csv(
            folder / role / "postprocessed.csv",
            PROCESSED,
            (
                f"{k},{e:.4f},{n:.4f},1,False,False,Forward"
                for k, e, n in zip(keys, east, north, strict=True)
            ),
        )
        write_csv(
            folder / role / "seq_info.csv", SEQUENCE, (f"{k},s,{i}" for i, k in enumerate(keys))
        )
        write_csv(folder / role / "subtask_index.csv", "key,all", (f"{k},True" for k in keys))
    return places


def write_pack(source: Path, city: int, places: dict[str, np.ndarray], length: int) -> None:
    """The pack of a city's descriptors, as if its HDF5 file had been packed and removed."""
    random, names, rows = np.random.default_rng(city), [], []
    for role in ("database", "query"):
        names += [
            f"{role}/images/{role[0]}{city:03d}{i:018d}.jpg" for i in range(len(places[role]))
        ]
        rows.append(descriptors(places[role], length, random))
    source.parent.mkdir(parents=True)
    keys = np.array([name.encode() for name in names])
    packfile.write(source.with_suffix(".pack.npy"), (len(keys), length), keys, rows, pack_record)


class Clock:
    """Rows of the table: what was done, its seconds, and the peak memory so far."""

    def __init__(self):
        self.rows, self._start = [], time.perf_counter()

    def lap(self, what: str, detail: str = "") -> float:
        """Note what was done since the last call; returns the seconds that it took."""
        now = time.perf_counter()
        seconds, self._start = now - self._start, now
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        self.rows.append([what, f"{seconds:.1f}", f"{peak:.1f}", detail])
        return seconds

    def skip(self) -> None:
        """What was done since the last call does not count."""
        self._start = time.perf_counter()


def subset(scene: Scene, count: int) -> np.ndarray:
    """Rows of ``count`` queries of a scene, at random."""
    return np.sort(np.random.default_rng(0).choice(len(scene.queries), count, replace=False))


def asked(scene: Scene, truth: Truth, rows: np.ndarray) -> tuple[Scene, Truth]:
    """The scene with some of its queries only."""
    images = scene.queries
    few = ImageSet(images.names[rows], images.descriptors[rows], None, images.headings[rows])
    known = Truth(truth.positions[rows], truth.headings[rows])
    return Scene(scene.name, scene.database, few), known


def run(args: argparse.Namespace, root: Path) -> list[list[str]]:
    """All parts; returns the rows of the table."""
    share = {
        "database": args.database // len(TRAIN_CITIES),
        "query": args.queries // len(TRAIN_CITIES),
    }
    with_descriptors = TRAIN_CITIES[:2]
    packs = {c: root / "outputs" / c / "feats.h5" for c in with_descriptors}
    for number, city in enumerate(TRAIN_CITIES):
        places = write_city(root / "msls" / "train_val" / city, share, number)
        if city in packs:
            write_pack(packs[city], number, places, args.length)
    clock = Clock()
    cities = {c: read_scene(root / "msls", c, packs.get(c)) for c in TRAIN_CITIES}
    images = sum(len(s.database) + len(s.queries) for s, _ in cities.values())
    clock.lap("reading 22 cities", f"{images:,} images")

    pairs = 0
    for scene, _ in cities.values():
        database = scene.database
        pairs += fov.overlap_sparse(
            database.positions, database.headings, **FovConfig().kwargs()
        ).nnz
    clock.lap("overlap of every pair of database cameras", f"{pairs:,} entries")

    prepared = []
    for city in with_descriptors:
        few = asked(*cities[city], subset(cities[city][0], args.searched))
        candidates = retrieve(few[0], 319)
        prepared.append((few, candidates))
    seconds = clock.lap("candidates of some queries", f"{2 * args.searched:,} queries, 319 each")
    clock.rows[-1][-1] += f"; {1e3 * seconds / args.searched / 2:.1f} ms a query"
    scenes = []
    for (scene, truth), candidates in prepared:
        relevant = labels("fov", scene, truth, candidates.indices, FovConfig())
        side = SideInformation(scene, KINDS, FovConfig())
        scenes.append(JudgedScene(scene, candidates, side, relevant, truth))
    clock.lap("their side information and labels")

    steps = args.steps
    config = load_config("configs/msls_train.yaml", [
        f"model.input_dim={args.length}", "train.checkpoint=null", "train.init_proj=pca",
        "train.projection=shared", f"train.refresh={steps}", "data.num_workers=2",
        "train.device=cpu", *args.overrides])  # fmt: skip
    trainer = Trainer(config, scenes, torch.device("cpu"))
    clock.skip()
    order = trainer.sampler.epoch(np.random.default_rng(0))[: 32 * steps]
    trainer.model.train()
    for batch, projected, weight in trainer._batches(order, 1):
        trainer.step(batch, projected, weight)
    seconds = clock.lap("a training window of stage 2", f"{steps} steps of 32 queries")
    clock.rows[-1][-1] += f"; {1e3 * seconds / len(order):.0f} ms a query"
    return clock.rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", type=int, default=900_000)
    parser.add_argument("--queries", type=int, default=500_000)
    parser.add_argument("--length", type=int, default=4096, help="of a descriptor")
    parser.add_argument("--searched", type=int, default=1024, help="queries of a city")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--memory", type=float, default=1.0, help="data.memory, in gigabytes")
    parser.add_argument("--quick", action="store_true", help="a few seconds, to see that it runs")
    parser.set_defaults(overrides=[])
    args = parser.parse_args()
    if args.quick:
        args.database, args.queries, args.length = 22 * 800, 22 * 300, 512
        args.searched, args.steps = 64, 1
        args.overrides = ["model.K=60", "model.L=30"]
    RESIDENT.limit = int(args.memory * 1e9)
    with tempfile.TemporaryDirectory() as folder:
        rows = run(args, Path(folder))
    print(f"{describe()}\ndata.memory {args.memory} GB\n")
    print(table(rows, ["part", "seconds", "peak GiB so far", ""]))


if __name__ == "__main__":
    main()
