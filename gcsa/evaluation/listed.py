"""Ground truth as named lists of database rows: relevant ones, and junk that is left out.

The landmark benchmarks judge by lists (Philbin et al., CVPR 2007: ok, junk; Radenovic et al., CVPR
2018: easy, hard, junk), retrieval by class by equal labels. :mod:`gcsa.evaluation.protocols` says
which lists count as relevant and which as junk. Nothing that computes a score may read this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from gcsa.errors import InputError, nearest


@dataclass(frozen=True, eq=False)
class ListedTruth:
    """What is known of (query, database image) pairs, list by list.

    lists: name -> (q, n) csr_array bool, row i the database rows in that list of query i.
    num_relevant: (q,) int64, the relevant images of the whole database, where the lists hold only
        some of them; None where they hold all.
    """

    lists: dict[str, csr_array]
    num_relevant: np.ndarray | None = None

    def __post_init__(self) -> None:
        shapes = {name: lists.shape for name, lists in self.lists.items()}
        if len(set(shapes.values())) != 1:
            raise InputError(f"ground truth: lists of one common shape expected, got {shapes}")
        if self.num_relevant is not None and len(self.num_relevant) != self.shape[0]:
            raise InputError(
                f"ground truth: {len(self.num_relevant)} counts for {self.shape[0]} queries"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of queries and of database images."""
        return next(iter(self.lists.values())).shape

    def __getitem__(self, name: str) -> csr_array:
        if name not in self.lists:
            raise InputError(f"ground truth: has no list '{name}'{nearest(name, self.lists)}")
        return self.lists[name]

    @classmethod
    def from_labels(
        cls, queries: np.ndarray, database: np.ndarray, own: np.ndarray | None = None
    ) -> ListedTruth:
        """ "relevant": the database images (n,) of a query's label (q,); "own": the query itself.

        own: (q,) the row of the database that is the query, -1 or None where none is.
        """
        order = np.argsort(database, kind="stable")
        first, last = (
            np.searchsorted(database[order], queries, side) for side in ("left", "right")
        )
        same: list[np.ndarray] = [order[a:b] for a, b in zip(first, last, strict=True)]
        own = np.full(len(queries), -1) if own is None else own
        itself = [own[[query]] if own[query] >= 0 else own[:0] for query in range(len(own))]
        lists = {"relevant": same, "own": itself}
        return cls({name: rows_to_lists(rows, len(database)) for name, rows in lists.items()})

    @classmethod
    def from_hits(
        cls, order: np.ndarray, hits: np.ndarray, num_relevant: np.ndarray, database: int
    ) -> ListedTruth:
        """ "relevant": those of the ranked images ``order`` (q, N) that ``hits`` (q, N) marks.

        For rules that judge ranked images (:func:`gcsa.evaluation.truth.labels`) and count the
        others: ``num_relevant`` (q,) of ``database`` images.
        """
        rows = [ranked[hit] for ranked, hit in zip(order, hits, strict=True)]
        return cls({"relevant": rows_to_lists(rows, database)}, np.asarray(num_relevant))


def rows_to_lists(
    rows: Sequence[Sequence[int] | np.ndarray], database: int, where: str = "ground truth"
) -> csr_array:
    """Lists of database rows, one a query, as (q, database) csr_array bool; repeats count once.

    InputError, with ``where`` and the query's number, where a row is not in 0..database-1.
    """
    parts = [np.unique(np.asarray(r, dtype=np.int64)) for r in rows]
    for number, part in enumerate(parts):
        if len(part) and not 0 <= part[0] <= part[-1] < database:
            wrong = part[0] if part[0] < 0 else part[-1]
            raise InputError(
                f"{where}: query {number} lists image {wrong}, the database has {database} "
                f"(0 to {database - 1})"
            )
    ends = np.cumsum([0, *(len(p) for p in parts)])
    columns = np.concatenate([np.zeros(0, dtype=np.int64), *parts])
    return csr_array((np.ones(len(columns), dtype=bool), columns, ends), (len(parts), database))
