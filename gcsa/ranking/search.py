"""Exact search of a database by inner product, at the speed of the matrix product."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from gcsa.ranking.best import COMPILED, Best
from gcsa.ranking.index import factory
from gcsa.scene import Scene

# Descriptors are compared in blocks of this many queries by this many database images: large
# enough for the matrix product to run at full speed, small enough for its 32 MB of scores to be
# looked through in the cache.
QUERY_CHUNK = 2048
DATABASE_CHUNK = 4096
# Entries that are kept at a time over all queries of a chunk: bounds the memory of long lists.
KEPT = 1 << 24
# A search in half precision keeps this many times the entries, to be compared again.
SPARE = 2
# Up to this length of descriptors, and for databases of up to this many bytes in float32, faiss is
# the fastest on a CPU where nothing was compiled: benchmarks/retrieval.py.
FAISS_LENGTH, FAISS_BYTES = 1024, 4 << 30


def own_rows(scene: Scene) -> np.ndarray:
    """(Q,) the database row that is the query itself, -1 where there is none."""
    order = scene.database.by_name
    names = scene.database.names[order]
    place = np.minimum(np.searchsorted(names, scene.queries.names), len(names) - 1)
    return np.where(names[place] == scene.queries.names, order[place], -1)


class Search:
    """Exact search of a scene's database, in chunks of both sides.

    Most time should go into the matrix product. So a chunk of scores is not sorted: only what
    beats the worst that is kept so far is looked at, and few entries do after the first chunks;
    see :mod:`gcsa.ranking.best`, and :class:`Masked` where that is not compiled, or on a GPU.
    """

    dtype = torch.float32

    def __init__(self, scene: Scene, num: int, device: torch.device, own: np.ndarray):
        self.scene, self.num, self.device, self.own = scene, num, device, own
        shape = DATABASE_CHUNK, scene.database.descriptors.shape[1]
        self._compiled = COMPILED and device.type == "cpu"
        # Used again and again: fresh memory costs more than what is done with it.
        self._database = torch.empty(shape, dtype=self.dtype, device=device)
        self._scores = torch.empty(QUERY_CHUNK, DATABASE_CHUNK, device=device)

    def asked(self, scene: Scene, own: np.ndarray) -> Search:
        """For other queries of the same database; what was made ready of it stays."""
        made = copy.copy(self)
        made.scene, made.own = scene, own
        return made

    def best(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """Scores and database rows (q, num) of the best for the queries ``rows``, on the host."""
        best, index = self.top(rows, self.num)
        return (best, index) if self._compiled else in_order(best, index)

    def top(self, rows: np.ndarray, num: int) -> tuple[Tensor, Tensor]:
        """The ``num`` best for the queries ``rows`` by the scores of this search; in order only
        where compiled.
        """
        queries = self._move(self.scene.queries.descriptors[rows]).to(self.dtype)
        own = torch.from_numpy(self.own[rows]).to(self.device)
        kept = Best(len(rows), num) if self._compiled else Masked(len(rows), num, self.device)
        for start in range(0, len(self.scene.database), DATABASE_CHUNK):
            block = self._move(self.scene.database.descriptors[start : start + DATABASE_CHUNK])
            scores = self._product(queries, self._database[: len(block)].copy_(block), block)
            mine = (own >= start) & (own < start + len(block))
            scores[mine, own[mine] - start] = -torch.inf
            kept.join(scores, start)
        return kept.result()

    def _product(self, queries: Tensor, database: Tensor, block: Tensor) -> Tensor:
        """Scores of queries and a chunk of the database; block: the chunk before rounding."""
        flat = self._scores.view(-1)[: len(queries) * len(database)]
        return torch.mm(queries, database.T, out=flat.view(len(queries), len(database)))

    def _move(self, descriptors: np.ndarray) -> Tensor:
        """On the device; the half-precision bytes are what travels."""
        return torch.from_numpy(np.ascontiguousarray(descriptors)).to(self.device)


class Half(Search):
    """Search in half precision with the result of float32, see :mod:`gcsa.ranking.retrieval`."""

    def __init__(self, scene: Scene, num: int, device: torch.device, own: np.ndarray):
        self.dtype = torch.float16 if device.type == "cuda" else torch.bfloat16
        super().__init__(scene, num, device, own)
        self._exact = Search(scene, num, device, own)
        self._shift = torch.zeros((), device=device)  # the longest that a database row moved

    def asked(self, scene: Scene, own: np.ndarray) -> Half:
        """As :meth:`Search.asked`."""
        made = copy.copy(self)
        made.scene, made.own, made._exact = scene, own, self._exact.asked(scene, own)
        return made

    def best(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        count = min(SPARE * self.num, len(self.scene.database))
        rough, index = self.top(rows, count)
        queries = self._move(self.scene.queries.descriptors[rows])
        exact, order = again(self.scene, queries, index).sort(dim=1, descending=True)
        scores, index = in_order(exact[:, : self.num], index.gather(1, order[:, : self.num]))
        # What was not kept scored ``least`` at most. In truth it can score more: by as much as
        # rounding moved the two vectors, and the product; 1e-5 is for sums of rounded numbers.
        unit = torch.finfo(self.dtype).eps / 2
        moved = 1.02 * (_shift(queries, self.dtype) + self._shift)
        least = rough.amin(dim=1)
        limit = least + moved + unit * least.abs() + 1e-5
        unsure = limit.cpu() >= scores[:, -1]
        if count < len(self.scene.database) and unsure.any():
            scores[unsure], index[unsure] = self._exact.best(rows[unsure.numpy()])
        return scores, index

    def _product(self, queries: Tensor, database: Tensor, block: Tensor) -> Tensor:
        self._shift = torch.maximum(self._shift, _shift(block, self.dtype).max())
        return _product_in_half(queries, database)


class Faiss:
    """Exact search by faiss, where it is installed."""

    def __init__(self, scene: Scene, num: int, device: torch.device, own: np.ndarray):
        faiss = factory.faiss()
        self.scene, self.own = scene, own
        # One more than asked for: the query's own image may be among them.
        self._kept, self._asked = num, min(num + 1, len(scene.database))
        self._index = faiss.IndexFlatIP(scene.database.descriptors.shape[1])
        for start in range(0, len(scene.database), DATABASE_CHUNK):
            rows = scene.database.descriptors[start : start + DATABASE_CHUNK]
            self._index.add(rows.astype(np.float32))

    def asked(self, scene: Scene, own: np.ndarray) -> Faiss:
        """As :meth:`Search.asked`."""
        made = copy.copy(self)
        made.scene, made.own = scene, own
        return made

    def best(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """As :meth:`Search.best`."""
        queries = self.scene.queries.descriptors[rows].astype(np.float32)
        scores, index = self._index.search(queries, self._asked)
        scores[index == self.own[rows][:, None]] = -np.inf
        scores, index = in_order(torch.from_numpy(scores), torch.from_numpy(index))
        return scores[:, : self._kept], index[:, : self._kept]


def again(scene: Scene, queries: Tensor, index: Tensor) -> Tensor:
    """Scores in float32 of queries (q, D) and the database rows (q, m) found for each, -inf for
    -1; from the descriptors themselves, on the device of ``queries``.
    """
    exact = torch.full(index.shape, -torch.inf, device=queries.device)
    for i, found in enumerate(index.cpu().numpy()):
        kept = np.flatnonzero(found >= 0)
        rows = np.ascontiguousarray(scene.database.descriptors[found[kept]])
        exact[i, kept] = torch.from_numpy(rows).to(queries.device).float() @ queries[i].float()
    return exact


def _shift(descriptors: Tensor, dtype: torch.dtype) -> Tensor:
    """How far rounding to ``dtype`` moves descriptors, (n,)."""
    return (descriptors.float() - descriptors.to(dtype).float()).norm(dim=1)


class Masked:
    """As :class:`gcsa.ranking.best.Best` but for the order, by torch on any device."""

    def __init__(self, count: int, num: int, device: torch.device):
        self._best = torch.full((count, num), -torch.inf, device=device)
        self._index = torch.full((count, num), -1, dtype=torch.int64, device=device)
        self._least = self._best[:, :1]

    def join(self, scores: Tensor, first: int) -> None:
        """Scores (count, c) float32 of what is numbered from ``first`` on."""
        self._best, self._index, self._least = _merge(
            self._best, self._index, self._least, scores, first
        )

    def result(self) -> tuple[Tensor, Tensor]:
        """Scores and numbers (count, num), in no order."""
        return self._best, self._index


def _merge(
    best: Tensor, index: Tensor, least: Tensor, scores: Tensor, start: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The best of those kept (q, n) and of a chunk's scores (q, c) that begins at ``start``.

    least: (q, 1) the lowest score that is kept of each query, -inf while there is room.
    """
    if torch.isneginf(least).any():
        least = _least(scores, best.shape[1])
    row, flat = _nonzero(scores > least)
    counts = torch.bincount(row, minlength=len(best))
    width = int(counts.max())
    if width > max(best.shape[1], scores.shape[1] // 8):
        new, column = scores.topk(min(best.shape[1], scores.shape[1]), dim=1, sorted=False)
    else:
        place = torch.arange(len(row), device=row.device) + (
            row * width - (counts.cumsum(0) - counts)[row]
        )
        new = torch.full((len(best), width), -torch.inf, device=best.device)
        column = torch.zeros(new.shape, dtype=torch.int64, device=best.device)
        new.view(-1)[place] = scores.view(-1)[flat]
        column.view(-1)[place] = flat - row * scores.shape[1]
    both, where = torch.cat([best, new], 1).topk(best.shape[1], dim=1, sorted=False)
    index = torch.cat([index, column + start], 1).gather(1, where)
    return both, index, both.amin(dim=1, keepdim=True)


def _least(scores: Tensor, num: int) -> Tensor:
    """(q, 1) just below the ``num``-th highest score of each row, -inf if there are fewer."""
    place = scores.shape[1] - num
    if place < 0:
        return scores.new_full((len(scores), 1), -torch.inf)
    if scores.device.type == "cpu":  # torch.kthvalue takes several times as long
        found = torch.from_numpy(np.partition(scores.numpy(), place, axis=1)[:, place, None])
    else:
        found = scores.kthvalue(place + 1, dim=1, keepdim=True)[0]
    return found.nextafter(found.new_tensor(-torch.inf))


def _product_in_half(queries: Tensor, database: Tensor) -> Tensor:
    """Scores in float32, of half-precision vectors whose products are summed in float32."""
    flags = torch.backends.cuda.matmul
    before = flags.allow_fp16_reduced_precision_reduction
    flags.allow_fp16_reduced_precision_reduction = False
    try:
        return torch.mm(queries, database.T).float()
    finally:
        flags.allow_fp16_reduced_precision_reduction = before


def _nonzero(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Row of every True, and its place in the flattened mask."""
    if mask.device.type == "cpu":
        flat = torch.from_numpy(np.flatnonzero(mask.numpy()))  # several times as fast as torch
    else:
        flat = mask.view(-1).nonzero()[:, 0]
    return flat // mask.shape[1], flat


def in_order(scores: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Falling scores, equal ones by index; on the host."""
    scores, order = scores.sort(dim=1, descending=True)
    index = index.gather(1, order)
    ties = (scores[:, 1:] == scores[:, :-1]).any(dim=1)
    if ties.any():
        some, by_index = index[ties].sort(dim=1)
        scores[ties], by_score = (
            scores[ties].gather(1, by_index).sort(dim=1, descending=True, stable=True)
        )
        index[ties] = some.gather(1, by_score)
    return scores.cpu(), index.cpu()


def fastest(scene: Scene, num: int, device: torch.device) -> str:
    """The way of search for a scene on a device."""
    n, length = scene.database.descriptors.shape
    if device.type == "cuda":
        return "fp32"  # comparing again, rows from the host, would cost more than is saved
    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    native = any(getattr(torch.cpu, name, lambda: False)() for name in asked)
    if native and n >= 100 * SPARE * num:  # where comparing again is little beside the search
        return "half"
    fits = length <= FAISS_LENGTH and 4 * n * length <= FAISS_BYTES
    quicker = not COMPILED and fits and importlib.util.find_spec("faiss")
    return "faiss" if quicker else "fp32"


SEARCHES: dict[str, Callable[..., Search | Faiss]] = {"fp32": Search, "half": Half, "faiss": Faiss}
