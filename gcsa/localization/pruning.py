"""Radio pruning of the LaMAR paper: radio alone chooses where in the map a query is looked for.

A baseline to compare GCSA's use of the same signals with. Sarlin et al., "LaMAR: Benchmarking
Localization and Mapping for Augmented Reality", ECCV 2022, and the behaviour of its code
(``--use_radios``):

- The map is cut into cubes of 1 m, from the floor of its least coordinates. A bin gathers every
  WiFi and Bluetooth scan within ``window`` of one of its images, before or after, each scan once;
  its value is the mean RSSI per transmitter, -127 dBm where there is none. An image whose bin has
  no scan belongs to the nearest bin that has some (our reading: nearest centre).
- A query has the mean RSSI per transmitter of the scans in the ``window`` before it. Its distance
  to a bin is Euclidean, over the transmitters that it heard and the map knows. Bins no nearer than
  a bin that heard none of them would be are dropped.
- Bins are taken by increasing distance until they hold more than ``fraction`` of the map's images
  (rounded up); bins are taken whole, and those as far as the last one too.
- A query that heard nothing, or has no bin left, keeps every image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array
from scipy.spatial import cKDTree

from gcsa.datasets.lamar.scene import Part
from gcsa.errors import InputError
from gcsa.ranking.lists import Ranking
from gcsa.scene import Scene
from gcsa.sideinfo.scans import Scans, clock_of

UNHEARD = -127.0  # dBm
TIE = 1e-6  # dB
BIN = 1.0  # metres


@dataclass
class PruningConfig:
    """Settings of the paper's strongest baseline; its library's default window is 10 s."""

    window_us: int = 2_000_000  # microseconds; how far a scan may be from an image
    fraction: float = 0.025  # share of the map's images that a query keeps, at least


@dataclass(frozen=True, eq=False)
class Rows:
    """Radio rows, WiFi and Bluetooth together: times (m,) int64 microseconds; clock (m,) and
    transmitter (m,) int64, numbers that map and queries share; rssi (m,) float64, dBm.
    """

    times: np.ndarray
    clock: np.ndarray
    transmitter: np.ndarray
    rssi: np.ndarray


@dataclass(frozen=True, eq=False)
class RadioMap:
    """The bins of a map.

    transmitters: (t,) int64, sorted. above: (b, t) sparse, mean RSSI above UNHEARD, 0 unheard.
    bin_of: (n,) int64, the bin of each map image; every image has one.
    """

    transmitters: np.ndarray
    above: csc_array
    bin_of: np.ndarray


def prune(
    map_positions: np.ndarray,
    map_times: np.ndarray,
    map_clocks: np.ndarray,
    map_scans: Sequence[Scans],
    query_times: np.ndarray,
    query_clocks: np.ndarray,
    query_scans: Sequence[Scans],
    config: PruningConfig | None = None,
) -> np.ndarray:
    """Which map images (n) each query (Q) may be matched with: (Q, n) bool.

    map_positions: (n, 3) float64, metres. Times are int64 microseconds, (n,) and (Q,); clocks
    (n,) and (Q,) str the sub-sessions they belong to. Scans: any number of tables, WiFi and
    Bluetooth, of one or several sessions. Raises InputError where a map image has no position.

    Beside the result memory grows with the scans near images, and never with Q times n.
    """
    config = config or PruningConfig()
    allowed = np.ones((len(query_times), len(map_times)), dtype=bool)
    clocks = np.unique(np.concatenate([map_clocks, query_clocks]))
    names = np.unique(np.concatenate([[""], *(s.transmitters for s in (*map_scans, *query_scans))]))
    map_rows, query_rows = (_rows(s, clocks, names) for s in (map_scans, query_scans))
    map_clock, query_clock = (np.searchsorted(clocks, c) for c in (map_clocks, query_clocks))
    radio_map = build_map(map_positions, map_times, map_clock, map_rows, config.window_us)
    if radio_map is None:
        return allowed
    sizes = np.bincount(radio_map.bin_of, minlength=radio_map.above.shape[0])
    num = int(np.ceil(config.fraction * len(map_times)))
    query, row = _within(query_times, query_clock, query_rows, config.window_us, 0)
    known = np.isin(query_rows.transmitter[row], radio_map.transmitters)
    query, row = query[known], row[known]
    column = np.searchsorted(radio_map.transmitters, query_rows.transmitter[row])
    starts = np.searchsorted(query, np.arange(len(query_times) + 1))
    for q in range(len(query_times)):
        part = slice(starts[q], starts[q + 1])
        heard, values = _means(column[part], query_rows.rssi[row[part]])
        bins = nearest_bins(radio_map.above, sizes, heard, values, num)
        if len(bins):
            allowed[q] = np.isin(radio_map.bin_of, bins)
    return allowed


def _rows(scans: Sequence[Scans], clocks: np.ndarray, names: np.ndarray) -> Rows:
    """All scans in one table, numbered by the sorted clocks and names; other clocks left out."""
    empty = np.empty(0, dtype=np.int64)
    times, clock, transmitter, rssi = [empty], [empty], [empty], [np.empty(0)]
    for table in scans:
        kept = np.isin(table.clocks, clocks)[table.clock]
        times.append(table.timestamps[kept])
        clock.append(np.searchsorted(clocks, table.clocks)[table.clock[kept]])
        transmitter.append(np.searchsorted(names, table.transmitters)[table.transmitter[kept]])
        rssi.append(table.rssi_dbm[kept])
    return Rows(*(np.concatenate(parts) for parts in (times, clock, transmitter, rssi)))


def prune_scene(
    mapped: Part, queries: Sequence[Part], config: PruningConfig | None = None
) -> np.ndarray:
    """Which images of a map (n) each query (Q) of some sessions keeps: (Q, n) bool.

    Rows and columns are those of :func:`gcsa.datasets.lamar.scene.read_scene`.
    """

    def of(parts: Sequence[Part]) -> tuple[np.ndarray, np.ndarray, list[Scans]]:
        images = [(part.session.listed, part.rows) for part in parts]
        times = np.concatenate([image.timestamps[rows] for image, rows in images])
        clocks = np.concatenate([clock_of(image.sensor_ids[rows]) for image, rows in images])
        tables = [t for part in parts for t in (part.session.wifi, part.session.bluetooth)]
        return times, clocks, [table for table in tables if table is not None]

    return prune(mapped.poses()[1], *of([mapped]), *of(queries), config)


def retrieve_pruned(scene: Scene, allowed: np.ndarray, num: int) -> Ranking:
    """First-round retrieval among the images that each query keeps, allowed (Q, n) bool.

    Scores are those of :func:`gcsa.ranking.retrieval.retrieve`; equal scores come in database
    order, and a query with fewer than ``num`` images left has a padded list.
    """
    if scene.database.descriptors is None or scene.queries.descriptors is None:
        raise InputError(f"{scene.name}: retrieval needs descriptors")
    if allowed.shape != (len(scene.queries), len(scene.database)):
        raise InputError(f"{scene.name}: a mask of shape {allowed.shape} does not fit its images")
    indices = np.full((len(allowed), num), -1, dtype=np.int64)
    scores = np.full((len(allowed), num), -np.inf, dtype=np.float32)
    for q, kept in enumerate(allowed):
        rows = np.flatnonzero(kept)
        query = np.asarray(scene.queries.descriptors[q], dtype=np.float32)
        similarity = np.asarray(scene.database.descriptors[rows], dtype=np.float32) @ query
        best = np.argsort(-similarity, kind="stable")[:num]
        indices[q, : len(best)], scores[q, : len(best)] = rows[best], similarity[best]
    return Ranking(indices, scores)


def build_map(
    positions: np.ndarray, times: np.ndarray, clock: np.ndarray, rows: Rows, window_us: int
) -> RadioMap | None:
    """Bins of a map's images with their mean RSSI; None where no image has a scan in its window."""
    if not np.isfinite(positions).all():
        raise InputError("radio pruning: every map image needs a position")
    corner = np.floor(positions.min(axis=0))
    cells, cell_of = np.unique(
        np.floor((positions - corner) / BIN).astype(np.int64), axis=0, return_inverse=True
    )
    cell_of = cell_of.reshape(-1)
    image, row = _within(times, clock, rows, window_us, window_us)
    if len(image) == 0:
        return None
    each = np.unique(cell_of[image] * len(rows.times) + row)  # a scan counts once in a bin
    cell, row = np.divmod(each, len(rows.times))
    transmitters, column = np.unique(rows.transmitter[row], return_inverse=True)
    valid, bins = np.unique(cell, return_inverse=True)
    shape = (len(valid), len(transmitters))
    pair, mean = _means(bins * shape[1] + column, rows.rssi[row])
    above = csc_array((mean - UNHEARD, np.divmod(pair, shape[1])), shape=shape)
    # The cubes are the Voronoi cells of their centres: an image of a valid bin finds its own.
    _, bin_of = cKDTree(cells[valid] + 0.5).query((positions - corner) / BIN)
    own = np.minimum(np.searchsorted(valid, cell_of), len(valid) - 1)
    return RadioMap(transmitters, above, np.where(valid[own] == cell_of, own, bin_of))


