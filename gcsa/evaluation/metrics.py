"""Recall@k and mAP@k as the official MSLS evaluator defines them; pure NumPy."""

from __future__ import annotations

import numpy as np

KS = (1, 5, 10, 20)


def average_precision_at_k(relevant: np.ndarray, num_relevant: np.ndarray, k: int) -> np.ndarray:
    """AP@k of each query: (Q, M) bool in ranked order, (Q,) counts -> (Q,) float64 in [0, 1].

    The sum of the precisions at the ranks i <= k that hold a relevant image, divided by
    min(k, num_relevant), where ``num_relevant`` counts the relevant images of the whole database.
    0 for a query without any; leave those out of a mean.
    """
    hits = np.asarray(relevant, dtype=bool)[:, :k].astype(np.float64)
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    best = np.minimum(np.asarray(num_relevant), k)
    return (precision * hits).sum(axis=1) / np.maximum(best, 1)


def by_query(
    relevant: np.ndarray, num_relevant: np.ndarray, ks: tuple[int, ...] = KS
) -> dict[str, np.ndarray]:
    """{"recall@1": (Q,), ..., "mAP@20": (Q,)} float64 in [0, 1], NaN without a relevant image.

    relevant: (Q, M) bool, in ranked order; num_relevant: (Q,), of the whole database. Recall of a
    query is 1 where a relevant image is among its first k, else 0.
    """
    relevant, num_relevant = np.asarray(relevant, dtype=bool), np.asarray(num_relevant)
    recalls = {f"recall@{k}": relevant[:, :k].any(axis=1) for k in ks}
    precisions = {f"mAP@{k}": average_precision_at_k(relevant, num_relevant, k) for k in ks}
    found = recalls | precisions
    return {name: np.where(num_relevant > 0, values, np.nan) for name, values in found.items()}


def mean(values: np.ndarray) -> float:
    """Mean over the queries that have a value, (Q,) with NaN where none; NaN where none has."""
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if len(kept) else float("nan")


def evaluate(
    relevant: np.ndarray, num_relevant: np.ndarray, ks: tuple[int, ...] = KS
) -> dict[str, float]:
    """{"recall@1": ..., "mAP@20": ...} over the queries that have a relevant image at all."""
    return {name: mean(v) for name, v in by_query(relevant, num_relevant, ks).items()}
