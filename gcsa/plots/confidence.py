"""Confidence against truth: does it come true, and what do the surest answers achieve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from gcsa.evaluation.confidence import BINS, Reliability, answered_curve, reliability
from gcsa.plots.style import PALE, QUERY, UNKNOWN, legend_below, line_style, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def reliability_diagram(confidence: np.ndarray, correct: np.ndarray, bins: int = BINS) -> Figure:
    """Share of right answers against mean confidence, bin by bin, with how many answers there are.

    confidence: (Q,) in [0, 1]; correct: (Q,) bool. On the diagonal confidence is what comes true,
    below it the answers were too sure. Empty bins have no point.
    """
    found = reliability(confidence, correct, bins)
    figure = new_figure(5, 5.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 100], [0, 100], color=UNKNOWN, linestyle=":", label="confidence = share right")
    held = found.count > 0
    shares = 100 * np.stack([found.confidence, found.correct])[:, held]
    upper.plot(*shares, color=QUERY, marker="o", markersize=7, label="answers")
    upper.set(xlim=(0, 100), ylim=(-3, 103), ylabel="right answers (%)")
    upper.set_title(f"expected calibration error {found.error:.3f}")
    upper.grid()
    _draw_counts(lower, found)
    legend_below(figure, upper)
    return figure


def _draw_counts(axes: Axes, found: Reliability) -> None:
    """A bar for each bin, its number of answers above it."""
    left, width = 100 * found.edges[:-1], 100 * np.diff(found.edges)
    bars = axes.bar(left, found.count, width, align="edge", color=PALE, edgecolor="white")
    axes.bar_label(bars, [f"{n:,}" if n else "" for n in found.count], fontsize=8, padding=2)
    axes.margins(y=0.25)
    axes.set(xlabel="confidence (%)", ylabel="answers")


@styled
def answered(methods: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Recall@1 of those queries that are answered, the surest first, against their share.

    methods: by name, (confidence (Q,), correct (Q,) bool) of all queries; any number that says how
    sure one is will do. At the right end all queries are answered.
    """
    figure = new_figure(6, 4.4)
    axes = figure.subplots()
    for number, (name, (confidence, correct)) in enumerate(methods.items()):
        share, right = answered_curve(confidence, correct)
        axes.plot(100 * share, 100 * right, label=name, markevery=0.1, **line_style(number))
    axes.set(xlim=(0, 101), ylim=(None, 103), xlabel="queries answered, the surest first (%)")
    axes.set_ylabel("of them right, recall@1 (%)")
    axes.grid()
    legend_below(figure, axes)
    return figure
