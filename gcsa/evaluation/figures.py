"""Figures of ranked lists: query by query, then counts, means and intervals in one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gcsa.evaluation import metrics
from gcsa.evaluation.intervals import FEW, interval
from gcsa.evaluation.listed import ListedTruth
from gcsa.evaluation.protocols import protocol

FAMILY = "revisited-"


@dataclass(frozen=True, eq=False)
class Figures:
    """What ranked lists of Q queries find, query by query.

    values: {"recall@1": (Q,) float64 in [0, 1]}, NaN where a query does not count. positive: (Q,)
    bool, queries with a relevant image, of several protocols by any. database: its images.
    """

    values: dict[str, np.ndarray]
    positive: np.ndarray
    database: int

    @classmethod
    def of_labels(cls, relevant: np.ndarray, num: np.ndarray, database: int) -> Figures:
        """recall@k and mAP@k of labelled lists (Q, M), ``num`` (Q,) images relevant in all."""
        return cls(metrics.by_query(relevant, num), np.asarray(num) > 0, database)

    @classmethod
    def of_lists(cls, protocols: Sequence[str], order: np.ndarray, truth: ListedTruth) -> Figures:
        """What the protocols say of ranked lists (Q, N); names like "mAP" or "hard mAP"."""
        values: dict[str, np.ndarray] = {}
        positive = np.zeros(len(order), dtype=bool)
        for name in protocols:
            chosen = protocol(name)
            found = chosen.find(order, truth)
            prefix = f"{name.removeprefix(FAMILY)} " if name.startswith(FAMILY) else ""
            values |= {f"{prefix}{key}": v for key, v in chosen.by_query(found).items()}
            positive |= found.num > 0
        return cls(values, positive, truth.shape[1])

    @classmethod
    def joined(cls, parts: Sequence[Figures]) -> Figures:
        """The queries of several scenes together, each searched in the database of its own."""
        values = {n: np.concatenate([p.values[n] for p in parts]) for n in parts[0].values}
        positive = np.concatenate([p.positive for p in parts])
        return cls(values, positive, sum(p.database for p in parts))

    @property
    def counts(self) -> dict[str, int]:
        """{"queries", "with_positives", "database"}."""
        positive = int(self.positive.sum())
        return {
            "queries": len(self.positive),
            "with_positives": positive,
            "database": self.database,
        }

    @property
    def metrics(self) -> dict[str, float]:
        """The means over the queries that count; NaN where none does."""
        return {name: metrics.mean(values) for name, values in self.values.items()}

    def summary(self) -> dict[str, dict[str, Any]]:
        """{"counts", "metrics"}; of few queries also "intervals": {figure: [low, high]}."""
        parts: dict[str, dict[str, Any]] = {"counts": self.counts, "metrics": self.metrics}
        if 0 < parts["counts"]["with_positives"] < FEW:
            parts["intervals"] = {name: list(interval(v)) for name, v in self.values.items()}
        return parts

    def gain_over(self, other: Figures) -> dict[str, dict[str, Any]]:
        """{"difference": {figure: self - other}, "intervals": {figure: [low, high]}}.

        Paired: other has the same queries, row by row, and each is compared with itself.
        """
        gains = {name: values - other.values[name] for name, values in self.values.items()}
        return {
            "difference": {name: metrics.mean(gain) for name, gain in gains.items()},
            "intervals": {name: list(interval(gain)) for name, gain in gains.items()},
        }
