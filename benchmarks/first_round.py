"""A first round by an index of faiss against the exact one: recall, time, bytes.

The descriptors are drawn, not of photos, but structured as such are: places of very different
sizes (a power law), which share styles, and within a place few directions in which images differ
(time of day, where one stood), beside some noise. A query is another image of a place.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from machine import describe, table

from gcsa.descriptors import packfile
from gcsa.descriptors.hdf5 import RESIDENT, Pack
from gcsa.descriptors.packing import pack_record
from gcsa.ranking.index.factory import set_parameters
from gcsa.ranking.index.search import Approximate
from gcsa.ranking.index.settings import Searching
from gcsa.ranking.search import Search
from gcsa.scene import ImageSet, Scene

STYLES, WITHIN = 256, 8  # kinds of places; directions in which images of a place differ
PER_PLACE = 12  # images of a place, on average
BLOCK = 4096
INDEXES = ("IVF1024,PQ64", "IVF1024,SQ8", "OPQ64_256,IVF1024,PQ64", "HNSW32_SQ8")


class World:
    """Places and what their images look like, the same whenever they are asked for."""

    def __init__(self, images: int, length: int):
        self.length = length
        random = np.random.default_rng(0)
        places = max(2, images // PER_PLACE)
        weights = np.arange(1, places + 1) ** -0.7
        self.sizes = random.multinomial(images, random.permutation(weights / weights.sum()))
        self.styles = _unit(random.standard_normal((STYLES, length), dtype=np.float32))
        self.within = random.standard_normal((STYLES, WITHIN, length), dtype=np.float32)
        self.within /= np.sqrt(WITHIN * length)

    def rows(self, places: np.ndarray, seed: int, spread: float = 1.0) -> np.ndarray:
        """Descriptors (n, length) float16 of images of ascending ``places`` (n,)."""
        named, number = np.unique(places, return_inverse=True)
        looks = np.stack([self._look(int(place)) for place in named])
        random = np.random.default_rng([1, seed])
        noise = random.standard_normal((len(places), self.length), dtype=np.float32)
        rows = looks[number] + 0.35 * noise / np.sqrt(self.length)
        within = random.standard_normal((len(places), WITHIN), dtype=np.float32)
        for style in np.unique(places % STYLES):
            own = places % STYLES == style
            rows[own] += 0.5 * spread * within[own] @ self.within[style]
        return _unit(rows).astype(np.float16)

    def _look(self, place: int) -> np.ndarray:
        own = np.random.default_rng([2, place]).standard_normal(self.length, dtype=np.float32)
        return 0.6 * self.styles[place % STYLES] + 0.6 * own / np.sqrt(self.length)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def scene(world: World, queries: int, folder: Path) -> Scene:
    """The world's images as a packed database of ``folder``, and other images as queries."""
    places, count = np.repeat(np.arange(len(world.sizes)), world.sizes), int(world.sizes.sum())
    path = folder / "feats.pack.npy"
    blocks = (world.rows(places[i : i + BLOCK], i) for i in range(0, count, BLOCK))
    packfile.write(path, (count, world.length), np.empty(0, "S1"), blocks, pack_record)
    content = packfile.read(path)
    assert content is not None
    names = np.char.zfill(np.arange(count).astype(str), 8)
    pack = Pack(folder / "feats.h5", names.astype("S"), content.array, content_hash="drawn")
    random = np.random.default_rng(3)
    asked = np.sort(places[random.choice(count, queries)])
    called = np.char.add("q", np.arange(queries).astype(str))
    return Scene(
        "drawn",
        ImageSet(names, pack.rows(names)),
        ImageSet(called, world.rows(asked, 10**9, 1.3)),
    )


class Clock:
    """CPU seconds of this process, one thread."""

    def __init__(self):
        self._start = time.process_time()

    def __call__(self) -> float:
        return time.process_time() - self._start


def measure(drawn: Scene, args: argparse.Namespace) -> list[list[str]]:
    """A row for each index and each way to ask it, the exact search first."""
    every, count = np.arange(len(drawn.queries)), len(drawn.database)
    own, device = np.full(len(every), -1), torch.device("cpu")
    clock = Clock()
    truth = Search(drawn, args.num, device, own).best(every)[1].numpy()
    per_query = 1e3 / len(every)
    length = drawn.database.descriptors.shape[1]
    rows = [["exact, fp32", "", "", "100", "100", "100", f"{clock() * per_query:.2f}", ""]]
    rows[0] += [f"{2 * length}"]
    for name in args.indexes:
        clock = Clock()
        searching = Searching(name, again=args.again, sample=args.sample, part=args.part)
        finder = Approximate(drawn, args.num, device, own, searching)
        made, size = clock(), finder.opened.size / count
        print(f"{name}: {len(finder.opened.parts)} parts, {made:.0f} s", flush=True)
        graph = "HNSW" in name and "IVF" not in name
        for effort in args.efforts:
            parameter = f"{'efSearch' if graph else 'nprobe'}={effort}"
            for index in [finder.opened.index, *([p for p, _ in finder.opened.parts] * graph)]:
                set_parameters(index, parameter)
            clock = Clock()
            listed = finder._rough(drawn.queries.descriptors.astype(np.float32))
            alone, clock = clock(), Clock()
            found = finder.best(every)[1].numpy()
            shares = [100 * _shared(truth[:, :k], found) for k in (1, 10, args.num)]
            cells = [f"{share:.1f}" for share in shares]
            times = f"{clock() * per_query:.2f}", f"{alone * per_query:.2f}"
            rows.append([name, parameter, f"{made:.0f}", *cells, *times, f"{size:.0f}"])
            print(rows[-1], f"{100 * _shared(truth, listed):.1f} listed", flush=True)
    return rows


def _shared(truth: np.ndarray, found: np.ndarray) -> float:
    """The share of what is right that was found, over all queries."""
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(truth, found, strict=True)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--length", type=int, default=512, help="of a descriptor")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--num", type=int, default=100, help="candidates of a query")
    parser.add_argument("--again", type=int, default=4)
    parser.add_argument("--sample", type=int, default=1 << 18)
    parser.add_argument("--part", type=int, default=1_000_000)
    parser.add_argument("--indexes", nargs="+", default=list(INDEXES))
    parser.add_argument("--efforts", nargs="+", type=int, default=[16, 64, 256])
    parser.add_argument("--folder", help="where to write (2 D bytes an image); default: temporary")
    parser.add_argument("--quick", action="store_true", help="a few seconds, to see that it runs")
    args = parser.parse_args()
    if args.quick:
        args.images, args.length, args.queries, args.num = 3000, 64, 50, 10
        args.indexes, args.efforts = ["IVF16,PQ16x4", "HNSW8_SQ8"], [8]
    print(f"{describe()}\n{args.images:,} images of {args.length} numbers, ", end="")
    print(f"{args.queries} queries, one thread\n", flush=True)
    torch.set_num_threads(1)
    RESIDENT.limit = 2 << 30
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        rows = measure(scene(World(args.images, args.length), args.queries, Path(folder)), args)
    header = f"search|asked|made, s|R@1|R@10|R@{args.num}|ms a query|index alone|bytes an image"
    print("\n" + table(rows, header.split("|")))


if __name__ == "__main__":
    main()
