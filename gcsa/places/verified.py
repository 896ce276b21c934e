"""Local features as evidence of a place, matched only where that can change the answer.

A pair of images takes some ten milliseconds to match and verify, a hundred times what all other
evidence of a query takes. So candidates are verified in the order of their posterior probability,
until the mode is settled: no candidate that was not verified would overtake it by half of the best
log-likelihood ratio that the calibration knows. On the miniworld's training cities that costs a
ninth of verifying the first 50 of each query and keeps two thirds of the gain
(benchmarks/lazy.py). What was not verified has the evidence 0, unknown.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gcsa.sideinfo.evidence import Table, tabulated

# Of the best ratio, what a candidate is thought to gain.
SHARE = 0.5

# Query rows (m,) and columns (m,) of their lists -> inliers (m,), NaN unknown.
Ask = Callable[[np.ndarray, np.ndarray], np.ndarray]


def verified(total: np.ndarray, ask: Ask, table: Table, most: int) -> np.ndarray:
    """Log-likelihood ratios (Q, N) of what was verified, 0 elsewhere.

    total: (Q, N), all other evidence, -inf where padded. most: candidates of a query.
    """
    found, seen = np.zeros(total.shape), ~np.isfinite(total)
    allowed = seen.sum(axis=1) + most
    gain = SHARE * float(table.log_ratio.max(initial=0.0))
    while len(open_ := _unsettled(total + found, seen, gain, allowed)):
        column = np.where(seen[open_], -np.inf, (total + found)[open_]).argmax(axis=1)
        found[open_, column] = tabulated(ask(open_, column), table)
        seen[open_, column] = True
    return np.where(np.isfinite(total), found, 0.0)


def _unsettled(total: np.ndarray, seen: np.ndarray, gain: float, allowed: np.ndarray) -> np.ndarray:
    """Rows of the queries whose mode another candidate could still take."""
    best = np.where(seen, total, -np.inf).max(axis=1, initial=-np.inf)
    other = np.where(seen, -np.inf, total).max(axis=1, initial=-np.inf)
    return np.flatnonzero((other + gain > best) & np.isfinite(other) & (seen.sum(1) < allowed))
