"""A query and its candidates from above, with their fields of view; north is up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gcsa.errors import InputError
from gcsa.evaluation.truth import Truth
from gcsa.places.located import Located
from gcsa.plots.answers import Answer, draw_answer
from gcsa.plots.pictures import Top, query_pose
from gcsa.plots.spacing import apart
from gcsa.plots.style import OTHER, QUERY, RELEVANT, UNKNOWN, new_figure, styled
from gcsa.scene import Scene
from gcsa.sideinfo.fov import FovConfig, sectors

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A candidate can lie at the other end of the city: what is beyond this many radii of a field of
# view stands at the map's edge, with its distance, so that what is near can be told apart.
FAR = 2.2
EDGE = 0.93  # of the way to the edge: a mark fits beside it
LEAST = 1.3  # radii from the middle to the edge, at least: a field of view fits
# Radii of marks, in shares of the way from the middle to the edge: a camera, one at the edge with
# its distance in words, the query's star.
CAMERA, DISTANT, STAR = 0.04, 0.075, 0.035
NORTH = np.array([0.0, 1.0])


@dataclass(frozen=True, eq=False)
class View:
    """What the map of a query shows, in metres (east, north) from its middle.

    offsets: (n, 2) of cameras, NaN where unknown. fields: {number of the camera: polygon} of those
    whose heading is known, too. half: from the middle to the edges. query: (2,) or None.
    own: the query's field of view, or None. answer: where a located query may be, or None.
    """

    offsets: np.ndarray
    fields: dict[int, np.ndarray]
    half: float
    query: np.ndarray | None
    own: np.ndarray | None
    answer: Answer | None = None

    @property
    def known(self) -> np.ndarray:
        """Numbers of the cameras that have a place, the last first: the best is drawn on top."""
        return np.flatnonzero(np.isfinite(self.offsets).all(axis=1))[::-1]

    def marks(
        self, near: float | np.ndarray, far: float, star: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Where marks of the cameras are drawn (n, 2), and which stand at the edge (n,).

        None covers another, nor the query's. near, far, star: radii of marks inside (also one for
        each camera), at the edge, and of the query, in shares of ``half``.
        """
        places, beyond = to_edge(self.offsets, self.half)
        radii, known = np.where(beyond, far, near) * self.half, self.known
        points, free, edge = places[known], np.ones(len(known), dtype=bool), beyond[known]
        sizes = radii[known]
        if self.query is not None:
            points, sizes = np.vstack([points, self.query]), np.append(sizes, star * self.half)
            free, edge = np.append(free, False), np.append(edge, False)
        places[known] = apart(points, sizes, free, edge, EDGE * self.half)[: len(known)]
        return places, beyond


def view_of(
    scene: Scene,
    truth: Truth | None,
    query: int,
    rows: np.ndarray,
    fov: FovConfig,
    located: Located | None = None,
) -> View:
    """The map of a query and of database ``rows``, around the query or else their median.

    located: lists with an answer, to which the map then reaches.
    Raises InputError where no position is known.
    """
    database = scene.database
    if database.positions is None:
        raise InputError(f"{scene.name}: no positions of the database, no map")
    place, heading = query_pose(scene, truth, query)
    places = database.positions[rows, :2]
    known = np.isfinite(places).all(axis=1)
    there = bool(np.isfinite(place).all())
    if not there and not known.any():
        raise InputError(f"{scene.name}: query {query}: no position is known, no map")
    middle = place if there else np.median(places[known], axis=0)
    offsets = places - middle
    headings = None if database.headings is None else database.headings[rows]
    answer = None if located is None else Answer.of(located, scene, query)
    answer = None if answer is None else answer.about(middle)
    half = half_width(offsets[known], fov.radius)
    return View(
        offsets,
        _fields(offsets, headings, fov),
        half if answer is None else answer.half(half, FAR * fov.radius),
        place - middle if there else None,
        _fields((place - middle)[None], np.array([heading]), fov).get(0),
        answer,
    )


def half_width(offsets: np.ndarray, radius: float) -> float:
    """Metres from the map's middle to its edges, for cameras at ``offsets`` (n, 2) from it."""
    distance = np.abs(offsets).max(axis=1, initial=0.0)
    near = distance[distance <= FAR * radius]
    return max(LEAST * radius, 1.12 * near.max(initial=0.0))


def to_edge(offsets: np.ndarray, half: float) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (n, 2) drawn in along their direction to the square's edge, and which were (n,)."""
    distance = np.abs(offsets).max(axis=1)
    beyond = distance > half
    scale = np.where(beyond, EDGE * half / np.where(beyond, distance, 1), 1)
    return offsets * scale[:, None], beyond


def _fields(
    positions: np.ndarray, headings: np.ndarray | None, fov: FovConfig
) -> dict[int, np.ndarray]:
    """Fields of view {row: (points, 2)} of those cameras whose position and heading are known."""
    if headings is None:
        return {}
    known = np.flatnonzero(np.isfinite(positions).all(axis=1) & np.isfinite(headings))
    shape = fov.radius, np.deg2rad(fov.angle), fov.points
    polygons = sectors(positions[known], headings[known], *shape)
    return dict(zip(known.tolist(), polygons, strict=True))


