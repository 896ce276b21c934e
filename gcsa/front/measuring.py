"""Figures of ranked lists, and overlaps of cameras, from arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, issparse

from gcsa.errors import InputError
from gcsa.evaluation import metrics
from gcsa.front.arrays import array, cameras
from gcsa.ranking.lists import Ranking
from gcsa.sideinfo import fov


def measure(
    ranking: Ranking | ArrayLike,
    relevant: ArrayLike,
    num_relevant: ArrayLike | None = None,
    ks: tuple[int, ...] = metrics.KS,
) -> dict[str, float]:
    """Recall@k and mAP@k of ranked lists, shares in [0, 1], as MSLS's evaluator defines them.

    ranking: what :func:`rank` gives, or rows of the database (Q, N), best first, -1 for none.
    relevant: (Q, n) bool, also a sparse matrix: which images of the database are relevant.
    num_relevant: (Q,), how many are in all, where ``relevant`` holds some of them alone. Queries
    without any are left out; NaN where none is left.

    >>> import gcsa
    >>> gcsa.measure([[1, 0]], [[True, False]], ks=(1, 2))
    {'recall@1': 0.0, 'recall@2': 1.0, 'mAP@1': 0.0, 'mAP@2': 0.5}
    """
    indices = ranking.indices if isinstance(ranking, Ranking) else array("ranking", ranking)
    dense = relevant if issparse(relevant) else array("relevant", relevant)
    known = csr_array(dense, dtype=bool)
    if indices.ndim != 2 or len(indices) != known.shape[0]:
        raise InputError(
            f"relevant: {known.shape[0]} rows, for a ranking of shape {indices.shape}; "
            "expected one a query"
        )
    if indices.max(initial=-1) >= known.shape[1]:
        raise InputError(
            f"relevant: {known.shape[1]} columns, the ranking lists row {indices.max()} of the "
            "database; expected a column for each of its images"
        )
    rows = np.arange(len(indices))[:, None]
    found = known[rows, np.maximum(indices, 0)].toarray().astype(bool) & (indices >= 0)
    counts = known.sum(axis=1) if num_relevant is None else array("num_relevant", num_relevant)
    if counts.shape != (len(indices),):
        raise InputError(f"num_relevant: shape {counts.shape}, expected ({len(indices)},)")
    return metrics.evaluate(found, counts, ks)


def overlap(
    positions: ArrayLike,
    headings: ArrayLike,
    other_positions: ArrayLike | None = None,
    other_headings: ArrayLike | None = None,
    radius: float = 50.0,
    angle: float = np.pi / 2,
) -> np.ndarray:
    """Overlap of the fields of view of cameras, in [0, 1]: (n, n) among some, (n, m) with others.

    positions (n, 2) metres, headings (n,) and those of the m others; NaN for an unknown pose,
    whose overlap is 0. radius in metres, angle the full opening in radians: a field is a sector,
    overlap the area that two share over the area of one.

    >>> import gcsa
    >>> gcsa.overlap([[0, 0], [0, 200]], [0, 0]).round(3).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    xy, facing = cameras("positions", positions, "headings", headings)
    there, along = xy, facing
    if other_positions is not None or other_headings is not None:
        there, along = cameras("other_positions", other_positions, "other_headings", other_headings)
    try:
        known = np.isfinite(xy).all(1) & np.isfinite(facing)
        seen = np.isfinite(there).all(1) & np.isfinite(along)
        i, j = np.nonzero(known[:, None] & seen)
        result = np.zeros((len(xy), len(there)))
        result[i, j] = fov.overlap_of_pairs(
            xy, facing, there, along, radius=radius, angle=angle, pairs=(i, j)
        )
    except ValueError as error:
        raise InputError(f"overlap: {error}") from error
    return result
