"""Two rankings of the same queries measured against each other, query by query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gcsa.config import Config
from gcsa.errors import InputError
from gcsa.evaluation.figures import Figures
from gcsa.ranking.lists import Ranking
from gcsa.scoring.report import (
    Report,
    aligned,
    bound_lines,
    figures_of,
    gist,
    how_sure,
    protocol_of,
)
from gcsa.scoring.split import JudgedScene

# The settings, the scenes read by them, and their ranked lists.
Measured = tuple[Config, Sequence[JudgedScene], Sequence[Ranking]]


def compare(first: Measured, second: Measured, split: str, how: str = "") -> Report:
    """{"protocol", "counts", "metrics": {"A", "B"}, "difference", "intervals", "scenes"}.

    "difference": {figure: B - A}; "intervals": {figure: [low, high]} of the difference, by paired
    bootstrap; "scenes": the same for each. how: what the protocol says of a ranking. InputError
    where the two are judged by other truths.
    """
    config = first[0]
    _check_judged_alike(config, second[0])
    a, b = figures_of(*first), figures_of(*second)
    total = Figures.joined(list(a.values())), Figures.joined(list(b.values()))
    return {
        "protocol": protocol_of(config, split, first[1], how),
        **_compared(*total),
        "scenes": {name: _compared(a[name], b[name]) for name in a},
    }


def _compared(a: Figures, b: Figures) -> dict[str, Any]:
    return {"counts": a.counts, "metrics": {"A": a.metrics, "B": b.metrics}, **b.gain_over(a)}


def _check_judged_alike(a: Config, b: Config) -> None:
    geometry = [(c.fov, c.data.heading_convention) for c in (a, b)]
    if a.data.val_labels == "fov" and geometry[0] != geometry[1]:
        raise InputError(
            "--compare: data.val_labels=fov judges each by the field of view that it was trained "
            "with, and the two differ; say it for both (fov.cutoff=exact, ...), or "
            "data.val_labels=dist"
        )


def show_comparison(result: Report, files: Sequence[str], verbose: bool = False) -> str:
    """A comparison as text: A, B and B - A in total, with the interval of the difference.

    files: what A and B are called. verbose: the whole protocol, not its first sentence.
    """
    names, counts = list(result["difference"]), result["counts"]
    behind = [f"{counts['with_positives']} of {counts['queries']}", str(counts["database"])]
    lines = [["", *(n.replace("recall", "R") for n in names), "queries", "database"]]
    for label, values in result["metrics"].items():
        lines.append([label, *(f"{100 * values[n]:.2f}" for n in names), *behind])
    lines.append(["B - A", *(f"{100 * result['difference'][n]:+.2f}" for n in names), "", ""])
    text = aligned(lines + bound_lines(names, result["intervals"]))
    meaning = how_sure(counts["with_positives"], "B - A", "paired bootstrap")
    called = "\n".join(f"{label}: {file}" for label, file in zip("AB", files, strict=True))
    protocol = result["protocol"] if verbose else gist(result)
    return f"{protocol}\n\n{called}\n\n{text}\n\n{meaning}"