@styled
def query_map(
    scene: Scene,
    truth: Truth | None,
    query: int,
    top: Top,
    fov: FovConfig,
    posterior: Located | None = None,
) -> Figure:
    """The query at the middle, the top of its list with ranks, relevant ones round and green.

    Metres, north up. What is far stands at the edge, with its distance. posterior: the lists that
    ``top`` shows, where they come with an answer: its probability is drawn as heat, the place that
    it names with a circle that holds 68 %, and what the query's device reported.
    """
    rows = top.indices[query][top.indices[query] >= 0]
    view = view_of(scene, truth, query, rows, fov, posterior)
    relevant = None if top.relevant is None else top.relevant[query]
    colours = [_colour(relevant, rank) for rank in range(len(rows))]
    figure = new_figure(6, 6.4)
    axes = figure.subplots()
    for number, polygon in view.fields.items():
        _draw_field(axes, polygon, colours[number])
    if view.own is not None:
        _draw_field(axes, view.own, QUERY, linestyle="--", linewidth=1.4)
    places, beyond = view.marks(CAMERA, DISTANT, STAR)
    for number in view.known:
        offset, colour = view.offsets[number], colours[number]
        _draw_camera(axes, offset, places[number], number + 1, colour, bool(beyond[number]))
    if view.query is not None:
        star: dict[str, Any] = {
            "marker": "*",
            "color": QUERY,
            "markersize": 14,
            "markeredgecolor": "white",
        }
        axes.plot(*view.query, **star, zorder=6)
    _frame(axes, view.half)
    legend, note = _entries(relevant is not None), "numbers: rank"
    if view.answer is not None:
        legend += draw_answer(axes, view.answer, view.half)
        note += f"; answer: {view.answer.words}"
    columns = 4 if view.answer is None else 3
    figure.legend(handles=legend, loc="outside lower center", ncols=columns, title=note)
    return figure


def _colour(relevant: np.ndarray | None, rank: int) -> str:
    if relevant is None:
        return UNKNOWN
    return RELEVANT if relevant[rank] else OTHER


def _draw_field(axes: Axes, polygon: np.ndarray, colour: str, **line) -> None:
    """A field of view: filled lightly, or with a ``line`` of its own its outline alone."""
    from matplotlib.patches import Polygon

    fill = (0, 0, 0, 0) if line else (colour, 0.13)
    line = line or {"linewidth": 0.9}
    axes.add_patch(Polygon(polygon, facecolor=fill, edgecolor=colour, **line))


def _draw_camera(
    axes: Axes, offset: np.ndarray, place: np.ndarray, rank: int, colour: str, beyond: bool
) -> None:
    """A dot with its rank, joined to where the camera is; at the edge a signpost towards it, with
    the distance.
    """
    if not beyond and (place != offset).any():
        axes.plot(*np.array([offset, place]).T, color=colour, linewidth=1, zorder=4.5)
        axes.plot(*offset, marker=".", color=colour, markersize=4, zorder=4.5)
    marker = _signpost(offset) if beyond else "s" if colour == OTHER else "o"
    look: dict[str, Any] = {
        "color": colour,
        "markersize": 20 if beyond else 13,
        "markeredgecolor": "white",
    }
    axes.plot(*place, marker=marker, **look, zorder=5)
    text: dict[str, Any] = {
        "ha": "center",
        "va": "center",
        "zorder": 5.5,
        "color": "white",
        "fontsize": 7,
    }
    axes.text(place[0], place[1], str(rank), fontweight="bold", **text)
    if beyond:
        _draw_distance(axes, place, float(np.hypot(*offset)))


def _signpost(offset: np.ndarray) -> np.ndarray:
    """The corners (5, 2) of a board that points in a direction, with room for a rank."""
    ahead = offset / np.hypot(*offset)
    aside = 0.8 * np.array([-ahead[1], ahead[0]])
    front, back = 0.4 * ahead, -0.8 * ahead
    return np.array([1.5 * ahead, front + aside, back + aside, back - aside, front - aside])


def _draw_distance(axes: Axes, place: np.ndarray, distance: float) -> None:
    """Metres beside a mark at the edge, on its inner side."""
    label = f"{distance:.0f} m" if distance < 1000 else f"{distance / 1000:.1f} km"
    # Below or above it near the corners, where marks of two edges meet.
    across = abs(place[1]) < 0.8 * abs(place[0])
    inward = (-22 * np.sign(place[0]), 0) if across else (0, -13 * np.sign(place[1]))
    away: dict[str, Any] = {"xytext": inward, "textcoords": "offset points", "fontsize": 7}
    axes.annotate(label, (place[0], place[1]), **away, ha="center", va="center")


def _frame(axes: Axes, half: float) -> None:
    axes.set(xlim=(-half, half), ylim=(-half, half), aspect="equal")
    axes.set(xlabel="metres east", ylabel="metres north")
    axes.spines[:].set_visible(True)
    axes.grid(alpha=0.5)
    axes.set_axisbelow(True)
    axes.set_title("N \N{UPWARDS ARROW}", loc="right")


def _entries(judged: bool) -> list[Artist]:
    """Of the legend, for what every map has."""
    from matplotlib.lines import Line2D

    names = {"relevant": RELEVANT, "not relevant": OTHER} if judged else {"candidate": UNKNOWN}
    dot: dict[str, Any] = {"linestyle": "", "markersize": 9}
    handles: list[Artist] = [
        Line2D([], [], color=QUERY, linestyle="", marker="*", markersize=12, label="query")
    ]
    handles += [
        Line2D([], [], color=c, label=name, marker="s" if c == OTHER else "o", **dot)
        for name, c in names.items()
    ]
    far: dict[str, Any] = {"linestyle": "", "marker": _signpost(NORTH), "markersize": 11}
    handles.append(Line2D([], [], color="#777777", label="farther away", **far))
    return handles
