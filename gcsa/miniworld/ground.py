"""The ground of a city as a raster of classes: carriageway, markings, pavement, earth."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from gcsa.miniworld.streets import Street, along, arc_length

EARTH, PAVEMENT, ROAD, MARKING, KERB = range(5)
CELL = 0.25  # metres
PAVEMENT_WIDTH = 2.6


@dataclass(frozen=True)
class Ground:
    """Classes (rows north, columns east) with the south-west corner in metres."""

    classes: np.ndarray  # (R, C) uint8
    corner: np.ndarray  # (2,)

    def at(self, points: np.ndarray) -> np.ndarray:
        """Classes (N,) at points (N, 2); earth outside the raster."""
        cell = np.floor((points - self.corner) / CELL).astype(np.int64)
        limit = self.classes.shape[1], self.classes.shape[0]
        inside = ((cell >= 0) & (cell < limit)).all(1)
        cell[~inside] = 0
        return np.where(inside, self.classes[cell[:, 1], cell[:, 0]], EARTH)


def draw_ground(streets: list[Street], margin: float = 40.0) -> Ground:
    """Rasterise the streets, widest layer first."""
    points = np.concatenate([s.points for s in streets])
    corner = points.min(0) - margin
    size = np.ceil((points.max(0) + margin - corner) / CELL).astype(int)
    image = Image.new("L", tuple(size.tolist()), EARTH)
    pen = ImageDraw.Draw(image)
    lines = [[tuple(p) for p in (s.points - corner) / CELL] for s in streets]
    for grow, value in ((PAVEMENT_WIDTH + 1.5, PAVEMENT), (0.3, KERB), (0.0, ROAD)):
        for street, line in zip(streets, lines, strict=True):
            _thick(pen, line, (street.half_width + grow) / CELL, value)
    for street in streets:
        _markings(pen, street, corner)
    return Ground(np.asarray(image), corner)


def _thick(pen, line, half, value) -> None:
    pen.line(line, fill=value, width=round(2 * half))
    for x, y in line:
        pen.ellipse((x - half, y - half, x + half, y + half), fill=value)


def _markings(pen, street: Street, corner) -> None:
    """Dashes along the middle and a zebra crossing near both ends."""
    run = arc_length(street.points)
    for start in np.arange(14.0, run[-1] - 17.0, 6.0):
        dash = along(street.points, run, np.array([start, start + 3.0]))
        pen.line([tuple(p) for p in (dash - corner) / CELL], fill=MARKING, width=1)
    for at in (10.0, run[-1] - 10.0):
        ends = along(street.points, run, np.array([at - 1.5, at + 1.5]))
        forward = ends[1] - ends[0]
        normal = np.array([-forward[1], forward[0]]) / np.hypot(*forward)
        for shift in np.arange(-street.half_width + 0.6, street.half_width, 1.2):
            stripe = (ends + normal * shift - corner) / CELL
            pen.line([tuple(p) for p in stripe], fill=MARKING, width=2)
