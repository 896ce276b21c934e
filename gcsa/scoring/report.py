"""What ranked lists find, as figures: recall@k and mAP@k, or those of the data set's protocols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gcsa.config import Config
from gcsa.datasets.readers import reader
from gcsa.errors import InputError
from gcsa.evaluation import figures, metrics
from gcsa.evaluation.listed import ListedTruth
from gcsa.evaluation.truth import labels, num_relevant
from gcsa.ranking.lists import Ranking
from gcsa.scoring.split import JudgedScene

Report = dict[str, Any]
# Of a scene: which of the best images are relevant (Q, 20), how many are in all (Q,), the size of
# the database.
Judgement = tuple[np.ndarray, np.ndarray, int]


def judging(config: Config, split: str) -> Config:
    """The config to measure a split with: training scenes, too, are judged by ``val_labels``."""
    if split != "train":
        return config
    return replace(config, data=replace(config.data, train_labels=config.data.val_labels))


def report(
    config: Config,
    split: str,
    scenes: Sequence[JudgedScene],
    rankings: Sequence[Ranking],
) -> Report:
    """{"protocol", "counts", "metrics", "scenes": {name: {"counts", "metrics"}}} of ranked lists.

    Metrics are over all queries together that have a relevant image, shares in [0, 1]: recall@k
    and mAP@k, or what the protocols of the data set say.
    """
    source, parts = reader(config.data), {}
    for ranked, ranking in zip(scenes, rankings, strict=True):
        if ranked.truth is None:
            raise InputError(
                f"{ranked.scene.name}: the true positions of its queries are not on disk, "
                "nothing to measure against"
            )
        if isinstance(ranked.truth, ListedTruth):
            parts[ranked.scene.name] = ranking.indices, ranked.truth
        else:
            parts[ranked.scene.name] = _judged(config, ranked, ranking)
    summary = partial(figures.summary, source.protocols) if source.protocols else _summary
    return {
        "protocol": source.protocol(config.data, split),
        **summary(list(parts.values())),
        "scenes": {name: summary([part]) for name, part in parts.items()},
    }


def _judged(config: Config, ranked: JudgedScene, ranking: Ranking) -> Judgement:
    """A scene's lists by the rule of the settings."""
    rule, scene, truth = config.data.val_labels, ranked.scene, ranked.truth
    best = ranking.indices[:, : max(metrics.KS)]
    return (
        labels(rule, scene, truth, best, config.fov),
        num_relevant(rule, scene, truth, config.fov),
        len(scene.database),
    )


def _summary(parts: Sequence[Judgement]) -> Report:
    relevant, numbers, sizes = zip(*parts, strict=True)
    numbers = np.concatenate(numbers)
    counts = {
        "queries": len(numbers),
        "with_positives": int((numbers > 0).sum()),
        "database": sum(sizes),
    }
    return {"counts": counts, "metrics": metrics.evaluate(np.concatenate(relevant), numbers)}


def table(rows: dict[str, Report]) -> str:
    """Reports as an aligned table, metrics in percent, with the counts behind."""
    names = list(next(iter(rows.values()))["metrics"])
    head = ["", *(n.replace("recall", "R") for n in names), "queries", "database"]
    lines = [head]
    for label, part in rows.items():
        counts = part["counts"]
        values = [f"{100 * part['metrics'][n]:.2f}" for n in names]
        queries = f"{counts['with_positives']} of {counts['queries']}"
        lines.append([label, *values, queries, str(counts["database"])])
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in row).rstrip()
        for row in (list(enumerate(zip(line, widths, strict=True))) for line in lines)
    )


def show(result: Report) -> str:
    """A report as text: the protocol, then a table by scene and in total."""
    rows = {**result["scenes"], "total": result}
    return f"{result['protocol']}\n\n{table(rows)}"


def without_nan(part: Any) -> Any:
    """A report as JSON has it, which knows no NaN: null where there was no query to measure."""
    if isinstance(part, dict):
        return {key: without_nan(value) for key, value in part.items()}
    return None if isinstance(part, float) and np.isnan(part) else part
