"""Affinity matrices as images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gcsa.errors import InputError
from gcsa.plots.style import ALIKE, OPPOSITE, new_figure, styled
from gcsa.sideinfo.affinity import check_kinds, width

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TICKS = (-1, -0.5, 0, 0.5, 1)


def affinity_blocks(
    kinds: Sequence[str], L: int, projected: np.ndarray, columns: np.ndarray
) -> dict[str, np.ndarray]:
    """What the model reads of one query, by kind: "visual" (1+K, 1+L), then each of ``kinds``.

    projected: (1+N, D) descriptors of unit length, the query first. columns: (1+K, C), as
    :meth:`gcsa.sideinfo.affinity.SideInformation.columns` makes them. A "-db" kind is (K, L): it
    has no query.
    """
    check_kinds(kinds)
    widths = [width(kind, L) for kind in kinds]
    if columns.shape[1] != sum(widths):
        raise InputError(
            f"columns: {list(kinds)} with L = {L} make {sum(widths)}, got {columns.shape[1]}"
        )
    blocks = {"visual": projected[: len(columns)] @ projected[: 1 + L].T}
    starts = np.cumsum([0, *widths])
    for kind, start, wide in zip(kinds, starts, widths, strict=False):
        block = columns[:, start : start + wide]
        blocks[kind] = block[1:] if kind.endswith("-db") else block
    return blocks


@styled
def affinity_images(matrices: Mapping[str, np.ndarray]) -> Figure:
    """Matrices side by side under their names, with one colour bar from -1 to 1.

    Rows are candidates in first-round order, columns anchors; row and column 0 of a kind that
    knows the query are the query.
    """
    if not matrices:
        raise InputError("affinity_images: no matrix to draw")
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("affinity", [OPPOSITE, "white", ALIKE], N=257)
    figure = new_figure(0.9 + 3.1 * len(matrices), 3.6)
    panels = figure.subplots(1, len(matrices), squeeze=False)[0]
    for axes, (name, matrix) in zip(panels, matrices.items(), strict=True):
        image = axes.imshow(
            matrix, vmin=-1, vmax=1, cmap=colours, interpolation="nearest", aspect="auto"
        )
        axes.set(title=name, xlabel="anchor")
        axes.spines[:].set_visible(False)
    panels[0].set_ylabel("candidate")
    figure.colorbar(
        image, ax=list(panels), label="affinity (1: alike)", ticks=[-1, -0.5, 0, 0.5, 1]
    )
    return figure
