"""Draw the pictures of docs/concepts.md: what the package's own functions say of small examples.

Each is an SVG of a few kilobytes, written by hand: the same bytes on every run.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from gcsa.files import write_text
from gcsa.plots.style import ALIKE, OPPOSITE
from gcsa.ranking.retrieval import retrieve
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo import fov, heading, radio
from gcsa.sideinfo.affinity import Lists, SideInformation
from gcsa.sideinfo.fov import FovConfig

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
INK, PALE, BLUE, ORANGE, GREEN = "#16202a", "#5b6875", ALIKE, OPPOSITE, "#2f8f4e"


class Svg:
    """Shapes on a white sheet; coordinates in pixels, y down."""

    def __init__(self, width: int, height: int):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'font-family="Helvetica, Arial, sans-serif" font-size="13" fill="{INK}">',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        ]

    def text(self, x: float, y: float, words: str, anchor: str = "middle", **style: str) -> None:
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{_style(style)}>{words}</text>'
        )

    def line(self, points: np.ndarray, **style: str) -> None:
        self.parts.append(f'<polyline points="{_points(points)}" fill="none"{_style(style)}/>')

    def polygon(self, points: np.ndarray, **style: str) -> None:
        self.parts.append(f'<polygon points="{_points(points)}"{_style(style)}/>')

    def box(self, x: float, y: float, width: float, height: float, **style: str) -> None:
        size = f'width="{width:.1f}" height="{height:.1f}"'
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" {size}{_style(style)}/>')

    def dot(self, x: float, y: float, radius: float = 3, **style: str) -> None:
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}"{_style(style)}/>')

    def clip(self, name: str, points: np.ndarray) -> None:
        """A region that ``clip_path`` of another shape can name."""
        inside = f'<polygon points="{_points(points)}"/>'
        self.parts.append(f'<clipPath id="{name}">{inside}</clipPath>')

    def __str__(self) -> str:
        return "\n".join([*self.parts, "</svg>\n"])


def _points(points: np.ndarray) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _style(style: dict[str, str]) -> str:
    return "".join(f' {name.replace("_", "-")}="{value}"' for name, value in style.items())


def field_of_view() -> Svg:
    """Two cameras in four situations, and how much their fields of view overlap."""
    situations = [
        ("10 m apart, the same way", (10, 0), 0),
        ("one place, a right angle", (0, 0), 90),
        ("face to face, 60 m apart", (0, 60), 180),
        ("back to back", (0, -4), 180),
    ]
    sheet, scale = Svg(920, 300), 1.75
    for number, (words, place, degrees) in enumerate(situations):
        places = np.array([(0, 0), place], dtype=float)
        turns = np.deg2rad([0.0, degrees])
        share = fov.overlap_with(places[0], turns[0], places[1:], turns[1:])[0]
        origin = np.array([115 + 230 * number, 155])
        screen = origin + scale * np.array([1, -1]) * fov.sectors(places, turns)
        _two_fields(sheet, f"field{number}", screen)
        sheet.text(origin[0], 28, words)
        overlap = f"overlap {share:.2f}"
        sheet.text(origin[0], 284, overlap, font_weight="600", font_size="15")
    return sheet


def _two_fields(sheet: Svg, name: str, fields: np.ndarray) -> None:
    """Polygons (2, n, 2) on the sheet, what both cover in a darker colour."""
    for corners, colour in zip(fields, (BLUE, ORANGE), strict=True):
        sheet.polygon(corners, fill=colour, fill_opacity="0.22", stroke=colour)
    sheet.clip(name, fields[0])
    sheet.polygon(fields[1], fill=GREEN, fill_opacity="0.55", clip_path=f"url(#{name})")
    for corners, colour in zip(fields, (BLUE, ORANGE), strict=True):
        sheet.dot(*corners[0], 4, fill=colour)


def example_scene() -> Scene:
    """A street seen by four cameras, one that looks like it seen by three, and another place."""
    random = np.random.default_rng(4)
    places = np.array([(0, 0), (22, 4), (44, -6), (6, 52)] + [(150, 90), (172, 92), (172, -10)])
    degrees = np.array([20.0, 25, 8, 155, 250, 240, 200])
    looks = random.normal(size=(3, 24))
    shown = looks[[0, 0, 0, 0, 1, 1, 2]] + 0.55 * random.normal(size=(7, 24))
    query = looks[0] + 1.1 * looks[1] + 0.5 * random.normal(size=24)
    database = ImageSet(
        np.array([f"{i}.jpg" for i in range(7)]), _unit(shown), places * 1.0, np.deg2rad(degrees)
    )
    asked = ImageSet(np.array(["q.jpg"]), _unit(query[None]), None, np.deg2rad([15.0]))
    return Scene("example", database, asked)


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def affinity_matrix() -> Svg:
    """A list of candidates on the map, and the affinities that the model reads of it."""
    scene, sheet = example_scene(), Svg(980, 330)
    order = retrieve(scene, num=7).indices
    lists = Lists(np.array([0]), order, K=7, L=7)
    shown = np.concatenate([scene.queries.descriptors, scene.database.descriptors[order[0]]])
    blocks = {"looks (cosine)": shown.astype(float) @ shown.T.astype(float)}
    for kind, words in (("positional-db", "field-of-view overlap"), ("heading", "heading")):
        blocks[words] = SideInformation(scene, [kind], FovConfig()).columns(lists)[0]
    _map(sheet, scene, order[0])
    for number, (words, block) in enumerate(blocks.items()):
        left = 300 + 232 * number
        sheet.text(left + 100, 40, words, font_weight="600")
        _matrix(sheet, block, left, 78, 24)
    _legend(sheet, 398, 300)
    return sheet


def _map(sheet: Svg, scene: Scene, order: np.ndarray) -> None:
    """The candidates of a list, numbered by rank, with their fields of view."""
    sheet.text(135, 40, "candidates 1 to 7 on the map", font_weight="600")
    origin, scale = np.array([48, 218]), 0.95
    places, turns = scene.database.positions[order], scene.database.headings[order]
    fields = origin + scale * np.array([1, -1]) * fov.sectors(places, turns)
    for corners in fields:
        sheet.polygon(corners, fill=BLUE, fill_opacity="0.13", stroke=BLUE, stroke_opacity="0.5")
    for rank, (x, y) in enumerate(fields[:, 0], start=1):
        sheet.dot(x, y, 9, fill=BLUE)
        sheet.text(x, y + 4, str(rank), fill="#ffffff", font_size="12", font_weight="600")
    sheet.text(135, 306, "the query's place is not known", fill=PALE)


def _matrix(sheet: Svg, block: np.ndarray, left: float, top: float, cell: float) -> None:
    """Rows query, 1, 2, ...; columns of anchors, without the query in a "-db" kind."""
    rows, columns = block.shape
    first = rows - columns
    for i in range(rows):
        sheet.text(left - 8, top + cell * i + 16, "q" if i == 0 else str(i), fill=PALE)
    for j in range(columns):
        name = "q" if j + first == 0 else str(j + first)
        sheet.text(left + cell * (j + first) + cell / 2, top - 8, name, fill=PALE)
        for i in range(rows):
            x, y = left + cell * (j + first), top + cell * i
            sheet.box(x, y, cell, cell, fill=_colour(block[i, j]), stroke="#d5dbe1")


def _colour(value: float) -> str:
    """White at 0, towards ALIKE at 1 and OPPOSITE at -1."""
    full = np.array(list(bytes.fromhex((ALIKE if value > 0 else OPPOSITE)[1:])))
    red, green, blue = np.rint(255 + abs(value) * (full - 255)).astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"


def _legend(sheet: Svg, left: float, top: float) -> None:
    for i, value in enumerate(np.linspace(-1, 1, 21)):
        sheet.box(left + 14 * i, top, 14, 12, fill=_colour(value))
    marks = ((-1, "−1 opposite"), (0, "0 unknown, or neither"), (1, "1 alike"))
    for value, words in marks:
        sheet.text(left + 147 * (1 + value), top + 27, words, fill=PALE)


def heading_affinity() -> Svg:
    """The affinity of two headings by the angle between them."""
    sheet = Svg(640, 250)
    degrees = np.linspace(0, 180, 91)
    plot = _axes(sheet, (90, 30, 500, 160), (0, 180), (-1, 1), "angle between two headings")
    sheet.line(
        plot(degrees, heading.affinity(0.0, np.deg2rad(degrees))), stroke=BLUE, stroke_width="2.5"
    )
    _ticks(sheet, plot, [(d, -1, f"{d}°") for d in range(0, 181, 45)], below=True)
    _ticks(sheet, plot, [(0, a, _number(a)) for a in (-1, -0.5, 0, 0.5, 1)], below=False)
    sheet.text(30, 110, "affinity", fill=PALE, transform="rotate(-90 30 110)")
    for degree in (0, 90, 180):
        x, y = plot(np.array([degree]), heading.affinity(0.0, np.deg2rad([degree])))[0]
        sheet.dot(x, y, 4, fill=BLUE)
        middle = np.array(
            [x + {0: 30, 90: 30, 180: -34}[degree], y + {0: 80, 90: -24}.get(degree, -66)]
        )
        for turn, colour in ((0.0, INK), (np.deg2rad(degree), ORANGE)):
            tip = middle + 22 * np.array([np.sin(turn), -np.cos(turn)])
            shift = np.array([3.0 if colour == ORANGE and degree != 90 else 0.0, 0.0])
            sheet.line(np.array([middle + shift, tip + shift]), stroke=colour, stroke_width="2")
            sheet.dot(*(tip + shift), 3, fill=colour)
    return sheet


def radio_affinity() -> Svg:
    """Signals as distances, and the affinity of two places on a floor by their distance."""
    sheet = Svg(940, 270)
    plot = _axes(sheet, (80, 40, 350, 170), (-100, -30), (-1, 2.9), "signal strength in dBm")
    sheet.text(255, 24, "a signal as a distance (metres)", font_weight="600")
    rssi = np.linspace(-100, -30, 141)
    for megahertz, colour, x in ((2400, BLUE, -62), (5500, ORANGE, -76)):
        metres = np.log10(radio.path_loss_distance(rssi, megahertz))
        sheet.line(plot(rssi, metres), stroke=colour, stroke_width="2.5")
        place = plot(np.array([x]), np.log10(radio.path_loss_distance([x], megahertz)))[0]
        away = (16, -6, "start") if megahertz == 2400 else (-14, 12, "end")
        words = f"{megahertz / 1000:g} GHz"
        sheet.text(place[0] + away[0], place[1] + away[1], words, away[2], fill=colour)
    _ticks(sheet, plot, [(x, -1, _number(x)) for x in range(-100, -29, 10)], True)
    _ticks(sheet, plot, [(-100, np.log10(m), _number(m)) for m in (0.1, 1, 10, 100, 500)], False)
    metres, affinity = floor_affinity()
    plot = _axes(sheet, (550, 40, 350, 170), (0, 60), (0, 1), "metres between two images")
    sheet.text(725, 24, "affinity of two images on a floor", font_weight="600")
    for x, y in plot(metres, affinity):
        sheet.dot(x, y, 2, fill=GREEN, fill_opacity="0.5")
    _ticks(sheet, plot, [(x, 0, str(x)) for x in range(0, 61, 10)], True)
    _ticks(sheet, plot, [(0, a, _number(a)) for a in (0, 0.25, 0.5, 0.75, 1)], False)
    return sheet


def floor_affinity() -> tuple[np.ndarray, np.ndarray]:
    """Distances (m,) of pairs of images on a floor of 60 x 20 m, and their radio affinities."""
    random = np.random.default_rng(1)
    access_points = random.uniform(size=(30, 2)) * [60, 20]
    images = random.uniform(size=(22, 2)) * [60, 20]
    away = np.linalg.norm(images[:, None] - access_points, axis=2)
    # Free space, 0.6 dB a metre lost in walls, and noise; a receiver hears down to -88 dBm.
    rssi = 27.55 - 20 * np.log10(2400 * np.maximum(away, 1)) - 0.6 * away
    rssi += random.normal(scale=3, size=rssi.shape)
    heard = rssi > -88
    entries = radio.path_loss_distance(rssi[heard], 2400) - radio.MAX_DISTANCE
    names = np.array([f"{i:02d}" for i in range(30)])
    observed = radio.Radio(csr_array((entries, np.nonzero(heard)), shape=heard.shape), names)
    first, second = np.triu_indices(len(images), 1)
    metres = np.linalg.norm(images[first] - images[second], axis=1)
    return metres, radio.pairwise_affinity(observed, observed)[first, second]


Plot = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _axes(
    sheet: Svg, frame: tuple, across: tuple[float, float], up: tuple[float, float], words: str
) -> Plot:
    """A frame on the sheet; returns what takes values to points (n, 2) in it."""
    left, top, width, height = frame
    sheet.box(left, top, width, height, fill="none", stroke="#c3cbd3")
    sheet.text(left + width / 2, top + height + 40, words, fill=PALE)

    def plot(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        right = left + width * (np.asarray(x) - across[0]) / (across[1] - across[0])
        down = top + height * (up[1] - np.asarray(y)) / (up[1] - up[0])
        return np.stack([right, down], axis=1)

    return plot


def _ticks(sheet: Svg, plot: Plot, marks: Sequence[tuple[float, float, str]], below: bool) -> None:
    for x, y, words in marks:
        across, down = plot(np.array([x]), np.array([y]))[0]
        sheet.text(*((across, down + 18) if below else (across - 22, down + 4)), words, fill=PALE)


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "−")


DRAWN = {
    "field_of_view": field_of_view,
    "affinity_matrix": affinity_matrix,
    "heading_affinity": heading_affinity,
    "radio_affinity": radio_affinity,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=PICTURES, help="default: docs/pictures")
    folder = parser.parse_args().output
    for name, draw in DRAWN.items():
        write_text(folder / f"{name}.svg", str(draw()))


if __name__ == "__main__":
    main()
