"""Kernels K(j, i): the probability that image j is relevant to a query that stands where i stands.

"Where" has a jitter: a query is never quite where the photo is that shows its place. A kernel is
called with hypotheses (B, H) and candidates (B, N) and returns (B, H, N) float32, of padded rows
anything, so that relevance is g_j = sum_i p_i K(j, i). An image of unknown pose is a place of its
own: nothing is relevant there but itself. Letters: B queries of a block, H hypotheses that carry
mass, N candidates, n database images.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

# The disc is tabulated over (distance - reach) / spread within so many spreads, in such steps.
TAILS = 6.0
STEPS = 2048
# Spreads that are not the kernel's own are rounded to the next of a geometric row: 1.5 % off.
RATIO = 1.03
SMALLEST_SPREAD = 0.1  # metres


# A kernel of so many images is kept dense: 64 megabytes.
DENSE = 4096
# Images of unknown pose stand so far apart, and from all others, in metres.
APART = 1e9


@dataclass(frozen=True, eq=False)
class Hypotheses:
    """Where the queries of a block may stand; each tensor (B, H) or (B, H, 2).

    column: of the candidate that a hypothesis comes from. row: the database row of it, -1 padded.
    position, spread: mean and standard deviation along an axis, metres, in the frame of
    :class:`Places`. heading, turn: likewise, radians. Kernels of database pairs read ``row`` alone.
    """

    column: torch.Tensor
    row: torch.Tensor
    position: torch.Tensor
    spread: torch.Tensor
    heading: torch.Tensor
    turn: torch.Tensor


# (hypotheses (B, H), database rows of the candidates (B, N), -1 padded) -> (B, H, N) float32
Kernel = Callable[[Hypotheses, torch.Tensor], torch.Tensor]


@dataclass(frozen=True, eq=False)
class Places:
    """The poses of a database in a frame that single precision can hold.

    positions: (n, 2) float32, metres from ``centre`` (2,) float64; headings: (n,) float32. known:
    (n,) bool; an unknown pose stands by itself, APART from all others.
    """

    positions: torch.Tensor
    headings: torch.Tensor
    known: torch.Tensor
    centre: np.ndarray

    @classmethod
    def of(
        cls,
        positions: np.ndarray,
        headings: np.ndarray | None = None,
        device: torch.device | str = "cpu",
    ) -> Places:
        """From (n, 2) metres, (n,) radians, NaN unknown; headings, if given, must be known too."""
        known = np.isfinite(positions).all(1)
        turns = np.zeros(len(positions)) if headings is None else headings
        known = known & np.isfinite(turns)
        centre = np.median(positions[known], axis=0) if known.any() else np.zeros(2)
        alone = APART * np.stack([1.0 + np.arange(len(positions)), np.zeros(len(positions))], 1)
        frame = np.where(known[:, None], positions - centre, alone)
        turns = np.nan_to_num(turns).astype(np.float32)
        place, turn, there = (
            torch.from_numpy(a).to(device) for a in (frame.astype(np.float32), turns, known)
        )
        return cls(place, turn, there, centre)


def disc(distance: np.ndarray, spread: float, reach: float) -> np.ndarray:
    """P(|x - x_j| <= reach) for x ~ N(x_i, spread^2 I), |x_i - x_j| = distance; all metres.

    1 - Q_1(distance / spread, reach / spread), Marcum's function.
    """
    from scipy.stats import ncx2  # here: every program would wait a second for scipy.stats

    ratio = np.asarray(distance, dtype=np.float64) / spread
    return ncx2.cdf((reach / spread) ** 2, 2, ratio**2)


class Discs:
    """:func:`disc` tabulated over distance and spread, for tensors on any device."""

    def __init__(self, reach: float, device: torch.device | str = "cpu", largest: float = 1000.0):
        self.reach = reach
        self._table = torch.from_numpy(_tabulated(reach, largest)).to(device)

    def __call__(self, distance: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
        """Distances (B, H, N) and spreads (B, H) -> (B, H, N); a spread keeps to the table's."""
        table = self._table
        level = torch.log(spread / SMALLEST_SPREAD) * (1 / math.log(RATIO))
        level = level.round().clamp_(0, len(table) - 1)
        used = SMALLEST_SPREAD * RATIO**level
        scale = (STEPS / (2 * TAILS)) / used
        place = distance * scale[..., None]
        place += (STEPS / 2 + 0.5 - self.reach * scale)[..., None]
        # The nearest entry: the steps are so fine that it is off by 0.0012 at most.
        entry = place.clamp_(0, STEPS).to(torch.int32)
        entry += (level.to(torch.int32) * (STEPS + 1))[..., None]
        return torch.index_select(table.view(-1), 0, entry.view(-1)).view(entry.shape)


