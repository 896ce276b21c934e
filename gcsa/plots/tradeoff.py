"""Quality against time: which of several methods is worth its cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gcsa.errors import InputError
from gcsa.plots.style import PALE, QUERY, UNKNOWN, legend_below, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Where a label may stand about its point, in points, the first that is free: dx, dy, ha, va.
PLACES = [
    (8 * f * x, 8 * f * y, {1: "left", 0: "center", -1: "right"}[x], va)
    for f in (1, 2, 3.5, 5)
    for x, y, va in (
        *((1, 0, "center"), (0, 1, "bottom"), (0, -1, "top"), (-1, 0, "center")),
        *((1, 1, "bottom"), (1, -1, "top"), (-1, 1, "bottom"), (-1, -1, "top")),
    )
]
WIDE = 10.0  # ratio of the slowest to the fastest from which time is on a logarithmic axis
# All marks have one shape: colours of their own would make families of what only follows in a list.
MARK: dict[str, Any] = {"marker": "o", "markersize": 8, "markeredgewidth": 1.6}


@styled
def quality_against_time(
    points: Mapping[str, tuple[float, float]],
    quality: str = "mAP@10 (%)",
    time: str = "milliseconds a query",
    level: tuple[str, float] | None = None,
) -> Figure:
    """Points (time, quality) with their names; a line joins those that nothing beats in both.

    Those are full, the others hollow. Time is positive; it is logarithmic where it spans a factor
    of ten. Labels keep clear of each other and of the points, where there is room. level: a name
    and a quality that costs no time, drawn as a line across.
    """
    values = np.array(list(points.values()), dtype=float).reshape(-1, 2)
    if not len(values) or not (np.isfinite(values).all() and (values[:, 0] > 0).all()):
        raise InputError("quality_against_time: expected finite points with times above 0")
    figure = new_figure(7.5, 4.8)
    axes = figure.subplots()
    if values[:, 0].max() >= WIDE * values[:, 0].min():
        _logarithmic(axes)
    _draw_points(axes, values)
    axes.set(xlabel=time, ylabel=quality)
    axes.margins(0.14)
    axes.grid()
    axes.set_axisbelow(True)
    if level is not None:
        _draw_level(axes, *level)
    legend_below(figure, axes)
    _label(figure, axes, list(points), values)
    return figure


def _logarithmic(axes: Axes) -> None:
    """Times at 1, 2, 5, 10, ... as plain numbers, and nothing at the small ticks between."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def _draw_points(axes: Axes, values: np.ndarray) -> None:
    best = unbeaten(values)
    other = np.setdiff1d(np.arange(len(values)), best)
    full: dict[str, Any] = {"color": PALE, "markerfacecolor": QUERY, "markeredgecolor": QUERY}
    axes.plot(*values[best].T, **MARK, **full, label="nothing else is both faster and better")
    if len(other):
        hollow: dict[str, Any] = {"color": UNKNOWN, "markerfacecolor": "white", "linestyle": ""}
        axes.plot(*values[other].T, **MARK, **hollow, label="something else is")


def _draw_level(axes: Axes, name: str, value: float) -> None:
    low, high = axes.get_ylim()
    room = 0.06 * (high - low)
    axes.set_ylim(min(low, value - room), max(high, value + room))
    axes.axhline(value, color=UNKNOWN, linestyle=":", linewidth=1.2, zorder=1)
    place: dict[str, Any] = {"xy": (1, value), "xycoords": ("axes fraction", "data")}
    axes.annotate(name, color=UNKNOWN, fontsize=9, ha="right", va="bottom", **place)


def unbeaten(values: np.ndarray) -> np.ndarray:
    """Rows of (time, quality) that no other is faster and better than, fastest first."""
    order = np.lexsort((-values[:, 1], values[:, 0]))
    best = np.maximum.accumulate(values[order, 1])
    return order[np.r_[True, best[1:] > best[:-1]]]


def _label(figure: Figure, axes: Axes, names: list[str], values: np.ndarray) -> None:
    """Put each name at the first of PLACES where it covers no point and no other name."""
    figure.draw_without_rendering()  # lays the axes out
    figure.set_layout_engine("none")  # labels inside must not change it again
    pixels = axes.transData.transform(values)
    reach = 7 * figure.dpi / 72
    taken = [(x - reach, y - reach, x + reach, y + reach) for x, y in pixels]
    for name, value in zip(names, values, strict=True):
        text = axes.annotate(name, value, (0, 0), textcoords="offset points", fontsize=9)
        boxes = [_moved(text, place) for place in PLACES]
        inside = axes.bbox.extents
        free = [not _meets(box, taken) and _within(box, inside) for box in boxes]
        chosen = free.index(True) if True in free else 0
        taken.append(_moved(text, PLACES[chosen]))


def _moved(text, place: tuple) -> tuple[float, float, float, float]:
    """Put a label at a place; its box (x0, y0, x1, y1) in pixels."""
    text.set(position=place[:2], ha=place[2], va=place[3])
    return tuple(text.get_window_extent().extents)


def _meets(box: tuple, others: list[tuple]) -> bool:
    return any(box[0] < o[2] and o[0] < box[2] and box[1] < o[3] and o[1] < box[3] for o in others)


def _within(box: tuple, outer: tuple) -> bool:
    return outer[0] <= box[0] and outer[1] <= box[1] and box[2] <= outer[2] and box[3] <= outer[3]
