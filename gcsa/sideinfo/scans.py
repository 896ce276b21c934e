"""Which radio scans belong to an image: those of its own clock, nearest in time.

Scans and images are joined by sorted search. Every scan owns an interval of time, halfway to its
neighbours, and the images in it are a range of the sorted images: the work grows with what is
found, not with the number of pairs. (Hanning, Flood and Larsson, SCIA 2025, arXiv 2504.11134.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from gcsa.sideinfo.radio import MAX_DISTANCE, Radio, path_loss_distance, stack_columns

WINDOW_US = 10_000_000  # microseconds; a scan further from an image is not its own


@dataclass(frozen=True, eq=False)
class Scans:
    """Radio rows of one session, m of them in any order: one signal heard by one receiver.

    timestamps: (m,) int64 microseconds. clock: (m,) index into clocks (c,) str, the sub-sessions,
    whose timestamps have nothing in common. transmitter: (m,) index into transmitters (t,) str.
    rssi_dbm: (m,) float64. frequency_mhz: (m,) float64, 0 or less is unknown.
    """

    timestamps: np.ndarray
    clocks: np.ndarray
    clock: np.ndarray
    transmitters: np.ndarray
    transmitter: np.ndarray
    rssi_dbm: np.ndarray
    frequency_mhz: np.ndarray

    def __len__(self) -> int:
        return len(self.timestamps)


def clock_of(sensor_ids: np.ndarray) -> np.ndarray:
    """The sub-session of each sensor id: what stands before its first "/"; "" without one."""
    ids = np.asarray(sensor_ids, dtype=str)
    if not ids.size:  # NumPy cannot cut no strings
        return ids
    parts = np.char.partition(ids, "/")
    return np.where(parts[..., 1] == "/", parts[..., 0], "")


def observe(
    timestamps: np.ndarray,
    clocks: np.ndarray,
    wifi: Scans | None,
    bluetooth: Scans | None,
    past_only: bool,
    window_us: int = WINDOW_US,
) -> Radio:
    """What images heard: (n,) int64 microseconds and (n,) str sub-sessions -> Radio of n rows.

    An image has the WiFi rows of one timestamp, the nearest of its sub-session, and of each
    Bluetooth beacon the nearest row; at most ``window_us`` away, the limit included; of two
    equally near, the earlier. past_only: only scans at or before the image count (a query cannot
    wait for the next scan). Of rows of one transmitter at one timestamp the nearest in metres,
    the strongest at equal frequency, counts.
    """
    found = [
        _heard(timestamps, clocks, scans, grouped, past_only, window_us)
        for scans, grouped in ((wifi, True), (bluetooth, False))
        if scans is not None
    ]
    return stack_columns(len(timestamps), found)


def _heard(
    timestamps: np.ndarray, clocks: np.ndarray, scans: Scans, grouped: bool, past: bool, window: int
) -> Radio:
    """What images heard of one table; rows that share a timestamp belong together if ``grouped``.

    A series is what only one moment is taken of: a sub-session's WiFi, or one of its beacons.
    """
    distance = path_loss_distance(scans.rssi_dbm, scans.frequency_mhz)
    order = np.lexsort((distance, scans.timestamps, scans.transmitter, scans.clock))
    same = _equal_to_previous(scans.clock, scans.transmitter, scans.timestamps, order=order)
    row = order[~same]  # sorted by clock, transmitter, time; one row for each
    series = scans.clock[row] * (1 if grouped else len(scans.transmitters))
    series = series + (0 if grouped else scans.transmitter[row])
    if grouped:
        again = np.lexsort((scans.timestamps[row], series))
        row, series = row[again], series[again]
    start = np.flatnonzero(~_equal_to_previous(series, scans.timestamps[row]))
    length = np.diff(np.append(start, len(row)))
    moments = scans.timestamps[row[start]]
    low, high = _spans(moments, series[start], past, window)
    image, moment = _images_within(
        timestamps, clocks, low, high, scans.clocks, scans.clock[row[start]]
    )
    image, inside = np.repeat(image, length[moment]), _ranges(start[moment], length[moment])
    entries = (distance[row[inside]] - MAX_DISTANCE, (image, scans.transmitter[row[inside]]))
    shape = (len(timestamps), len(scans.transmitters))
    return Radio(csr_array(entries, shape=shape), scans.transmitters)


def _equal_to_previous(*columns: np.ndarray, order: np.ndarray | None = None) -> np.ndarray:
    """Whether each row repeats the one before it, (m,) bool; rows taken in ``order``."""
    same = np.ones(len(columns[0]), dtype=bool)
    same[:1] = False
    for column in columns:
        column = column if order is None else column[order]
        same[1:] &= column[1:] == column[:-1]
    return same


def _spans(
    moments: np.ndarray, series: np.ndarray, past_only: bool, window: int
) -> tuple[np.ndarray, np.ndarray]:
    """For each moment of its series the images that are its own: those from low to high, (g,).

    The images between two neighbours are divided at the middle, the middle to the earlier one.
    """
    low, high = moments - (0 if past_only else window), moments + window
    if len(moments) > 1:
        gap, neighbours = np.diff(moments), series[1:] == series[:-1]
        last = moments[:-1] + (gap - 1 if past_only else gap // 2)
        high[:-1] = np.where(neighbours, np.minimum(high[:-1], last), high[:-1])
        low[1:] = np.where(neighbours, np.maximum(low[1:], last + 1), low[1:])
    return low, high


def _images_within(
    timestamps: np.ndarray,
    clocks: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    span_clocks: np.ndarray,
    span_clock: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Each pair (image, span) of one clock with low <= timestamp <= high, both (k,) int64.

    Two keys sort as one number: the clock, then the rank among all timestamps of images.
    """
    names, clock = np.unique(clocks, return_inverse=True)
    stamps, rank = np.unique(timestamps, return_inverse=True)
    size = len(stamps) + 1
    key = clock.reshape(-1) * size + rank.reshape(-1)
    order = np.argsort(key, kind="stable")
    place = np.searchsorted(names, span_clocks)
    known = np.isin(span_clocks, names)[span_clock]
    base = place[span_clock] * size
    first = np.searchsorted(key[order], base + np.searchsorted(stamps, low, side="left"))
    last = np.searchsorted(key[order], base + np.searchsorted(stamps, high, side="right"))
    length = np.where(known, np.maximum(last - first, 0), 0)
    return order[_ranges(first, length)], np.repeat(np.arange(len(low)), length)


def _ranges(start: np.ndarray, length: np.ndarray) -> np.ndarray:
    """The numbers start, start + 1, ... of each pair, ``length`` of them, one after another."""
    ends = np.cumsum(length)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(start - ends + length, length)
