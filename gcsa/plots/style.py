"""One look for all figures: colours that colour-blind readers can tell apart, readable type.

The colours are those of Okabe and Ito, "Color Universal Design" (2008). Colour never stands
alone: what is relevant has a mark or another line as well.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcsa.errors import InputError
from gcsa.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RELEVANT, OTHER, UNKNOWN = "#009e73", "#d55e00", "#8c8c8c"
QUERY = "#0072b2"
PALE = "#c8c8c8"  # the many, against which a few stand out
# Ends of the affinities' colours, in all pictures: alike is blue, opposite is orange, 0 is white.
ALIKE, OPPOSITE = "#2f6fb0", "#c8741a"
# Lines of several methods; the marker changes with the colour.
LINES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#000000")
MARKERS = "osD^vPX"

STYLE = {
    "font.family": "DejaVu Sans",  # comes with Matplotlib, and has the marks
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.grid": False,
    "grid.color": "#dddddd",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "text.parse_math": False,  # names may hold dollar signs
}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """A drawing function under STYLE, whatever the caller's own Matplotlib settings."""

    @functools.wraps(draw)
    def drawn(*args: Any, **kwargs: Any) -> Figure:
        with _matplotlib("matplotlib").rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawn


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, inches, that fits itself around what is drawn."""
    figures = _matplotlib("matplotlib.figure")
    return figures.Figure(figsize=(width, height), layout="constrained", facecolor="white")


def save(figure: Figure, path: str | os.PathLike, dpi: int = 150) -> None:
    """Write a figure to a file, all or nothing; the suffix (.png, .svg, .pdf) is the format."""
    suffix = Path(path).suffix.removeprefix(".").lower()
    known = figure.canvas.get_supported_filetypes()
    if suffix not in known:
        raise InputError(f"{path}: '{suffix}' is no picture format ({', '.join(sorted(known))})")
    with replacing(path) as temporary:
        figure.savefig(temporary, format=suffix, dpi=dpi)


def line_style(number: int) -> dict[str, Any]:
    """Colour and marker of the line with that number."""
    return {
        "color": LINES[number % len(LINES)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": "-" if number < len(LINES) else "--",
    }


def legend_below(figure: Figure, axes: Axes) -> None:
    """One legend for the whole figure, outside of the axes, so that it covers nothing."""
    handles, names = axes.get_legend_handles_labels()
    if handles:
        columns = min(len(names), 4)
        figure.legend(handles, names, loc="outside lower center", ncols=columns)


def _matplotlib(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError("matplotlib is not installed (pip install matplotlib)") from error
