"""Where a query was taken, as a map shows it: heat, the answer with its radius, the device's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gcsa.places.located import Located
from gcsa.scene import Scene

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

HEAT, ANSWER, DEVICE = "#b0408a", "#6b1a4e", "#000000"
LEAST = 1e-3  # probability from which a candidate's place is drawn
CELLS = 120  # of the heat, along a side
STRONGEST = 0.7  # opacity of the heat where all mass is
FINEST = 0.03  # of the way from the middle to the edge: narrower spots would not be seen


@dataclass(frozen=True, eq=False)
class Circle:
    """A place (2,), metres (east, north), and a radius about it that holds 68 %; NaN is unknown."""

    place: np.ndarray
    radius: float

    @property
    def known(self) -> bool:
        return bool(np.isfinite(self.place).all())

    def within(self, half: float) -> bool:
        """Whether its middle lies on a map that reaches ``half`` metres from (0, 0)."""
        return bool(np.abs(self.place).max() <= half)


@dataclass(frozen=True, eq=False)
class Answer:
    """What is believed of a query.

    places: (m, 2) of the candidates that have mass (m,), those of unknown place left out. spread:
    metres along an axis that a query stands from the photo of its place. confidence: of the answer.
    """

    places: np.ndarray
    mass: np.ndarray
    spread: float
    confidence: float
    best: Circle
    device: Circle = field(default_factory=lambda: Circle(np.full(2, np.nan), np.nan))

    @classmethod
    def of(cls, located: Located, scene: Scene, query: int) -> Answer | None:
        """That of a query, in the scene's metres; None where no positions are known."""
        positions = scene.database.positions
        if positions is None:
            return None
        mass, rows = located.probability[query], located.indices[query]
        places = positions[rows, :2]
        drawn = (rows >= 0) & (mass >= LEAST) & np.isfinite(places).all(axis=1)
        own, calibration = scene.queries, located.calibration
        device = np.full(2, np.nan) if own.positions is None else own.positions[query, :2]
        stated = np.nan if own.accuracy is None else own.accuracy[query]
        return cls(
            places[drawn],
            mass[drawn],
            calibration.spread,
            float(located.confidence[query]),
            Circle(located.position[query], float(located.radius[query])),
            Circle(device, float(calibration.gps_accuracy if np.isnan(stated) else stated)),
        )

    def about(self, middle: np.ndarray) -> Answer:
        """The same, in metres from a map's middle (2,)."""
        best, device = (Circle(c.place - middle, c.radius) for c in (self.best, self.device))
        places = self.places - middle
        return Answer(places, self.mass, self.spread, self.confidence, best, device)

    def spot(self, half: float) -> float:
        """Metres, the standard deviation of the heat about a photo on a map of that size."""
        return max(self.spread, FINEST * half)

    def heat(self, points: np.ndarray, half: float) -> np.ndarray:
        """At points (..., 2), in shares of what it were if all mass was with one photo there."""
        away = ((points[..., None, :] - self.places) ** 2).sum(axis=-1)
        return (self.mass * np.exp(-away / (2 * self.spot(half) ** 2))).sum(axis=-1).clip(0, 1)

    @property
    def words(self) -> str:
        """How sure the answer is, and its radius."""
        sure, radius = f"{100 * self.confidence:.0f} % sure", self.best.radius
        return f"{sure}, radius {radius:,.0f} m" if self.best.known else f"{sure}, place unknown"

    def half(self, near: float, far: float) -> float:
        """How far a map must reach that without it reaches ``near`` metres from (0, 0).

        To the answer, wherever it is, and to the device's place and its circle within ``far``.
        """
        reach = [near]
        if self.best.known:
            reach.append(1.12 * np.abs(self.best.place).max())
        if self.device.known and np.abs(self.device.place).max() <= far:
            reach.append(1.12 * np.abs(self.device.place).max())
        return float(max(reach))


def draw_answer(axes: Axes, answer: Answer, half: float) -> list[Artist]:
    """Draw it on a map that reaches ``half`` metres from (0, 0); returns the legend's entries."""
    from matplotlib.colors import to_rgba
    from matplotlib.lines import Line2D

    side = (np.arange(CELLS) + 0.5) / CELLS * 2 * half - half
    image = np.empty((CELLS, CELLS, 4))
    image[:] = to_rgba(HEAT)
    grid = np.stack(np.meshgrid(side, side), axis=-1)
    image[..., 3] = STRONGEST * np.sqrt(answer.heat(grid, half))
    extent = (-half, half, -half, half)
    axes.imshow(image, origin="lower", extent=extent, interpolation="bilinear", zorder=2)
    square: dict[str, Any] = {"linestyle": "", "marker": "s", "markersize": 9}
    entries: list[Artist] = [Line2D([], [], color=HEAT, label="where it may be", **square)]
    entries += _draw_circle(axes, answer.best, half, ("X", ANSWER, "-"), "answer")
    return entries + _draw_circle(axes, answer.device, half, ("D", DEVICE, ":"), "device")


def _draw_circle(
    axes: Axes, circle: Circle, half: float, look: tuple[str, str, str], words: str
) -> list[Artist]:
    """A mark with its circle, and its legend entry, which says where the map does not hold it."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Circle as Ring

    if not circle.known:
        return []
    marker, colour, line = look
    style: dict[str, Any] = {"marker": marker, "color": colour, "markeredgecolor": "white"}
    if circle.within(half):
        ring: dict[str, Any] = {"edgecolor": colour, "linestyle": line, "linewidth": 1.5}
        axes.add_patch(Ring(tuple(circle.place), circle.radius, fill=False, zorder=4, **ring))
        axes.plot(*circle.place, markersize=9, zorder=6.5, **style)
    else:
        words += f" ({np.hypot(*circle.place):,.0f} m away)"
    style["linestyle"] = line
    return [Line2D([], [], linewidth=1.5, markersize=8, label=words, **style)]
