"""Field-of-view overlap: five ways to one matrix, a query's block, a city's sparse matrix, labels.

Fields of 50 m, 90 degrees, 16 points, which can meet up to 100 m apart. Every way computes each
unordered pair once and makes the whole matrix. Times are CPU times on one thread, medians, but
where the wall is named; ratios are between times of this run.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
import shapely
from machine import cpu_time, describe, table, wall_time
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo import fov
from gcsa.sideinfo.affinity import AFFINITIES, Lists
from gcsa.sideinfo.fov import BACKENDS, FovConfig

REACH = 100.0  # metres: 2 radius
ROWS, ANCHORS = 319, 127  # a query's candidates, and those that are anchors
LOOP, VECTORISED = "Python loop, polygons built once", "vectorised Shapely"
HEAD = ["cameras", "way", "ms", "ns a close pair", "x loop", "x Shapely", "x geos", "difference"]

Cameras = tuple[np.ndarray, np.ndarray]  # positions (n, 2), headings (n,)


def disc(random: np.random.Generator, n: int, radius: float) -> np.ndarray:
    angle, share = random.uniform(0, 2 * np.pi, n), np.sqrt(random.random(n))
    return radius * share[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)


def worst(n: int) -> Cameras:
    """All within a radius of each other, at random headings."""
    random = np.random.default_rng(0)
    return disc(random, n, 25) + [5e5, 6e6], random.uniform(0, 2 * np.pi, n)


def realistic(n: int) -> Cameras:
    """A third near the query and looking its way, a third in fives, the rest over kilometres."""
    random = np.random.default_rng(0)
    near, fives = 3 * n // 10, n // 16
    centres = np.repeat(random.uniform(-2000, 2000, (fives, 2)), 5, axis=0)
    rest = n - near - len(centres)
    positions = [disc(random, near, 30), centres + random.normal(0, 5, centres.shape)]
    positions.append(random.uniform(-2000, 2000, (rest, 2)))
    headings = [random.normal(0, 0.2, near), np.repeat(random.uniform(0, 7, fives), 5)]
    headings.append(random.uniform(0, 7, rest))
    order = random.permutation(n)
    return np.concatenate(positions)[order] + [5e5, 6e6], np.concatenate(headings)[order]


def city(n: int) -> Cameras:
    """Cameras along streets of 125, in 5 x 5 km for 50,000."""
    random = np.random.default_rng(0)
    streets = n // 125
    start = random.uniform(0, 5000 * np.sqrt(n / 50000), (streets, 1, 2))
    street = random.uniform(0, 2 * np.pi, (streets, 1))
    along = np.sort(random.uniform(0, 300, (streets, 125)), axis=1)
    ahead = np.stack([np.sin(street), np.cos(street)], axis=-1)
    positions = start + along[..., None] * ahead + random.normal(0, 2, (streets, 125, 2))
    headings = street + random.integers(0, 4, (streets, 125)) * np.pi / 2
    return positions.reshape(-1, 2) + [5e5, 6e6], (headings + random.normal(0, 0.1)).ravel()


# ---- one matrix


def by_loop(positions: np.ndarray, headings: np.ndarray) -> np.ndarray:
    """Plain Python, the polygons built once."""
    polygons = shapely.polygons(fov.sectors(positions, headings))
    out = np.eye(len(polygons))
    for i, one in enumerate(polygons):
        for j in range(i + 1, len(polygons)):
            if np.hypot(*(positions[i] - positions[j])) <= REACH:
                out[i, j] = out[j, i] = one.intersection(polygons[j]).area / one.area
    return out


def by_vectorised_shapely(positions: np.ndarray, headings: np.ndarray) -> np.ndarray:
    polygons = shapely.polygons(fov.sectors(positions, headings))
    distance = np.hypot(*(positions[:, None] - positions).transpose(2, 0, 1))
    i, j = np.nonzero(np.triu(distance <= REACH, 1))
    out = np.eye(len(polygons))
    out[i, j] = shapely.area(shapely.intersection(polygons[i], polygons[j]))
    out[i, j] /= shapely.area(polygons[i])
    out[j, i] = out[i, j]
    return out


def ways() -> dict[str, tuple[Callable, Callable, int]]:
    """Ways to a matrix: (cameras -> matrix, clock, how often it is timed)."""
    found = {LOOP: (by_loop, cpu_time, 1), VECTORISED: (by_vectorised_shapely, cpu_time, 3)}
    if "geos" in BACKENDS:
        found["geos"] = partial(fov.overlap_pairs, backend="geos"), cpu_time, 3
    if "convex" in BACKENDS:
        convex = partial(fov.overlap_pairs, backend="convex")
        found["convex"] = convex, cpu_time, 15
        found["convex, 2 threads, by the wall"] = partial(convex, num_threads=2), wall_time, 15
    return found


def matrices(label: str, cameras: Cameras) -> list[list[str]]:
    """Rows of the table of ways to make a matrix."""
    tree, n = cKDTree(cameras[0]), len(cameras[0])
    close = (tree.count_neighbors(tree, REACH) - n) // 2
    expected, seconds, rows = by_vectorised_shapely(*cameras), {}, []
    for name, (way, clock, repeats) in ways().items():
        seconds[name] = own = clock(lambda w=way: w(*cameras), repeats, int(repeats > 1))
        others = (LOOP, VECTORISED, "geos")
        ratios = [f"{seconds[of] / own:.1f}" if of in seconds else "" for of in others]
        difference = f"{abs(way(*cameras) - expected).max():.0e}"
        cells = f"{1e3 * own:.2f}", f"{1e9 * own / close:.0f}", *ratios, difference
        rows.append([f"{label}, {close} pairs", name, *cells])
    return rows


def block(label: str, cameras: Cameras) -> None:
    """Print the time of one query's block."""
    n = len(cameras[0])
    rows, anchors, candidates = min(n, ROWS), min(n, ANCHORS), np.arange(n)[None]
    seconds = cpu_time(lambda: fov.overlap_block(*cameras, candidates, rows, anchors), 15)
    print(f"block of a query ({rows} x {anchors}), {label}: {1e3 * seconds:.2f} ms")


