"""Exact first rounds of large databases: shards are searched by whoever has time, lists merged.

A piece of work is one shard of the database before one block of queries. Shards are whole chunks of
:mod:`gcsa.ranking.search`, so that each product of matrices is the one that a single process makes,
and the best of the best of the shards are the best of all: in float32 the lists are the same to the
bit, but for which of equal scores stand last; faiss sums in another order by the number of rows,
and differs in the last digit. A process begins with neighbouring shards, and reads no rows of
others unless it helps with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from gcsa import distributed
from gcsa.distributed.work import Arrays, own_pieces
from gcsa.ranking.search import DATABASE_CHUNK
from gcsa.scene import Scene

# A database is cut into so many shards about, of so many rows at most.
SHARDS, LARGEST = 64, 1 << 20


class Finder(Protocol):
    """A search that was opened on a database."""

    def best(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """Scores and database rows (q, num) of the best for the queries ``rows``, on the host."""
        ...


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows ``start`` to ``stop`` of descriptors, which are read when they are asked for."""

    whole: Any
    start: int
    stop: int

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), self.whole.shape[1]

    @property
    def dtype(self) -> np.dtype:
        return self.whole.dtype

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, index: Any) -> np.ndarray:
        if isinstance(index, slice):
            first, end, _ = index.indices(len(self))
            return self.whole[self.start + first : self.start + end]
        return self.whole[self.start + np.asarray(index)]


@dataclass(frozen=True, eq=False)
class Images:
    """What a search reads of a set of images."""

    descriptors: Any

    def __len__(self) -> int:
        return len(self.descriptors)


@dataclass(frozen=True, eq=False)
class Searched:
    """What a search reads of a scene: all of its queries, and the database or a shard of it."""

    database: Images
    queries: Images


Lists = tuple[np.ndarray, np.ndarray]
# (what is searched, how many of its rows are wanted, the row that is the query itself or -1 (Q,)).
Opened = Callable[[Searched, int, np.ndarray], Finder]


def best_of(
    scene: Scene, num: int, own: np.ndarray, block: int, opened: Opened, about: str
) -> tuple[np.ndarray, np.ndarray]:
    """Scores (Q, num) float32 and database rows of the best of each query, equal ones by row.

    own: (Q,) the row that is the query itself, -1 none. block: queries that are searched for at a
    time. about: the way of search. A query that has fewer is padded with -inf and -1.
    """
    starts = range(0, len(scene.queries), block)
    blocks = [np.arange(s, min(s + block, len(scene.queries))) for s in starts]
    shards = _shards(len(scene.database))
    found = [_nothing(len(rows), num) for rows in blocks]

    @lru_cache(maxsize=1)
    def finder(start: int, stop: int) -> Finder:
        part = Rows(scene.database.descriptors, start, stop)
        searched = Searched(Images(part), Images(scene.queries.descriptors))
        inside = (own >= start) & (own < stop)
        return opened(searched, min(num, len(part)), np.where(inside, own - start, -1))

    def work(number: int) -> Arrays:
        start, stop = shards[number // len(blocks)]
        scores, index = finder(start, stop).best(blocks[number % len(blocks)])
        index = torch.where(index >= 0, index + start, -1)
        return {"scores": scores.numpy(), "index": index.numpy()}

    def search() -> None:
        pieces = own_pieces(len(shards) * len(blocks), work, lambda: (about, scene, num, shards))
        for number, new in pieces:
            place = number % len(blocks)
            found[place] = merged([found[place], (new["scores"], new["index"])], num)

    distributed.of_all(search)
    best = [_nothing(0, num)] + [merged(distributed.everyone(lists), num) for lists in found]
    return np.concatenate([s for s, _ in best]), np.concatenate([i for _, i in best])


def merged(lists: Sequence[Lists], num: int) -> Lists:
    """The ``num`` best of several lists of the same queries, scores and rows (q, n) each.

    Falling scores, equal ones by row; a list with nothing in it leaves another as it is.
    """
    lists = [one for one in lists if np.isfinite(one[0][:, :1]).any()] or lists[:1]
    if len(lists) == 1:
        return lists[0]
    scores, index = (
        torch.from_numpy(np.concatenate([one[side] for one in lists], axis=1)) for side in (0, 1)
    )
    index, by_row = index.sort(dim=1)
    scores, by_score = scores.gather(1, by_row).sort(dim=1, descending=True, stable=True)
    return scores[:, :num].numpy(), index.gather(1, by_score)[:, :num].numpy()


def _nothing(count: int, num: int) -> Lists:
    shape = count, num
    return np.full(shape, -np.inf, dtype=np.float32), np.full(shape, -1, dtype=np.int64)


def _shards(count: int) -> list[tuple[int, int]]:
    """First rows and ends of the shards of a database; of one process all of it is one."""
    if distributed.size() == 1:
        return [(0, count)]
    rows = min(max(-(-count // SHARDS), 1), LARGEST)
    rows = -(-rows // DATABASE_CHUNK) * DATABASE_CHUNK
    return [(start, min(start + rows, count)) for start in range(0, count, rows)]
