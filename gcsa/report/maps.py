"""The map of a query as inline SVG: cameras and fields of view from above, north up."""

from __future__ import annotations

import numpy as np

from gcsa.plots.answers import STRONGEST, Answer, Circle
from gcsa.plots.maps import View, view_of
from gcsa.plots.pictures import Top
from gcsa.report.outcomes import SceneOutcome
from gcsa.sideinfo.fov import FovConfig

SIZE = 260  # pixels, of the square
BAR = 90  # pixels, of the scale at most
RANKED, RING, DISTANT, STAR = 7.0, 5.0, 9.0, 9.5  # pixels, radii of marks
WIDE = 2.5  # standard deviations, radius of a spot of heat: as the gradient of page.html has it
SPOT = 5e-3  # probability from which a candidate has one
GAP = 1.0  # pixels, of room around a mark: corners of squares reach farther than their radius


def map_svg(outcome: SceneOutcome, query: int, num: int, fov: FovConfig) -> str:
    """The first ``num`` of the list after with rank and field of view, the other list's others as
    rings; "" where no position is known. What is far away stands at the edge.
    """
    new = _shown(outcome.reranked, query, num)
    old = {row: r for row, r in _shown(outcome.first, query, num).items() if row not in new}
    rows, relevant = np.array([*new, *old], dtype=np.int64), [*new.values(), *old.values()]
    positions = outcome.scene.database.positions
    if positions is None or not np.isfinite(positions[rows]).any():
        return ""
    view = view_of(outcome.scene, outcome.truth, query, rows, fov, outcome.located)
    parts = [
        _field(polygon, view.half, "good" if relevant[number] else "bad")
        for number, polygon in view.fields.items()
        if number < len(new)
    ]
    answer = view.answer
    if answer is not None:
        parts += _heat(answer, view.half)
    if view.own is not None:
        parts.append(_field(view.own, view.half, "own"))
    parts += _cameras(view, rows, relevant, len(new), outcome.words[0])
    if view.query is not None:
        ((x, y),) = to_pixels(view.query[None], view.half)
        parts.append(f'<path class="me" d="{_star(x, y)}"/>')
    if answer is not None:
        parts += _circle(answer.device, view.half, "device", "device", "M0 -7 L7 0 L0 7 L-7 0 Z")
        words = f"answer, {answer.words}"
        parts += _circle(answer.best, view.half, "answer", words, "M-5 -5 L5 5 M-5 5 L5 -5")
    return frame(view.half, parts, "map of the query and its candidates, north up")


def _shown(top: Top, query: int, num: int) -> dict[int, bool]:
    """{database row: relevant} of the first ``num`` of a list, best first."""
    rows = top.indices[query, :num]
    return {int(r): bool(top.judged[query, i]) for i, r in enumerate(rows) if r >= 0}


def to_pixels(offsets: np.ndarray, half: float) -> np.ndarray:
    """Metres east and north of the middle (n, 2) -> pixels, which grow downwards."""
    return (np.array([1.0, -1.0]) * offsets / half + 1) * SIZE / 2


def _field(polygon: np.ndarray, half: float, kind: str) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in to_pixels(polygon, half))
    return f'<polygon class="fov {kind}" points="{points}"/>'


def _cameras(
    view: View, rows: np.ndarray, relevant: list[bool], ranked: int, before: str
) -> list[str]:
    """The marks of the cameras, and lines from them to where the cameras are; the first ``ranked``
    have a rank, the others are of the list ``before``.
    """
    radii = np.where(np.arange(len(rows)) < ranked, RANKED, RING)
    half = SIZE / 2
    places, beyond = view.marks((radii + GAP) / half, (DISTANT + GAP) / half, STAR / half)
    drawn, true = to_pixels(places, view.half), to_pixels(view.offsets, view.half)
    moved = ~beyond & (places != view.offsets).any(axis=1)
    lines, marks = [], []
    for number in view.known:
        good, rank = relevant[number], number + 1 if number < ranked else None
        if moved[number]:
            lines.append(_line(true[number], drawn[number], good))
        where = view.offsets[number], drawn[number], bool(beyond[number])
        marks.append(_camera(rows[number], *where, good, rank, before))
    return lines + marks


def _line(camera: np.ndarray, mark: np.ndarray, relevant: bool) -> str:
    ends = f"M{camera[0]:.1f} {camera[1]:.1f} L{mark[0]:.1f} {mark[1]:.1f}"
    return f'<path class="lead {"good" if relevant else "bad"}" d="{ends}"/>'


