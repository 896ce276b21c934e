"""ICFRR over a whole database: seconds by part and the peak memory of the process, as Markdown.

The database is ranked whole for each query (N = G) and re-ranked by its authors' settings. Their
implementation holds a (G, G) table of ranks of 8 bytes each, 3.2 GB at G = 20,000, and the
distances beside it; here the search for neighbours is a matrix product in blocks.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from machine import describe, table

from gcsa.ranking.retrieval import retrieve
from gcsa.rerankers.icfrr import ICFRRConfig, iterate
from gcsa.rerankers.similarity import FromDescriptors
from gcsa.scene import ImageSet, Scene

PLACE_IMAGES = 20  # of one place, drawn around its look
NOISE = 1.2  # of an image, in units of the spread of looks


def synthetic_scene(database: int, queries: int, dim: int, seed: int = 0) -> Scene:
    """Unit descriptors around the looks of places."""
    random = np.random.default_rng(seed)
    looks = random.standard_normal((database // PLACE_IMAGES, dim), dtype=np.float32)

    def images(prefix: str, count: int) -> ImageSet:
        rows = looks[random.integers(len(looks), size=count)]
        rows += NOISE * random.standard_normal((count, dim), dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        names = np.array([f"{prefix}{i}" for i in range(count)])
        return ImageSet(names, descriptors=rows.astype(np.float16))

    return Scene("synthetic", images("d", database), images("q", queries))


def seconds(function: Callable[[], object]) -> tuple[float, object]:
    """Wall seconds of one call, and what it returned."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def product(scene: Scene, chunk: int = 512) -> None:
    """All similarities of the database, in blocks that are thrown away: the limit of the search."""
    rows = torch.from_numpy(scene.database.descriptors).float()
    for block in rows.split(chunk):
        block @ rows.T


def peak_bytes() -> int:
    """Most memory that the process ever held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure(scene: Scene, config: ICFRRConfig) -> str:
    """Markdown: seconds of the parts, and the peak before and after."""
    before = peak_bytes()
    first_round, candidates = seconds(lambda: retrieve(scene, len(scene.database)))
    similarity = FromDescriptors(scene)
    rows = torch.arange(len(scene.database))
    search, _ = seconds(lambda: similarity.neighbours(rows, config.KG))
    # The neighbours are kept: what is left are the iterations.
    rest, outcome = seconds(lambda: iterate(similarity, candidates, config))
    after = peak_bytes()
    limit, _ = seconds(lambda: product(scene))
    lines = [
        ["first round, the whole database ranked", f"{first_round:.2f}"],
        ["neighbours of every database image", f"{search:.2f}"],
        ["of these, the matrix product alone", f"{limit:.2f}"],
        [f"iterations ({outcome.iterations.sum()} of single lists)", f"{rest:.2f}"],
        ["ICFRR, neighbours and iterations", f"{search + rest:.2f}"],
    ]
    memory = f"Peak memory of the process: {after / 1e6:.0f} MB, {before / 1e6:.0f} MB before."
    return f"{table(lines, ['part', 'seconds'])}\n\n{memory}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a fifth of the database, 20 queries")
    args = parser.parse_args()
    database, queries, dim = (4000, 20, 512) if args.quick else (20_000, 100, 512)
    config = ICFRRConfig(KG=125, KQ=100, iterations=5)
    print(
        f"ICFRR, {queries} queries, {database} database images, {dim}-d, KG {config.KG}, "
        f"KQ {config.KQ}, {config.iterations} iterations; {torch.get_num_threads()} threads "
        f"on {describe()}\n"
    )
    print(measure(synthetic_scene(database, queries, dim), config))


if __name__ == "__main__":
    main()
