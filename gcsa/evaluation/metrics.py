"""Recall@k and mAP@k as the official MSLS evaluator defines them; pure NumPy."""

from __future__ import annotations

import numpy as np

KS = (1, 5, 10, 20)


def recall_at_k(relevant: np.ndarray, k: int) -> float:
    """Share of the queries with a relevant image among their first ``k``.

    relevant: (Q, M) bool, in ranked order. Leave out queries without any relevant image in the
    database, as the benchmarks do. NaN without queries.
    """
    relevant = np.asarray(relevant, dtype=bool)
    return float(relevant[:, :k].any(axis=1).mean()) if len(relevant) else float("nan")


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


def evaluate(
    relevant: np.ndarray, num_relevant: np.ndarray, ks: tuple[int, ...] = KS
) -> dict[str, float]:
    """{"recall@1": ..., "mAP@20": ...} over the queries that have a relevant image at all."""
    kept = np.asarray(num_relevant) > 0
    relevant, num_relevant = np.asarray(relevant)[kept], np.asarray(num_relevant)[kept]
    if not kept.any():
        return {f"{name}@{k}": float("nan") for name in ("recall", "mAP") for k in ks}
    recalls = {f"recall@{k}": recall_at_k(relevant, k) for k in ks}
    precisions = {
        f"mAP@{k}": float(average_precision_at_k(relevant, num_relevant, k).mean()) for k in ks
    }
    return recalls | precisions
