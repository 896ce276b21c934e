"""Cameras placed in a map: how far they are off, and where one stands among the map's points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gcsa.plots.style import legend_below, line_style, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DEGREES = (1.0, 5.0, 10.0)
# Metres between which errors are told apart: nearer than the first is as good as exact.
NEAREST, FARTHEST = 0.01, 30.0
TICKS = (0.01, 0.1, 1.0, 10.0)
POINTS, CAMERAS = "#9a9a9a", "#404040"
ARROW = 0.08  # of the map's width


@styled
def error_curve(
    methods: Mapping[str, tuple[np.ndarray, np.ndarray]], degrees: Sequence[float] = DEGREES
) -> Figure:
    """The share of cameras placed within an error, against the error of position, log scale.

    methods: by name, errors of the same cameras: rotation (n,) degrees and translation (n,)
    metres, infinite where nothing was found (:func:`gcsa.localization.poses.pose_errors`). A panel
    for each of ``degrees``, whose rotations are to be below it. LaMAR's recalls are points of the
    lines: (1 deg, 0.1 m) of the first panel, (5 deg, 1 m) of the second.
    """
    figure = new_figure(1 + 3.2 * len(degrees), 3.7)
    panels = figure.subplots(1, len(degrees), sharey=True, squeeze=False)[0]
    at = np.geomspace(NEAREST, FARTHEST, 200)
    for axes, most in zip(panels, degrees, strict=True):
        for number, (name, errors) in enumerate(methods.items()):
            share = within(*errors, most, at)
            line: dict[str, Any] = {**line_style(number), "markevery": (8 * number, 50)}
            axes.plot(at, 100 * share, label=name, **line)
        axes.set(xscale="log", xlim=(NEAREST, FARTHEST), ylim=(0, 100), xlabel="metres")
        axes.set(title=f"turned by less than {most:g}\N{DEGREE SIGN}", xticks=TICKS)
        axes.set_xticklabels([f"{tick:g}" for tick in TICKS])
        axes.grid(alpha=0.6)
    panels[0].set_ylabel("cameras within, %")
    legend_below(figure, panels[0])
    return figure


def within(
    rotation: np.ndarray, translation: np.ndarray, degrees: float, metres: np.ndarray
) -> np.ndarray:
    """Shares (m,) of n cameras with both errors strictly below degrees and each of metres (m,)."""
    near = np.sort(translation[rotation < degrees])
    return np.searchsorted(near, metres, side="left") / max(len(rotation), 1)


@styled
def camera_map(
    points: np.ndarray,
    database: np.ndarray,
    positions: np.ndarray,
    rotations: np.ndarray,
    names: Sequence[str],
    title: str = "",
    half: float | None = None,
) -> Figure:
    """The map from above: points (m, 3), cameras of the database (n, 3), and some cameras with the
    way they look: positions (c, 3), rotations (c, 3, 3) camera-to-world, by their names.

    Metres, y up. half: from the first of these cameras to the edges; None shows all.
    """
    figure = new_figure(6.0, 6.4)
    axes = figure.add_subplot()
    axes.scatter(points[:, 0], points[:, 1], s=2, color=POINTS, linewidths=0, label="points")
    axes.scatter(database[:, 0], database[:, 1], s=7, color=CAMERAS, label="photos of the map")
    _frame(axes, np.concatenate([database, positions])[:, :2], positions[0, :2], half)
    length = ARROW * float(np.ptp(axes.get_xlim()))
    for row, name in enumerate(names):
        _draw_camera(axes, positions[row], rotations[row], length, row, name)
    axes.set(title=title, xlabel="metres", ylabel="metres")
    legend_below(figure, axes)
    return figure


def _frame(axes: Axes, shown: np.ndarray, middle: np.ndarray, half: float | None) -> None:
    """A square around all that is ``shown`` (n, 2), or of ``half`` a width around the middle."""
    if half is None:
        low, high = np.nanmin(shown, axis=0), np.nanmax(shown, axis=0)
        middle, half = (low + high) / 2, max(1.0, 0.55 * float((high - low).max()))
    axes.set_aspect("equal")
    axes.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half))


def _draw_camera(
    axes: Axes, position: np.ndarray, rotation: np.ndarray, length: float, row: int, name: str
) -> None:
    """A mark with an arrow along the camera's axis; the first one lies below, and is larger."""
    east, north = map(float, position[:2])
    ahead = rotation[:2, 2] * length
    look = {**line_style(row), "linestyle": "", "markersize": 8.0 if row else 14.0}
    axes.plot(east, north, label=name, markeredgecolor="white", zorder=4, **look)
    arrow = {"arrowstyle": "-|>", "color": look["color"], "linewidth": 1.8 if row else 3.5}
    tip = (east + ahead[0], north + ahead[1])
    axes.annotate("", tip, (east, north), arrowprops=arrow, zorder=4)