def nearest_bins(
    above: csc_array, sizes: np.ndarray, heard: np.ndarray, values: np.ndarray, num: int
) -> np.ndarray:
    """The bins that a query keeps; none where radio says nothing.

    above: (b, t), see RadioMap. sizes: (b,) images of each bin. heard: columns of the transmitters
    that the query heard; values: their mean RSSI, dBm. num: images to be exceeded.
    """
    target = values - UNHEARD
    distance = np.linalg.norm(above[:, heard].toarray() - target, axis=1)
    survivors = np.flatnonzero(distance < np.linalg.norm(target) - TIE)
    order = survivors[np.argsort(distance[survivors], kind="stable")]
    if len(order) == 0:
        return order
    enough = min(int(np.searchsorted(np.cumsum(sizes[order]), num, side="right")), len(order) - 1)
    return order[distance[order] <= distance[order[enough]] + TIE]


def _within(
    times: np.ndarray, clock: np.ndarray, scans: Rows, before: int, after: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (image, scan row) with -before <= scan - image <= after, sorted by image.

    Clocks of different sub-sessions are not compared.
    """
    images, rows = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for number in np.unique(clock):
        of_images = np.flatnonzero(clock == number)
        of_scans = np.flatnonzero(scans.clock == number)
        of_scans = of_scans[np.argsort(scans.times[of_scans], kind="stable")]
        moments = scans.times[of_scans]
        first = np.searchsorted(moments, times[of_images] - before, side="left")
        counts = np.searchsorted(moments, times[of_images] + after, side="right") - first
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        images.append(np.repeat(of_images, counts))
        rows.append(of_scans[np.repeat(first, counts) + offsets])
    image, row = np.concatenate(images), np.concatenate(rows)
    order = np.argsort(image, kind="stable")
    return image[order], row[order]


def _means(keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted unique keys, and the mean of the values of each."""
    unique, index = np.unique(keys, return_inverse=True)
    counts = np.bincount(index, minlength=len(unique))
    return unique, np.bincount(index, values, minlength=len(unique)) / np.maximum(counts, 1)