# ---- a city


def candidate_lists(positions: np.ndarray, count: int) -> np.ndarray:
    """Lists (count, ROWS): 120 of the 400 cameras nearest to a query, the rest from anywhere."""
    random, tree, n = np.random.default_rng(1), cKDTree(positions), len(positions)
    lists = []
    for place in random.integers(0, n, count):
        near = random.permutation(tree.query(positions[place], 400)[1])[:120]
        others = np.setdiff1d(random.choice(n, ROWS + 120, replace=False), near)
        lists.append(random.permutation(np.concatenate([near, others[: ROWS - len(near)]])))
    return np.array(lists)


def sparse(cameras: Cameras) -> float:
    """Print the parts of the city's sparse matrix; seconds of the whole, on one thread."""
    positions, headings = cameras
    matrix = fov.overlap_sparse(*cameras)
    whole = cpu_time(lambda: fov.overlap_sparse(*cameras), 3)

    def near():
        return cKDTree(positions).query_pairs(REACH, output_type="ndarray")

    pairs = near()
    tree = cpu_time(near, 3)
    kernel = cpu_time(
        lambda: fov.overlap_of_pairs(positions, headings, *cameras, pairs=tuple(pairs.T)), 3
    )
    two = wall_time(lambda: fov.overlap_sparse(*cameras, num_threads=2), 3)
    print(f"\n{len(positions)} cameras, {len(pairs)} pairs within reach, ", end="")
    print(f"{matrix.nnz} overlaps stored: {whole:.2f} s")
    print(f"of which KD-tree {tree:.2f} s, kernel {kernel:.2f} s ", end="")
    print(f"({1e9 * kernel / len(pairs):.0f} ns a pair), the rest is building the matrix")
    print(f"with 2 threads, by the wall: {two:.2f} s")
    return whole


def crossover(cameras: Cameras, whole: float) -> None:
    """Print from how many lists on the sparse matrix pays."""
    names = np.arange(len(cameras[0])).astype(str)
    images = ImageSet(names, positions=cameras[0], headings=cameras[1])
    columns = AFFINITIES["positional-db"](Scene("city", images, images), FovConfig())
    candidates = candidate_lists(cameras[0], 32)
    lists = Lists(np.zeros(32, dtype=np.int64), candidates, ROWS, ANCHORS)
    read = cpu_time(lambda: columns(lists), 5) / 32
    compute = cpu_time(lambda: fov.overlap_block(*cameras, candidates, ROWS, ANCHORS), 5) / 32
    print(f"block of a list: read {1e3 * read:.2f} ms, computed {1e3 * compute:.2f} ms: ", end="")
    lists_that_pay = whole / (compute - read) if compute > read else np.inf
    print(f"the matrix pays from {lists_that_pay:.0f} lists on")


def labels(cameras: Cameras) -> None:
    """Print what labels of candidates cost, computed, and read from a sparse matrix."""
    (positions, headings), queries = cameras, len(cameras[0]) // 25
    random = np.random.default_rng(2)
    chosen = random.choice(len(positions), queries, replace=False)
    asked = positions[chosen] + random.normal(0, 3, (queries, 2)), headings[chosen]
    tree = cKDTree(positions)
    near = np.array([random.permutation(found)[:ROWS] for found in tree.query(asked[0], 700)[1]])
    i, j = np.repeat(np.arange(queries), ROWS), near.ravel()

    def compute():
        return fov.overlap_of_pairs(*asked, *cameras, pairs=(i, j))

    def read():
        within = cKDTree(asked[0]).sparse_distance_matrix(tree, REACH, output_type="ndarray")
        pairs = within["i"], within["j"]
        overlaps = fov.overlap_of_pairs(*asked, *cameras, pairs=pairs)
        return csr_array((overlaps, pairs), shape=(queries, len(positions)))[i, j]

    times = [1e3 * cpu_time(way, 3) for way in (compute, read)]
    print(f"labels of {queries} x {ROWS}: computed {times[0]:.0f} ms, ", end="")
    print(f"by a sparse matrix, made and read once, {times[1]:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=ROWS, help="of a matrix")
    parser.add_argument("--city", type=int, default=50000, help="cameras of the city")
    parser.add_argument("--quick", action="store_true", help="a few seconds, to see that it runs")
    args = parser.parse_args()
    if args.quick:
        args.cameras, args.city = 60, 5000
    print(f"{describe()}\n")
    scenarios = {"realistic": realistic(args.cameras), "worst": worst(args.cameras)}
    print(table([row for s in scenarios.items() for row in matrices(*s)], HEAD), "\n")
    for scenario in scenarios.items():
        block(*scenario)
    cameras = city(args.city)
    crossover(cameras, sparse(cameras))
    labels(cameras)


if __name__ == "__main__":
    main()
