"""How far a figure may be off by which queries happened to be asked: bootstrap intervals.

As many queries as there are, drawn from them with replacement, would have given another mean; the
interval holds the middle 95 % of RESAMPLES such means (the percentile method: Efron and Tibshirani,
An Introduction to the Bootstrap, 1993, chapter 13). The difference of two rankings of the same
queries is resampled as one value a query, so that what both find easy or hard cancels.

It takes queries for independent. Those of one walk are not, so that the truth is wider. And where
all queries agree there is nothing to resample: an interval without width is no certainty.
"""

from __future__ import annotations

import numpy as np

LEVEL, RESAMPLES, SEED = 0.95, 2000, 0
# Up to here an interval belongs beside a figure: with 1000 queries recall is known to 3 points.
FEW = 1000
# Values drawn at a time: bounds the memory, sixteen bytes each.
CHUNK = 1 << 20


def interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the mean of values (Q,) by query; NaN: a query that does not count.

    The same values give the same interval, whatever else was drawn. (NaN, NaN) without any.
    """
    kept = values[~np.isnan(values)]
    if len(kept) == 0:
        return float("nan"), float("nan")
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(resampled_means(kept), [tail, 1 - tail])
    return float(low), float(high)


def resampled_means(values: np.ndarray) -> np.ndarray:
    """Means (RESAMPLES,) of n values drawn with replacement from the n values; seeded."""
    random, count = np.random.default_rng(SEED), len(values)
    step = max(1, CHUNK // count)
    means = np.empty(RESAMPLES)
    for start in range(0, RESAMPLES, step):
        rows = means[start : start + step]
        rows[:] = values[random.integers(count, size=(len(rows), count))].mean(axis=1)
    return means
