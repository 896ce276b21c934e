"""First-round retrieval against the limit of the matrix product, and against faiss if installed.

A search of n database images for q queries costs 2 n q D operations; everything else (converting
half-precision descriptors, looking for the best) should hide behind that.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util

import numpy as np
import torch
from machine import cpu_time, describe, peak_gflops, table, wall_time

from gcsa.ranking.retrieval import retrieve
from gcsa.scene import ImageSet, Scene


def make_scene(queries: int, database: int, length: int) -> Scene:
    """Random descriptors of unit length."""
    random = np.random.default_rng(0)

    def images(prefix: str, n: int) -> ImageSet:
        rows = random.standard_normal((n, length), dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        names = np.char.add(prefix, np.arange(n).astype(str))
        return ImageSet(names, descriptors=rows.astype(np.float16))

    return Scene("random", images("d", database), images("q", queries))


def with_faiss(scene: Scene, num: int):
    """A function that does the same search with faiss, its index made inside."""
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())

    def search() -> None:
        index = faiss.IndexFlatIP(scene.database.descriptors.shape[1])
        index.add(scene.database.descriptors.astype(np.float32))
        index.search(scene.queries.descriptors.astype(np.float32), num)

    return search


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=2048)
    parser.add_argument("--database", type=int, default=18871, help="MSLS's validation has 18,871")
    parser.add_argument("--num", type=int, default=319, help="candidates of a query")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--search", default="fp32", help="auto, fp32, half or faiss")
    parser.add_argument("--quick", action="store_true", help="a few seconds, to see that it runs")
    args = parser.parse_args()
    if args.quick:
        args.queries, args.database = 256, 3000
    torch.set_num_threads(args.threads)
    clock = cpu_time if args.threads == 1 and args.device == "cpu" else wall_time
    peak = peak_gflops(threads=args.threads, device=args.device)
    print(f"{describe()}\n{args.queries} queries, {args.database} database images, ", end="")
    print(f"{args.num} candidates, {args.threads} threads; matrix products: {peak:.0f} GFLOP/s\n")
    rows = []
    for length in (512, 4096):
        scene = make_scene(args.queries, args.database, length)
        own = functools.partial(retrieve, scene, args.num, args.device, args.search)
        searches = {f"gcsa, {args.search}": own}
        if importlib.util.find_spec("faiss"):
            searches["faiss IndexFlatIP"] = with_faiss(scene, args.num)
        operations = 2 * args.queries * args.database * length
        for name, search in searches.items():
            seconds = clock(search, 3)
            rate = operations / seconds / 1e9
            cells = f"{seconds:.2f}", f"{1e3 * seconds / args.queries:.2f}", f"{rate / peak:.0%}"
            rows.append([name, length, *cells])
    print(table(rows, ["search", "D", "seconds", "ms a query", "of peak"]))


if __name__ == "__main__":
    main()
