"""What ranked lists find, as figures: recall@k and mAP@k, or those of the data set's protocols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gcsa.config import Config
from gcsa.datasets.readers import reader
from gcsa.errors import InputError
from gcsa.evaluation import metrics
from gcsa.evaluation.figures import Figures
from gcsa.evaluation.intervals import LEVEL, RESAMPLES, SEED
from gcsa.evaluation.listed import ListedTruth
from gcsa.evaluation.truth import Truth, labels, num_relevant
from gcsa.ranking.lists import Ranking
from gcsa.scoring.confidence import show_confidence
from gcsa.scoring.places import show_places
from gcsa.scoring.split import JudgedScene
from gcsa.sideinfo.rules import Rule

Report = dict[str, Any]


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
    how: str = "",
) -> Report:
    """{"protocol", "counts", "metrics", "scenes": {name: {"counts", "metrics"}}} of ranked lists.

    Metrics are over all queries together that have a relevant image, shares in [0, 1]: recall@k
    and mAP@k, or what the protocols of the data set say. Beside those of few queries stand their
    "intervals", {name: [low, high]} (:mod:`gcsa.evaluation.intervals`), and where some have no
    true position their number, "not_scored". how: what the protocol says of the ranking.
    """
    parts, missing = figures_of(config, scenes, rankings), not_scored(config, scenes)
    return {
        "protocol": protocol_of(config, split, scenes, how),
        **({"not_scored": missing} if missing else {}),
        **Figures.joined(list(parts.values())).summary(),
        "scenes": {name: part.summary() for name, part in parts.items()},
    }


def protocol_of(config: Config, split: str, scenes: Sequence[JudgedScene], how: str = "") -> str:
    """The reader's words on a split. "with query GPS" where queries have readings of their own.

    how: what is said of the ranking, at the end of the first sentence.
    """
    read = any(s.scene.queries.positions is not None for s in scenes)
    words = reader(config.data).protocol(replace(config.data, query_gps=read), split)
    gist, stop, rest = words.partition(". ")
    return f"{gist}{how}{stop}{rest}"


def not_scored(config: Config, scenes: Sequence[JudgedScene]) -> int:
    """How many queries have no true position that the rule could judge by."""
    if Rule.of(config.data.val_labels).kind not in ("dist", "pose", "fov"):
        return 0
    places = [s.truth.positions for s in scenes if isinstance(s.truth, Truth)]
    return sum(int(np.isnan(p).any(axis=1).sum()) for p in places)


def figures_of(
    config: Config, scenes: Sequence[JudgedScene], rankings: Sequence[Ranking]
) -> dict[str, Figures]:
    """What the ranked lists of each scene find, query by query; InputError without truth."""
    source, parts = reader(config.data), {}
    for ranked, ranking in zip(scenes, rankings, strict=True):
        if ranked.truth is None:
            raise InputError(
                f"{ranked.scene.name}: the true positions of its queries are not on disk, "
                "nothing to measure against"
            )
        if isinstance(ranked.truth, ListedTruth):
            found = Figures.of_lists(source.protocols, ranking.indices, ranked.truth)
        else:
            found = _judged(config, ranked, ranking)
        parts[ranked.scene.name] = found
    return parts


def _judged(config: Config, ranked: JudgedScene, ranking: Ranking) -> Figures:
    """A scene's lists by the rule of the settings."""
    rule, scene, truth = config.data.val_labels, ranked.scene, ranked.judged
    best = ranking.indices[:, : max(metrics.KS)]
    return Figures.of_labels(
        labels(rule, scene, truth, best, config.fov),
        num_relevant(rule, scene, truth, config.fov),
        len(scene.database),
    )


def table(rows: dict[str, Report], bounds: dict[str, list[float]] | None = None) -> str:
    """Reports as an aligned table, metrics in percent, with the counts behind.

    bounds: of the last row, {name: [low, high]}, printed below it.
    """
    names = list(next(iter(rows.values()))["metrics"])
    lines = [["", *(n.replace("recall", "R") for n in names), "queries", "database"]]
    for label, part in rows.items():
        counts = part["counts"]
        queries = f"{counts['with_positives']} of {counts['queries']}"
        cells = [f"{100 * part['metrics'][n]:.2f}" for n in names]
        lines.append([label, *cells, queries, str(counts["database"])])
    return aligned(lines + bound_lines(names, bounds))


def bound_lines(names: Sequence[str], bounds: dict[str, list[float]] | None) -> list[list[str]]:
    """Cells of the two lines below a row of figures ``names``: from where to where they may be."""
    if bounds is None:
        return []
    return [
        [f"  {word}", *(f"{100 * bounds[n][i]:.2f}" for n in names), "", ""]
        for i, word in enumerate(("from", "to"))
    ]


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Cells as text: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in row).rstrip()
        for row in (list(enumerate(zip(line, widths, strict=True))) for line in lines)
    )


def how_sure(queries: int, what: str, how: str = "bootstrap") -> str:
    """What the two lines below a table mean."""
    return (
        f"from, to: {100 * LEVEL:g} % interval of {what}, {how} over {queries} queries "
        f"({RESAMPLES} resamples, seed {SEED})"
    )


def show(result: Report, verbose: bool = False) -> str:
    """A report as text: the protocol, then a table by scene and in total; of few queries with the
    interval of the total.

    verbose: the whole protocol, not its first sentence.
    """
    rows, bounds = {**result["scenes"], "total": result}, result.get("intervals")
    text = f"{result['protocol'] if verbose else gist(result)}\n\n{table(rows, bounds)}"
    if bounds is not None:
        text += f"\n\n{how_sure(result['counts']['with_positives'], 'the total')}"
    if "not_scored" in result:
        text += f"\n\n{result['not_scored']} queries have no true position: ranked, not scored"
    if "places" in result:
        text += f"\n\n{show_places(result['places'])}"
    if "confidence" in result:
        text += f"\n\n{show_confidence(result['confidence'])}"
    return text


def gist(result: Report) -> str:
    """The first sentence of a report's protocol: the data set, the split, what is relevant."""
    return result["protocol"].split(". ")[0]


def without_nan(part: Any) -> Any:
    """A report as JSON has it, which knows no NaN: null where there was no query to measure."""
    if isinstance(part, dict):
        return {key: without_nan(value) for key, value in part.items()}
    if isinstance(part, list):
        return [without_nan(value) for value in part]
    return None if isinstance(part, float) and np.isnan(part) else part