@lru_cache(maxsize=8)
def _tabulated(reach: float, largest: float) -> np.ndarray:
    """:func:`disc` over spreads up to ``largest`` (rows) and offsets from the reach, float32."""
    count = 1 + math.ceil(math.log(largest / SMALLEST_SPREAD) / math.log(RATIO))
    spreads = SMALLEST_SPREAD * RATIO ** np.arange(count)
    # Exact at every eighth offset: between them linear to 1e-4, and the rest is quick.
    fine, coarse = (np.linspace(-TAILS, TAILS, n + 1) for n in (STEPS, STEPS // 8))
    exact = [disc(np.abs(reach + coarse * s), s, reach) for s in spreads]
    return np.array([np.interp(fine, coarse, row) for row in exact], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Distance:
    """Rule "dist": image j lies within the reach of ``discs`` of the query."""

    places: Places
    discs: Discs

    def __call__(self, hypotheses: Hypotheses, rows: torch.Tensor) -> torch.Tensor:
        distance = distances(hypotheses.position, self.places.positions[rows.clamp(min=0)])
        return self.discs(distance, hypotheses.spread)


@dataclass(frozen=True, eq=False)
class Pose:
    """Rule "pose": within reach of the query, and headed within ``angle`` radians of it."""

    places: Places
    discs: Discs
    angle: float

    def __call__(self, hypotheses: Hypotheses, rows: torch.Tensor) -> torch.Tensor:
        rows = rows.clamp(min=0)
        distance = distances(hypotheses.position, self.places.positions[rows])
        turn = hypotheses.heading[..., None] - self.places.headings[rows][:, None]
        near = self.discs(distance, hypotheses.spread)
        return near.mul_(facing(turn, hypotheses.turn[..., None], self.angle))


def facing(turn: torch.Tensor, spread: torch.Tensor, angle: float) -> torch.Tensor:
    """P(|d| <= angle), d normal about ``turn`` with ``spread``, wrapped; radians, broadcast."""
    away = torch.remainder(turn + math.pi, 2 * math.pi).sub_(math.pi).abs_()
    # The second lobe: what comes round from behind.
    lobes = [
        torch.special.ndtr((angle - c) / spread) - torch.special.ndtr((-angle - c) / spread)
        for c in (away, 2 * math.pi - away)
    ]
    return lobes[0] + lobes[1]


@dataclass(frozen=True, eq=False)
class Pairs:
    """A kernel of database pairs, looked up: rule "fov" by overlap, or any other.

    starts (n + 1,), columns, values: K(j, i) at [i, j] in compressed rows. dense: the same
    (n, n), for a database of at most DENSE images, where it is faster; else None.
    """

    starts: torch.Tensor
    columns: torch.Tensor
    values: torch.Tensor
    dense: torch.Tensor | None

    @classmethod
    def of(cls, matrix: csr_array, device: torch.device | str = "cpu") -> Pairs:
        """From (n, n); an image is relevant to itself by 1 where the matrix does not say."""
        missing = np.flatnonzero(matrix.diagonal() == 0)
        ones = np.ones(len(missing)), (missing, missing)
        matrix = csr_array(matrix + csr_array(ones, shape=matrix.shape))
        arrays = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64)
        parts = (*arrays, matrix.data.astype(np.float32))
        starts, columns, values = (torch.from_numpy(a).to(device) for a in parts)
        dense = None
        if matrix.shape[0] <= DENSE:
            dense = torch.from_numpy(matrix.toarray().astype(np.float32)).to(device)
        return cls(starts, columns, values, dense)

    def __call__(self, hypotheses: Hypotheses, rows: torch.Tensor) -> torch.Tensor:
        if self.dense is not None:
            entry = hypotheses.row.clamp(min=0)[..., None] * len(self.dense)
            entry = entry + rows.clamp(min=0)[:, None]
            return torch.index_select(self.dense.view(-1), 0, entry.view(-1)).view(entry.shape)
        return self._from_rows(hypotheses.row, rows)

    def _from_rows(self, row: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The entries of the hypotheses' rows, scattered to where the list has their columns."""
        block = torch.zeros((*row.shape, rows.shape[1]), device=rows.device)
        first = self.starts[row.clamp(min=0)].flatten()
        length = self.starts[row.clamp(min=0) + 1].flatten() - first
        entry = _ranges(first, length)
        line = torch.repeat_interleave(torch.arange(len(first), device=rows.device), length)
        column, listed = self._listed(rows, line // row.shape[1], self.columns[entry])
        block.view(len(first), -1)[line[listed], column[listed]] = self.values[entry[listed]]
        return block

    def _listed(
        self, rows: torch.Tensor, query: torch.Tensor, images: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Where ``images`` (m,) stand in the lists ``rows`` (B, N) of ``query`` (m,), and whether
        they do: (m,) each. Nothing here is as long as the database.
        """
        beyond = len(self.starts)  # no image has this number; padding stands behind all
        ordered, column = torch.where(rows < 0, beyond - 1, rows).sort(dim=1)
        first = beyond * torch.arange(len(rows), device=rows.device)
        keys, wanted = (ordered + first[:, None]).view(-1), images + beyond * query
        place = torch.searchsorted(keys, wanted).clamp_(max=len(keys) - 1)
        return column.view(-1)[place], keys[place] == wanted


@dataclass(frozen=True, eq=False)
class SamePlace:
    """Rules "cluster" and "place": both images are of one place. places: (n,) int64 tensor."""

    places: torch.Tensor

    def __call__(self, hypotheses: Hypotheses, rows: torch.Tensor) -> torch.Tensor:
        own, others = self.places[hypotheses.row.clamp(min=0)], self.places[rows.clamp(min=0)]
        alike = own[..., None] == others[:, None]
        alike &= (hypotheses.row >= 0)[..., None] & (rows >= 0)[:, None]
        return alike.to(torch.float32)


def identity(hypotheses: Hypotheses, rows: torch.Tensor) -> torch.Tensor:
    """No positions are known: an image is relevant where the query is at its own place."""
    numbers = torch.arange(rows.shape[1], device=rows.device)
    return (hypotheses.column[..., None] == numbers).to(torch.float32)


def overlap_kernel(overlaps: csr_array, knots: np.ndarray, probability: np.ndarray) -> csr_array:
    """The matrix of :class:`Pairs` for rule "fov", from the overlaps of the database's fields.

    probability: P(overlap of the query's field with that of j >= 1/3), linear between the ``knots``
    of the overlap of i and j: what the jitter of the query's pose leaves of the rule.
    """
    values = np.interp(overlaps.data, knots, probability)
    return csr_array((values, overlaps.indices, overlaps.indptr), shape=overlaps.shape)


def near(positions: np.ndarray, spread: float, reach: float) -> csr_array:
    """K(j, i) of rule "dist" at [i, j] for a database (n, 2); a row of NaN has itself alone.

    Its row sums tell how many photos show the place of each. Memory grows with the pairs within
    reach: some 12 bytes each.
    """
    count, known = len(positions), np.flatnonzero(np.isfinite(positions).all(1))
    tree = cKDTree(positions[known])
    grid = np.linspace(0, reach + TAILS * spread, STEPS)
    table = disc(grid, spread, reach)
    pairs = tree.query_pairs(grid[-1], output_type="ndarray")
    value = np.interp(np.hypot(*(tree.data[pairs[:, 0]] - tree.data[pairs[:, 1]]).T), grid, table)
    i, j = known[pairs].T
    alone = np.arange(count)
    rows, columns = np.concatenate([i, j, alone]), np.concatenate([j, i, alone])
    values = np.concatenate([value, value, np.full(count, table[0])])
    return csr_array((values, (rows, columns)), shape=(count, count))


def distances(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """(B, H, 2), (B, N, 2) -> (B, H, N)."""
    east = a[..., 0, None] - b[:, None, :, 0]
    north = a[..., 1, None] - b[:, None, :, 1]
    return east.square_().addcmul_(north, north).sqrt_()


def _ranges(first: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """first[0], first[0] + 1, ... length[0] of them, then those of first[1]: one after another."""
    ends = torch.cumsum(length, 0)
    total = int(ends[-1]) if len(ends) else 0
    shift = torch.repeat_interleave(first - ends + length, length)
    return torch.arange(total, device=first.device) + shift
