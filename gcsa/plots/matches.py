"""Matches between two photos, and where a photo was taken among the points that it sees."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from gcsa.imaging import read_rgb
from gcsa.plots.style import OTHER, PALE, QUERY, RELEVANT, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INCHES = 8.0
SHOWN = 150  # lines of a kind: more cover the photos
ARROW = 0.06  # of the map's width


@styled
def matches(
    paths: tuple[str | os.PathLike, str | os.PathLike],
    points: tuple[np.ndarray, np.ndarray],
    inliers: np.ndarray,
    title: str = "",
) -> Figure:
    """Two photos side by side, lines between what matches.

    points: pixels (m, 2) in each photo, as stored. inliers: (m,) bool, green and solid; the others
    are dotted. At most SHOWN of a kind are drawn, evenly chosen.
    """
    images = [np.asarray(read_rgb(path, upright=False)[0]) for path in paths]
    height = max(image.shape[0] for image in images)
    width = images[0].shape[1]
    whole = np.full((height, width + images[1].shape[1], 3), 255, dtype=np.uint8)
    whole[: images[0].shape[0], :width] = images[0]
    whole[: images[1].shape[0], width:] = images[1]
    figure = new_figure(INCHES, INCHES * height / whole.shape[1] + 0.4)
    axes = figure.add_subplot()
    axes.imshow(whole)
    axes.set_axis_off()
    for kind, color, line in ((~inliers, OTHER, ":"), (inliers, RELEVANT, "-")):
        rows = np.flatnonzero(kind)
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), SHOWN)).astype(int))]
        for a, b in zip(points[0][rows], points[1][rows] + [width, 0], strict=True):
            axes.plot([a[0], b[0]], [a[1], b[1]], color=color, linestyle=line, linewidth=0.7)
    said = f"{int(inliers.sum())} of {len(inliers)} matches agree with one geometry"
    axes.set_title(f"{title}: {said}" if title else said)
    return figure


@styled
def camera_map(
    points: np.ndarray,
    database: np.ndarray,
    positions: np.ndarray,
    rotations: np.ndarray,
    names: list[str],
) -> Figure:
    """The map from above: points (m, 3), cameras of the database (n, 3), and some cameras with the
    way they look: positions (c, 3), rotations (c, 3, 3) camera-to-world, by their names.
    """
    figure = new_figure(6.0, 6.0)
    axes = figure.add_subplot()
    axes.scatter(points[:, 0], points[:, 1], s=1, color=PALE, label="points")
    axes.scatter(database[:, 0], database[:, 1], s=6, color="#555555", label="photos of the map")
    length = ARROW * max(float(np.ptp(database[:, 0])), float(np.ptp(database[:, 1])), 1.0)
    colors = (QUERY, RELEVANT, OTHER)
    for row, name in enumerate(names):
        east, north = map(float, positions[row, :2])
        ahead = rotations[row, :2, 2] * length
        color = colors[row % len(colors)]
        axes.plot(east, north, marker="osD"[row % 3], color=color, label=name)
        tip, arrow = (east + ahead[0], north + ahead[1]), {"arrowstyle": "->", "color": color}
        axes.annotate("", tip, (east, north), arrowprops=arrow)
    axes.set_aspect("equal")
    axes.set_xlabel("metres")
    axes.legend(loc="best", fontsize=8)
    return figure