def _camera(
    row: int,
    offset: np.ndarray,
    place: np.ndarray,
    beyond: bool,
    relevant: bool,
    rank: int | None,
    before: str,
) -> str:
    """The mark of a camera at ``offset`` metres, drawn at ``place`` in pixels."""
    kind = f"{'good' if relevant else 'bad'}{' ring' if rank is None else ''}"
    words = f"rank {rank}" if rank else f"{before} only"
    judged = "relevant" if relevant else "not relevant"
    said = f"<title>{words}, {judged}, {metres(float(np.hypot(*offset)))}</title>"
    if beyond:
        turn = np.degrees(np.arctan2(*offset))
        shape = f'<path d="M0 -10 L6.5 -3.5 V6 H-6.5 V-3.5 Z" transform="rotate({turn:.0f})"/>'
    else:
        r = RING if rank is None else RANKED
        square = f'<rect x="{-r:g}" y="{-r:g}" width="{2 * r:g}" height="{2 * r:g}"/>'
        shape = f'<circle r="{r:g}"/>' if relevant else square
    number = f'<text dy=".35em">{rank}</text>' if rank else ""
    at = f'transform="translate({place[0]:.1f} {place[1]:.1f})"'
    return f'<g class="cam {kind}" data-i="{row}" {at}>{said}{shape}{number}</g>'


def _star(x: float, y: float) -> str:
    angles = np.arange(10) * np.pi / 5
    radius = np.where(np.arange(10) % 2, 4.0, STAR)
    points = zip(x + radius * np.sin(angles), y - radius * np.cos(angles), strict=True)
    return "M" + " L".join(f"{a:.1f} {b:.1f}" for a, b in points) + " Z"


def _heat(answer: Answer, half: float) -> list[str]:
    """A soft spot at each candidate that has mass; those at one place share its strength."""
    shares = answer.mass / answer.heat(answer.places, half)
    strength = STRONGEST * np.sqrt(answer.heat(answer.places, half)) * shares
    drawn = (answer.mass >= SPOT) & (np.abs(answer.places).max(axis=1) <= 1.2 * half)
    radius = WIDE * answer.spot(half) / half * SIZE / 2
    spots = zip(to_pixels(answer.places[drawn], half), strength[drawn], strict=True)
    return [
        f'<circle class="heat" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" opacity="{share:.2f}"/>'
        for (x, y), share in spots
    ]


def _circle(circle: Circle, half: float, kind: str, words: str, mark: str) -> list[str]:
    """A mark with its circle; nothing where the place is unknown or not on the map."""
    if not circle.known or not circle.within(half):
        return []
    ((x, y),) = to_pixels(circle.place[None], half)
    ring = f'<circle r="{circle.radius / half * SIZE / 2:.1f}"/>'
    at = f'class="{kind}" transform="translate({x:.1f} {y:.1f})"'
    return [f'<g {at}><title>{words}</title>{ring}<path d="{mark}"/></g>']


def frame(half: float, parts: list[str], words: str) -> str:
    """The map around its parts, which show ``words``; below a scale and an arrow to the north."""
    bar = bar_length(2 * half * BAR / SIZE)
    wide, y, x = bar / (2 * half) * SIZE, SIZE + 16, SIZE - 26
    marks = (
        f'<path class="mark" d="M10 {y - 5} V{y} H{10 + wide:.1f} V{y - 5}"/>'
        f'<text class="tick start" x="{17 + wide:.1f}" y="{y}">{bar_name(bar)}</text>'
        f'<path class="mark" d="M{x} {y} v-10 m-4 4 l4 -5 l4 5"/>'
        f'<text class="tick" x="{x + 13}" y="{y}">N</text>'
    )
    inside = (
        f'<svg width="{SIZE}" height="{SIZE}"><rect class="ground" width="{SIZE}" height="{SIZE}"/>'
    )
    box = f'viewBox="0 0 {SIZE} {SIZE + 24}"'
    label = f'role="img" aria-label="{words}"'
    return f'<svg class="map" {box} {label}>{inside}{"".join(parts)}</svg>{marks}</svg>'


def bar_length(most: float) -> float:
    """The longest of 1, 2, 5 times a power of ten metres that is not above ``most``."""
    power = 10.0 ** np.floor(np.log10(most))
    return float(max(power * f for f in (1, 2, 5) if power * f <= most * (1 + 1e-9)))


def bar_name(length: float) -> str:
    """A round length in words: 0.5 m, 20 m, 1 km."""
    return f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"


def metres(distance: float) -> str:
    """A distance in words: 3.4 m, 56 m, 1.2 km; a dash where it is unknown."""
    if not np.isfinite(distance):
        return "–"
    if distance >= 1000:
        return f"{distance / 1000:.1f} km"
    return f"{distance:.1f} m" if distance < 9.95 else f"{distance:.0f} m"
