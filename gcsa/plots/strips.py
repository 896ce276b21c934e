"""A query and the first images of its ranked lists, side by side."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from gcsa.datasets.images import image_path
from gcsa.datasets.settings import DataConfig
from gcsa.errors import InputError
from gcsa.imaging import letterbox, read_image
from gcsa.plots.pictures import Top
from gcsa.plots.style import OTHER, PALE, QUERY, RELEVANT, UNKNOWN, new_figure, styled
from gcsa.scene import Scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BOX = (240, 180)  # pixels of a tile; most cameras are 4:3
MAT = "#eeeeee"  # around an image of another shape
INCHES = 1.15  # width of a tile on paper
NAME_LENGTH = 24  # characters of a missing image's name in a line


@dataclass(frozen=True)
class Tile:
    """One image of a strip: its file, what is said below it, and the colour of its border.

    relevant: green and solid, red and dashed, or grey for None. image: instead of a file.
    """

    path: str | os.PathLike | None
    caption: str = ""
    relevant: bool | None = None
    image: Image.Image | None = None


def ranking_strip(data: DataConfig, scene: Scene, query: int, tops: Mapping[str, Top]) -> Figure:
    """A query and the top of each of its ranked lists, by their titles, one below the other.

    Below an image stands its distance from the query in metres or, where that is unknown, its
    score.
    """
    if not -len(scene.queries) <= query < len(scene.queries):
        raise InputError(f"{scene.name}: no query {query}, there are {len(scene.queries)}")
    name = str(scene.queries.names[query])
    tile = Tile(image_path(data, scene.name, name), "query")
    return strip(tile, {title: _tiles(data, scene, t, query) for title, t in tops.items()})


@styled
def strip(query: Tile, rows: Mapping[str, Sequence[Tile]]) -> Figure:
    """The query's image on the left, rows of tiles on the right, each under its title.

    A missing or unreadable file is a grey tile with its name.
    """
    count = max((len(tiles) for tiles in rows.values()), default=0)
    wide = 1.6  # the query, in tiles
    figure = new_figure(INCHES * (wide + count), 0.2 + 1.25 * max(len(rows), 1))
    grid = figure.add_gridspec(
        max(len(rows), 1), count + 1, width_ratios=[wide] + [1] * count, wspace=0.02
    )
    _draw(figure.add_subplot(grid[:, 0]), query, QUERY)
    for number, (title, tiles) in enumerate(rows.items()):
        for place, tile in enumerate(tiles):
            axes = figure.add_subplot(grid[number, place + 1])
            _draw(axes, tile, {True: RELEVANT, False: OTHER, None: UNKNOWN}[tile.relevant])
            if place == 0:
                axes.set_title(title)
    return figure


def tile_image(tile: Tile) -> Image.Image | None:
    """The picture of a tile in its box, (BOX) pixels; None where there is none."""
    image = tile.image
    if image is None and tile.path is not None:
        image = read_image(tile.path, max(BOX))
    return None if image is None else letterbox(image.convert("RGB"), BOX, MAT)


def _tiles(data: DataConfig, scene: Scene, top: Top, query: int) -> list[Tile]:
    tiles = []
    for place in np.flatnonzero(top.indices[query] >= 0):
        path = image_path(data, scene.name, str(scene.database.names[top.indices[query, place]]))
        relevant = None if top.relevant is None else bool(top.relevant[query, place])
        mark = {True: "\N{CHECK MARK} ", False: "\N{BALLOT X} ", None: ""}[relevant]
        metres, score = top.distances[query, place], top.scores[query, place]
        value = f"{metres:,.0f} m" if np.isfinite(metres) else f"{score:.3f}"
        tiles.append(Tile(path, mark + value, relevant))
    return tiles


def _draw(axes: Axes, tile: Tile, colour: str) -> None:
    picture = tile_image(tile)
    axes.imshow(Image.new("RGB", BOX, PALE) if picture is None else picture)
    if picture is None:
        middle: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 6, "color": "#333333"}
        axes.text(BOX[0] / 2, BOX[1] / 2, _folded(Path(tile.path or "no image").name), **middle)
    axes.set(xticks=[], yticks=[])
    axes.set_xlabel(tile.caption, fontsize=9)
    axes.spines[:].set(visible=True, color=colour, linewidth=2.6)
    if tile.relevant is False:
        axes.spines[:].set_linestyle((0, (2.5, 1.2)))


def _folded(name: str) -> str:
    """A long name over several lines: keys of images have no spaces to break at."""
    return "\n".join(name[i : i + NAME_LENGTH] for i in range(0, len(name), NAME_LENGTH))
