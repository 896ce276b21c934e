"""What calibration looks at: queries whose relevant candidates are known.

They come from labelled scenes, or from a database with poses alone: its own images are queries,
and what was taken together with a query is left out of its candidates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from gcsa.sideinfo.evidence import of_rows, wrapped

# Queries compared with the database at a time.
CHUNK = 256
# Images of the database that these are compared with at a time: bounds the memory.
COLUMNS = 1 << 16
# Photos taken within so many microseconds were taken together, where no session says it.
TOGETHER = 5 * 60 * 1_000_000
# Photos further apart in time were taken on two occasions.
PAUSE = 4 * 3600 * 1_000_000
# Half-way between places and photos: how often a database photographs a place says little of how
# often it will be asked for.
GAMMA = 0.5
# Of queries whose place is nowhere in the database: what a database alone does not tell.
ELSEWHERE = 0.05
# No query counts more than so many times what its place does, or less.
MOST = 4.0


@dataclass(frozen=True, eq=False)
class Sample:
    """Queries and their candidates; arrays (Q, N) but for weight (Q,); NaN is unknown.

    similarity; relevant, valid: bool. rows: of the database. photos: how many show the place of
    each candidate. turn: from the candidate's heading to the query's, radians. distance: from
    candidate to query, metres. measured: other numbers by kind, "radio" say. weight: of a query.
    own: (Q,) row of the database that a query is; None where the queries are others.
    """

    similarity: np.ndarray
    relevant: np.ndarray
    valid: np.ndarray
    rows: np.ndarray
    photos: np.ndarray
    turn: np.ndarray
    distance: np.ndarray
    weight: np.ndarray
    measured: dict[str, np.ndarray] = field(default_factory=dict)
    own: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Database:
    """Poses of n database images, and what tells which were taken together.

    positions: (n, 2) metres; headings: (n,) radians or None; NaN unknown. near: (n, n), K(j, i) of
    the rule at [i, j]. groups: (n,) int64 sequence, session or drive. times: (n,) int64
    microseconds. Where neither is given only an image itself is left out.
    """

    positions: np.ndarray
    near: csr_array
    headings: np.ndarray | None = None
    groups: np.ndarray | None = None
    times: np.ndarray | None = None

    @property
    def sessions(self) -> int:
        """On how many occasions the photos were taken, as far as is known; 0 is unknown."""
        if self.groups is not None:
            return len(np.unique(self.groups))
        return 0 if self.times is None else 1 + int((np.diff(np.sort(self.times)) > PAUSE).sum())

    @cached_property
    def photos(self) -> np.ndarray:
        """How many images show the place of each, itself among them: (n,)."""
        return np.asarray(self.near.sum(axis=1)).ravel()

    def photos_without(self, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The same of the images ``rows`` (q, N), without what was taken together with the queries
        ``query`` (q,): (q, N).
        """
        near = csr_array(self.near[rows.ravel()]).tocoo()
        gone = near.data * self.together(query[near.row // rows.shape[1]], near.col)
        left_out = np.bincount(near.row, gone, rows.size).reshape(rows.shape)
        return self.photos[rows] - left_out

    def together(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Whether the images of rows ``a`` and ``b``, which broadcast, were taken together."""
        same = a == b
        if self.groups is not None:
            same = same | (self.groups[a] == self.groups[b])
        elif self.times is not None:
            same = same | (np.abs(self.times[a] - self.times[b]) <= TOGETHER)
        return same


# (query rows (q,), database rows (q, m)) -> (q, m): whether relevant, or a number, NaN unknown
Between = Callable[[np.ndarray, np.ndarray], np.ndarray]


def own_queries(
    database: Database,
    descriptors: np.ndarray,
    rule: Between,
    num: int,
    most: int = 2000,
    measured: dict[str, Between] | None = None,
    seed: int = 0,
) -> Sample:
    """Images of the database as queries of all others; at most ``most`` of them, at random.

    rule: of the relevant pairs. num: candidates a query.
    What queries weigh: see :func:`weights`.
    """
    random = np.random.default_rng(seed)
    known = np.flatnonzero(np.isfinite(database.positions).all(1))
    chosen = np.sort(random.permutation(known)[:most])
    parts = [
        _own_block(database, descriptors, rule, num, chosen[i : i + CHUNK])
        for i in range(0, len(chosen), CHUNK)
    ]
    rows, similarity, relevant, photos, counts = map(np.concatenate, zip(*parts, strict=True))
    weight = weights(counts[:, 0], counts[:, 1])
    extra = {name: between(chosen, rows) for name, between in (measured or {}).items()}
    headings = None if database.headings is None else database.headings[chosen]
    positions = database.positions[chosen]
    found = sample(database, rows, similarity, relevant, positions, headings, weight, extra)
    # Those of the query's own session would betray its place: they count only where it is.
    return replace(found, photos=photos, own=chosen)


def sample(
    database: Database,
    rows: np.ndarray,
    similarity: np.ndarray,
    relevant: np.ndarray,
    positions: np.ndarray,
    headings: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    measured: dict[str, np.ndarray] | None = None,
) -> Sample:
    """Queries at known ``positions`` (Q, 2), as a sample: lists ``rows`` (Q, N), -1 padded."""
    offset = positions[:, None] - of_rows(database.positions, rows)
    turn = np.full(rows.shape, np.nan)
    if headings is not None and database.headings is not None:
        turn = wrapped(headings[:, None] - of_rows(database.headings, rows))
    return Sample(
        similarity=np.where(rows >= 0, similarity, 0.0),
        relevant=relevant & (rows >= 0),
        valid=rows >= 0,
        rows=rows,
        photos=of_rows(database.photos, rows),
        turn=turn,
        distance=np.hypot(offset[..., 0], offset[..., 1]),
        weight=np.ones(len(rows)) if weight is None else weight,
        measured=measured or {},
    )


def contrast(samples: list[Sample]) -> float:
    """By how much the best similarity of a list exceeds its mean, in the mean over the lists."""
    gaps = []
    for s in samples:
        mean = (s.similarity * s.valid).sum(1) / np.maximum(s.valid.sum(1), 1)
        gaps.append(np.where(s.valid, s.similarity, -np.inf).max(1) - mean)
    return float(np.mean(np.concatenate(gaps)))


def weights(of_all: np.ndarray, left: np.ndarray) -> np.ndarray:
    """What an image of the database counts as a query, so that it stands for queries to come.

    of_all: (Q,) how many images are relevant to its place, itself and what was taken together with
    it among them; left: how many of them are left as candidates. Queries are taken to be spread
    between "each place as likely" and "each photo as likely": of_all to the power -GAMMA. A query
    to come finds all photos of its place, an image of the database has its own session fewer: it
    counts by how often places have as many photos as are left to it. Places with none left make
    ELSEWHERE of the total. The mean over the others is 1.
    """
    place, exists = np.maximum(of_all, 1.0) ** -GAMMA, left > 0
    octave = [np.round(2 * np.log2(np.maximum(n, 1))).astype(np.int64) for n in (of_all, left)]
    bins = max(o.max(initial=0) for o in octave) + 1
    wanted = np.bincount(octave[0], place, bins)
    present = np.bincount(octave[1][exists], place[exists], bins)
    ratio = (wanted / wanted.sum()) / np.maximum(present / max(present.sum(), 1e-12), 1e-12)
    weight = place * np.clip(ratio, 1 / MOST, MOST)[octave[1]]
    inside, outside = weight[exists].sum(), weight[~exists].sum()
    share = ELSEWHERE / (1 - ELSEWHERE) * inside / max(outside, 1e-12)
    return np.where(exists, weight, weight * min(1.0, share)) * exists.sum() / max(inside, 1e-12)


def _own_block(
    database: Database,
    descriptors: np.ndarray,
    rule: Between,
    num: int,
    query: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Rows, similarity, relevance, photos (q, N) of the lists, (q, 2) for :func:`weights`."""
    rows, similarity = np.empty((len(query), 0), np.int64), np.empty((len(query), 0), np.float32)
    counts = np.zeros((len(query), 2), dtype=np.int64)
    asked, num = np.asarray(descriptors[query], np.float32), min(num, len(database.positions))
    for start in range(0, len(database.positions), COLUMNS):
        them = np.asarray(descriptors[start : start + COLUMNS], np.float32)
        there = np.broadcast_to(start + np.arange(len(them)), (len(query), len(them)))
        out = database.together(query[:, None], there[:1])
        alike = asked @ them.T
        alike[out] = -np.inf
        alike_by_rule = rule(query, there)
        counts += np.stack([alike_by_rule.sum(1), (alike_by_rule & ~out).sum(1)], 1)
        rows, similarity = _best(
            np.concatenate([rows, there], 1), np.concatenate([similarity, alike], 1), num
        )
    order = np.argsort(-similarity, axis=1, kind="stable")
    rows = np.take_along_axis(rows, order, 1)
    similarity = np.take_along_axis(similarity, order, 1).astype(np.float64)
    relevant = rule(query, rows) & np.isfinite(similarity)
    photos = database.photos_without(query, rows)
    return np.where(np.isfinite(similarity), rows, -1), similarity, relevant, photos, counts


def _best(rows: np.ndarray, similarity: np.ndarray, num: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``num`` most alike of each list (q, m), in no order; all where there are fewer."""
    if rows.shape[1] <= num:
        return rows, similarity
    kept = np.argpartition(-similarity, num - 1, axis=1)[:, :num]
    return np.take_along_axis(rows, kept, 1), np.take_along_axis(similarity, kept, 1)
