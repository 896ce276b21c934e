"""What the protocols say of ranked lists (:mod:`gcsa.evaluation.protocols`), all in one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gcsa.evaluation.listed import ListedTruth
from gcsa.evaluation.protocols import Found, protocol

FAMILY = "revisited-"


def summary(
    protocols: Sequence[str], parts: Sequence[tuple[np.ndarray, ListedTruth]]
) -> dict[str, dict[str, Any]]:
    """{"counts", "metrics"} over all queries of some scenes together.

    parts: of each scene its ranked lists (Q, N), rows of the database, and its ground truth.
    metrics: shares in [0, 1] by names like "mAP" or, of the revisited protocols, "hard mAP".
    counts: "queries", "with_positives", those with a relevant image by any of the protocols, and
    "database", images of it.
    """
    metrics: dict[str, float] = {}
    positive = np.zeros(sum(len(order) for order, _ in parts), dtype=bool)
    for name in protocols:
        chosen = protocol(name)
        found = _joined([chosen.find(order, truth) for order, truth in parts])
        prefix = f"{name.removeprefix(FAMILY)} " if name.startswith(FAMILY) else ""
        metrics |= {f"{prefix}{key}": value for key, value in chosen.measure(found).items()}
        positive |= found.num > 0
    counts = {
        "queries": len(positive),
        "with_positives": int(positive.sum()),
        "database": sum(truth.shape[1] for _, truth in parts),
    }
    return {"counts": counts, "metrics": metrics}


def _joined(parts: Sequence[Found]) -> Found:
    """The queries of several scenes numbered behind each other."""
    starts = np.cumsum([0, *(len(part.num) for part in parts)])
    query = [part.query + start for part, start in zip(parts, starts, strict=False)]
    others = [[part.rank, part.place, part.num] for part in parts]
    return Found(np.concatenate(query), *map(np.concatenate, zip(*others, strict=True)))
