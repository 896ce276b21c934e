"""Ranked lists of many scenes as one stream of batches, prepared ahead of the model.

A batch does not hold a descriptor for each query and candidate, but the number of its row in an
array of descriptors, or of projected ones: an image that stands in many lists is read, moved and,
where the model wants that, projected once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gcsa.descriptors.table import Table
from gcsa.errors import given
from gcsa.ranking.lists import Ranking
from gcsa.scene import Scene
from gcsa.sideinfo.affinity import Lists, SideInformation


@dataclass(frozen=True, eq=False)
class RankedScene:
    """A scene with the first-round candidates of its queries, their side information and labels.

    labels: (Q, N) bool, which candidates are relevant; None where nobody asks.
    """

    scene: Scene
    candidates: Ranking
    side: SideInformation
    labels: np.ndarray | None = None

    @property
    def relevant(self) -> np.ndarray:
        """The labels; InputError where there are none."""
        return given(self.labels, f"{self.scene.name}: what is relevant to its queries")


@dataclass(frozen=True, eq=False)
class Batch:
    """What the model reads of B queries, N candidates each; row 0 is the query.

    place: (B, 1+N) int64, rows of ``descriptors`` or of an array that the receiver has.
    columns: (B, 1+K, C) float32. labels: (B, 1+K) bool, the query itself a positive, or None.
    valid: (B, N) bool, False where padded; None where nothing is. descriptors: (U, D0) float16 of
    the images of the batch, each once, or None; on the host it is overwritten once the next batch
    is asked for.
    """

    place: Tensor
    columns: Tensor
    labels: Tensor | None
    valid: Tensor | None
    descriptors: Tensor | None = None

    def __len__(self) -> int:
        return len(self.place)

    def to(self, device: torch.device) -> Batch:
        """On another device; from pinned memory without waiting for the copy."""
        return self._each(lambda t: t.to(device, non_blocking=True))

    def pinned(self) -> Batch:
        """With what is on the host in pinned memory."""
        return self._each(lambda t: t if t.is_cuda else t.pin_memory())

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        optional = (self.labels, self.valid, self.descriptors)
        changed = (t if t is None else change(t) for t in optional)
        return Batch(change(self.place), change(self.columns), *changed)


# (numbers (B, 1+N) in the table, number of the batch) -> place, descriptors of a Batch.
Locate = Callable[[np.ndarray, int], tuple[np.ndarray, Tensor | None]]


class OwnDescriptors:
    """Locates images in the batch's own descriptors, which are gathered once an image.

    Host memory is used again after ``depth`` batches: a fresh buffer costs the time of the
    gathering itself. For a GPU it is pinned, and copied beside what the GPU computes; the copy is
    done before the batch is handed out.
    """

    def __init__(self, table: Table, depth: int):
        self._table, self._depth = table, depth
        self._room: list[Tensor | None] = [None] * depth
        on_gpu = table.device.type == "cuda"
        self._side = torch.cuda.Stream(table.device) if on_gpu else None

    def __call__(self, numbers: np.ndarray, batch: int) -> tuple[np.ndarray, Tensor]:
        images, place = np.unique(numbers, return_inverse=True)
        place = place.reshape(numbers.shape)
        if not self._table.on_host:
            return place, self._table.gather(images)
        slot = batch % self._depth
        room = self._room[slot]
        if room is None or len(room) < len(images):
            pinned = self._table.device.type == "cuda"
            shape = (numbers.size, self._table.length)
            room = self._room[slot] = torch.empty(shape, dtype=torch.float16, pin_memory=pinned)
        return place, self._moved(self._table.gather(images, room))

    def _moved(self, rows: Tensor) -> Tensor:
        if self._side is None:
            return rows
        with torch.cuda.stream(self._side):
            moved = rows.to(self._table.device, non_blocking=True)
        self._side.synchronize()
        moved.record_stream(torch.cuda.default_stream(self._table.device))
        return moved


class Known:
    """Locates images among those of an array that the receiver has: rows of ``images``."""

    def __init__(self, images: np.ndarray, total: int):
        self._row = np.full(total, -1, dtype=np.int64)
        self._row[images] = np.arange(len(images))

    def __call__(self, numbers: np.ndarray, batch: int) -> tuple[np.ndarray, None]:
        return self._row[numbers], None


@dataclass(eq=False)
class Stream:
    """Batches of queries, prepared ahead by ``num_workers`` threads.

    Threads suffice: gathering rows and looking overlaps up is NumPy's work, outside of the
    interpreter's lock. seed: what a batch drops at random follows from it and the batch's number;
    None outside of training.
    """

    scenes: Sequence[RankedScene]
    table: Table
    K: int
    L: int
    batch_size: int
    num_workers: int = 0
    seed: tuple[int, ...] | None = None
    radio_dropout: float = 0.0

    def own_descriptors(self) -> OwnDescriptors:
        """A way to locate images for :meth:`batches` that gathers descriptors batch by batch."""
        # Those that wait, the one in use and the one that a thread is filling.
        return OwnDescriptors(self.table, self.num_workers + 2)

    def numbers(self, queries: np.ndarray) -> np.ndarray:
        """Numbers (M, 1+N) in the table of the (M, 2) pairs (scene, query) and their candidates."""
        out = np.empty((len(queries), 1 + max(self.K, self.L)), dtype=np.int64)
        for number, rows, own, candidates in self._by_scene(queries):
            out[rows] = self.table.rows(number, own, candidates)
        return out

    def batches(self, queries: np.ndarray, locate: Locate, first: int = 0) -> Iterator[Batch]:
        """Batches of (M, 2) pairs (scene, query), in their order; the last may be smaller.

        first: the number of the first batch, where this is not the start.
        """
        starts = range(0, len(queries), self.batch_size)

        def make(i: int) -> Batch:
            return self.assemble(queries[starts[i] :][: self.batch_size], locate, first + i)

        if self.num_workers == 0:
            yield from map(make, range(len(starts)))
            return
        with ThreadPoolExecutor(self.num_workers) as pool:
            waiting: deque = deque()
            try:
                for i in range(len(starts)):
                    waiting.append(pool.submit(make, i))
                    if len(waiting) > self.num_workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def assemble(self, queries: np.ndarray, locate: Locate, batch: int = 0) -> Batch:
        """One batch of the (B, 2) pairs (scene, query); its scenes may differ."""
        random = None if self.seed is None else np.random.default_rng([*self.seed, batch])
        place, descriptors = locate(self.numbers(queries), batch)
        parts, order = [], []
        for number, rows, own, candidates in self._by_scene(queries):
            order.append(rows)
            lists = Lists(own, candidates, self.K, self.L, random, self.radio_dropout)
            parts.append(_side(self.scenes[number], lists))
        columns, labels, valid = parts[0] if len(parts) == 1 else _joined(parts, order)
        made = Batch(
            torch.from_numpy(place),
            torch.from_numpy(columns),
            None if labels is None else torch.from_numpy(labels),
            None if valid.all() else torch.from_numpy(valid),
            descriptors,
        )
        return made.pinned() if self.table.device.type == "cuda" else made

    def _by_scene(
        self, queries: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
        """For each scene among the pairs: its number, where it stands, its queries, their lists."""
        for number in np.unique(queries[:, 0]):
            rows = np.flatnonzero(queries[:, 0] == number)
            own = queries[rows, 1]
            lists = self.scenes[number].candidates.indices[own, : max(self.K, self.L)]
            yield int(number), rows, own, lists


# Columns, labels and valid of a Batch, as arrays.
Side = tuple[np.ndarray, np.ndarray | None, np.ndarray]


def _side(ranked: RankedScene, lists: Lists) -> Side:
    """Columns, labels and valid of a Batch for some queries of one scene."""
    labels = None
    if ranked.labels is not None:
        labels = np.ones((len(lists.queries), 1 + lists.K), dtype=bool)
        labels[:, 1:] = ranked.labels[lists.queries, : lists.K]
    return ranked.side.columns(lists), labels, lists.candidates >= 0


def _joined(parts: Sequence[Side], order: Sequence[np.ndarray]) -> Side:
    """The parts of several scenes as one, in the order of the batch."""
    back = np.argsort(np.concatenate(order))
    known = [labels for _, labels, _ in parts if labels is not None]
    return (
        np.concatenate([columns for columns, _, _ in parts])[back],
        np.concatenate(known)[back] if known else None,
        np.concatenate([valid for _, _, valid in parts])[back],
    )
