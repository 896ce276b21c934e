"""Which images were taken together, and in what order."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

# Images at most so many seconds and metres apart were taken on one walk or drive.
SECONDS, METRES = 300.0, 250.0
# With how many images that follow in time each is compared: so many cameras may be about at once.
FOLLOWING = 8


def sessions(times: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Walks and drives, told by when and where images were taken: (n,) int64, -1 of unknown time.

    times: (n,) seconds; positions: (n, 2) metres; NaN is unknown, and an unknown position is
    anywhere. Each image is linked to those of the FOLLOWING next in time that are no more than
    SECONDS and METRES from it; a session is what hangs together.
    """
    known = np.flatnonzero(~np.isnan(times))
    order = known[np.argsort(times[known], kind="stable")]
    steps = range(1, min(FOLLOWING + 1, len(order)))
    before = np.concatenate([known[:0], *(order[:-step] for step in steps)])
    after = np.concatenate([known[:0], *(order[step:] for step in steps)])
    apart = np.linalg.norm(positions[after] - positions[before], axis=1)
    linked = (times[after] - times[before] <= SECONDS) & ~(apart > METRES)
    entries = np.ones(int(linked.sum())), (before[linked], after[linked])
    labels = connected_components(coo_array(entries, shape=(len(times),) * 2), directed=False)[1]
    return np.where(np.isnan(times), -1, labels).astype(np.int64)


def in_order(sequences: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The place of each image in its sequence, from 0, by time: (n,) int64.

    Images of one time keep their order, and those of unknown time (NaN) come last.
    """
    order = np.lexsort((np.arange(len(times)), np.where(np.isnan(times), np.inf, times), sequences))
    ordered = sequences[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    lengths = np.diff(np.append(starts, len(order)))
    frames = np.empty(len(times), dtype=np.int64)
    frames[order] = np.arange(len(order)) - np.repeat(starts, lengths)
    return frames
