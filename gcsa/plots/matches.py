"""Matches between two photos: those that agree with one geometry, and the others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from gcsa.imaging import read_rgb
from gcsa.plots.style import OTHER, RELEVANT, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INCHES = 8.0
SHOWN = 150  # lines of a kind: more cover the photos


@styled
def matches(
    paths: tuple[str | os.PathLike, str | os.PathLike],
    points: tuple[np.ndarray, np.ndarray],
    inliers: np.ndarray,
    title: str = "",
    how: str = "",
) -> Figure:
    """Two photos side by side, lines between what matches.

    points: pixels (m, 2) in each photo, as stored. inliers: (m,) bool, green and solid; the others
    are dotted. At most SHOWN of a kind are drawn, evenly chosen. how: of what the inliers are, such
    as :attr:`gcsa.scene.Common.about`.
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
        rows = some(kind, SHOWN)
        for a, b in zip(points[0][rows], points[1][rows] + [width, 0], strict=True):
            axes.plot([a[0], b[0]], [a[1], b[1]], color=color, linestyle=line, linewidth=0.7)
    said = in_words(inliers, how)
    axes.set_title(f"{title}: {said}" if title else said, fontsize=9 if how else None)
    return figure


def some(kind: np.ndarray, most: int) -> np.ndarray:
    """Rows of a kind (m,) bool, at most so many, evenly chosen."""
    rows = np.flatnonzero(kind)
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int))]


def in_words(inliers: np.ndarray, how: str = "") -> str:
    """What a picture of matches shows: the count, and by which model."""
    said = f"{int(inliers.sum())} of {len(inliers)} matches agree with one geometry"
    return f"{said} ({how})" if how else said
