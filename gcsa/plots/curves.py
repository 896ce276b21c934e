"""Curves: a training run by epoch, metrics against k."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcsa.errors import InputError, MissingFileError
from gcsa.files.lines import read_cells
from gcsa.plots.style import legend_below, line_style, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# One row of metrics.csv; None where a cell is empty (there is no loss before training).
Row = dict[str, Any]  # numbers by name; None where a cell is empty


def read_metrics(path: str | os.PathLike) -> list[Row]:
    """The rows of a run's metrics.csv, by epoch; row 0 is without re-ranking."""
    if not Path(path).is_file():
        raise MissingFileError(f"{path}: no such file (a training run writes it)")
    table = read_cells(path)
    if "epoch" not in table.header or not table.rows:
        raise InputError(f"{path}: expected a header with 'epoch', and rows")
    return [
        _numbers(dict(zip(table.header, cells, strict=True)), f"{path}: line {line}")
        for line, cells in zip(table.lines, table.rows, strict=True)
    ]


def _numbers(row: dict[str, str], where: str) -> Row:
    try:
        return {name: float(text) if text else None for name, text in row.items()}
    except ValueError as error:
        raise InputError(f"{where}: a cell is not a number ({error})") from error


@styled
def training_curves(
    runs: Mapping[str, Sequence[Row]], metrics: Sequence[str] = ("recall@1", "mAP@10")
) -> Figure:
    """Loss and validation metrics by epoch, a line for each run, by its name.

    runs: rows as :func:`read_metrics` gives them. Epoch 0, without re-ranking, is a dotted line
    across; runs validated on the same data share it.
    """
    figure = new_figure(1 + 3.6 * (1 + len(metrics)), 3.6)
    panels = figure.subplots(1, 1 + len(metrics))
    panels = [panels] if not metrics else list(panels)
    for axes, name in zip(panels, ("loss", *metrics), strict=True):
        share = 1 if name == "loss" else 100
        for number, (label, rows) in enumerate(runs.items()):
            values = {r["epoch"]: share * r[name] for r in rows if r.get(name) is not None}
            if 0 in values:
                axes.axhline(values.pop(0), color="#555555", linewidth=1.2, linestyle=":")
            axes.plot(values.keys(), values.values(), label=label, **line_style(number))
        axes.set(title=name, xlabel="epoch", ylabel="" if share == 1 else "%")
        axes.grid(axis="y")
        axes.locator_params(axis="x", integer=True)
    panels[-1].plot([], [], color="#555555", linestyle=":", label="no re-ranking")
    legend_below(figure, panels[-1])
    return figure


@styled
def metrics_against_k(methods: Mapping[str, Mapping[str, float]]) -> Figure:
    """Recall@k and mAP@k against k, a line for each method.

    methods: by name, {"recall@1": share, "mAP@20": share, ...}, as
    :func:`gcsa.evaluation.metrics.evaluate` returns for any ks, or "metrics" of a report of
    :mod:`gcsa.evaluate`.
    """
    figure = new_figure(9, 3.9)
    panels = figure.subplots(1, 2)
    for axes, metric in zip(panels, ("recall", "mAP"), strict=True):
        for number, (label, values) in enumerate(methods.items()):
            points = by_k(values, metric)
            axes.plot(points.keys(), points.values(), label=label, **line_style(number))
        axes.set(title=f"{metric}@k", xlabel="k", ylabel="%")
        axes.grid(axis="y")
        _ticks_at_k(axes, {k for values in methods.values() for k in by_k(values, metric)})
    legend_below(figure, panels[0])
    return figure


def by_k(values: Mapping[str, float], metric: str) -> dict[int, float]:
    """{k: percent} of one metric, rising in k."""
    found = {name: re.fullmatch(rf"{metric}@(\d+)", name) for name in values}
    points = {int(match[1]): 100 * values[name] for name, match in found.items() if match}
    return dict(sorted(points.items()))


def _ticks_at_k(axes: Axes, ks: set[int]) -> None:
    """A tick at each k where they are few; else Matplotlib's choice, whole numbers."""
    if len(ks) <= 8:
        axes.set_xticks(sorted(ks))
    else:
        axes.locator_params(axis="x", integer=True)
