"""Line charts and histograms as inline SVG; the page's style sheet gives them their colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np

from gcsa.evaluation.confidence import Reliability

WIDTH, HEIGHT = 420, 260
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 12, 36
COLOURS = 7  # classes c0 .. c6 of the style sheet


@dataclass(frozen=True)
class Line:
    """A line of a chart: (x, y) points by rising x, and a level that is dotted across: its name."""

    name: str
    points: Sequence[tuple[float, float]]
    level: float | None = None
    level_name: str = "no re-ranking"


@dataclass
class Scale:
    """Data to pixels along one axis, with ticks at round numbers. log: logarithmic."""

    low: float
    high: float
    start: float
    end: float
    ticks: list[float] = field(default_factory=list)
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            value, low, high = map(math.log10, (value, low, high))
        return self.start + (value - low) / (high - low) * (self.end - self.start)


def line_chart(
    title: str,
    lines: Sequence[Line],
    x_name: str,
    unit: str = "",
    x_ticks: Sequence[float] = (),
    log: bool = False,
) -> str:
    """A figure of lines: <figure> with a caption, points that say their values, and a legend.

    x_ticks: instead of round numbers. log: the axis of x, which is above 0.
    """
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    ys += [line.level for line in lines if line.level is not None]
    if not xs:
        return ""
    x = scale(min(xs), max(xs), LEFT + 6, WIDTH - RIGHT - 6, whole=True)
    x.ticks, x.log = list(x_ticks) or x.ticks, log
    y = scale(min(ys), max(ys), HEIGHT - BOTTOM, TOP)
    drawn = [_axes(x, y, x_name)]
    drawn += [
        _line(line, number % COLOURS, x, y, x_name, unit) for number, line in enumerate(lines)
    ]
    legend = "".join(
        f'<li><span class="swatch c{number % COLOURS}"></span>{escape(line.name)}</li>'
        for number, line in enumerate(lines)
    )
    for name in dict.fromkeys(line.level_name for line in lines if line.level is not None):
        legend += f'<li><span class="swatch level"></span>{escape(name)}</li>'
    caption = f"{escape(title)}{f' <small>{escape(unit)}</small>' if unit else ''}"
    return _figure(caption, f'{_svg(title, drawn)}<ul class="legend">{legend}</ul>')


def histogram(title: str, values: np.ndarray, unit: str) -> str:
    """Counts of values in [-1, 1] by tenths; those that are 0 are a bar of their own, between.

    A bar of gains holds (0, 0.1], (0.1, 0.2], ..., one of losses the same of the other sign.
    """
    size = np.round(10 * np.abs(values), 6)
    tenth = np.ceil(size).astype(int)  # 0: unchanged
    counts = {
        kind: np.bincount(tenth[mask], minlength=11)[1:]
        for kind, mask in (("lost", values < 0), ("gained", values > 0))
    }
    none = int((tenth == 0).sum())
    x = Scale(-1.05, 1.05, LEFT, WIDTH - RIGHT, [-1, -0.5, 0, 0.5, 1])
    y = scale(0, max(1, none, *counts["lost"], *counts["gained"]), HEIGHT - BOTTOM, TOP, whole=True)
    bars = [_bar(x(-0.05), x(0.05), y(none), y(0), "unchanged", f"{none} unchanged")]
    for kind, side in (("lost", -1), ("gained", 1)):
        for number, count in enumerate(counts[kind]):
            left, right = sorted(x(side * (number / 10 + shift)) for shift in (0.05, 0.15))
            words = f"{count} {kind} by up to {10 * number + 10} {unit}"
            bars.append(_bar(left, right, y(count), y(0), kind, words))
    labels = ["\N{MINUS SIGN}100", "\N{MINUS SIGN}50", "0", "+50", "+100"]
    drawn = [_axes(x, y, f"change of AP@10, {unit}", labels), *bars]
    return _figure(escape(title), _svg(title, drawn))


def reliability_chart(title: str, found: Reliability) -> str:
    """Share of right answers against mean confidence by bin, its counts as bars at the foot.

    On the dotted diagonal confidence is what comes true.
    """
    x = Scale(0, 100, LEFT + 6, WIDTH - RIGHT - 6, [0, 20, 40, 60, 80, 100])
    y = Scale(0, 100, HEIGHT - BOTTOM, TOP, [0, 20, 40, 60, 80, 100])
    bars, numbers = _counts(found, x)
    drawn = [_axes(x, y, "confidence, percent"), *bars]
    ends = f'x1="{x(0):.1f}" y1="{y(0):.1f}" x2="{x(100):.1f}" y2="{y(100):.1f}"'
    drawn.append(f'<line class="level" {ends}/>')
    bins = zip(100 * found.confidence, 100 * found.correct, found.count, strict=True)
    held = [(x(sure), y(right), sure, right, n) for sure, right, n in bins if n]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b, *_ in held)
    drawn.append(f'<polyline class="line c0" points="{path}"/>')
    for a, b, sure, right, n in held:
        said = f"{n:,} answers, {sure:.0f} % sure, {right:.0f} % right"
        place = f'cx="{a:.1f}" cy="{b:.1f}" r="3.4"'
        drawn.append(f'<circle class="dot c0" {place}><title>{said}</title></circle>')
    drawn += numbers
    legend = (
        '<li><span class="swatch c0"></span>right answers, percent</li>'
        '<li><span class="swatch level"></span>confidence as it should be</li>'
        "<li>bars: number of answers</li>"
    )
    return _figure(escape(title), f'{_svg(title, drawn)}<ul class="legend">{legend}</ul>')


def _counts(found: Reliability, x: Scale) -> tuple[list[str], list[str]]:
    """A bar for each bin, at most a quarter of the chart high, and its number, to stand on top."""
    bars, numbers, foot, most = [], [], HEIGHT - BOTTOM, max(1, int(found.count.max()))
    for low, high, n in zip(found.edges, found.edges[1:], found.count, strict=False):
        left, right, top = x(100 * low), x(100 * high), foot - (foot - TOP) / 4 * n / most
        bars.append(_bar(left, right, top, foot, "count", f"{n:,} answers"))
        at = f'x="{(left + right) / 2:.1f}" y="{top - 4:.1f}"'
        numbers += [f'<text class="tick over" {at}>{n:,}</text>'] if n else []
    return bars, numbers


def scale(low: float, high: float, start: float, end: float, whole: bool = False) -> Scale:
    """A scale from round number to round number around [low, high], with 3 to 7 ticks.

    whole: ticks at whole numbers, and no wider than the data.
    """
    if high - low < 1e-9:
        low, high = low - (0.5 if whole else 1), high + (0.5 if whole else 1)
    step = _step((high - low) / 5, (1, 2, 5, 10) if whole else (1, 2, 2.5, 5, 10))
    if whole:
        step = max(1.0, step)
        first, last = math.ceil(low / step), math.floor(high / step + 1e-9)
    else:
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        low, high = min(low, first * step), max(high, last * step)
    return Scale(low, high, start, end, [step * i for i in range(first, last + 1)])


def _step(size: float, factors: Sequence[float]) -> float:
    """The least of the factors times a power of ten that is not below ``size``."""
    power = 10.0 ** math.floor(math.log10(size))
    return next(power * f for f in factors if power * f >= size * (1 - 1e-9))


def _figure(caption: str, content: str) -> str:
    return f'<figure class="chart"><figcaption>{caption}</figcaption>{content}</figure>'


def _svg(title: str, parts: Sequence[str]) -> str:
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}"'
    return f'<svg {box} role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'


def _axes(x: Scale, y: Scale, x_name: str, labels: Sequence[str] = ()) -> str:
    parts = []
    for tick in y.ticks:
        at = f"{y(tick):.1f}"
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text class="tick end" x="{LEFT - 7}" y="{at}" dy=".35em">{tick:g}</text>')
    for number, tick in enumerate(x.ticks):
        text, low = labels[number] if labels else f"{tick:g}", HEIGHT - BOTTOM + 16
        parts.append(f'<text class="tick" x="{x(tick):.1f}" y="{low}">{text}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="tick" x="{middle}" y="{HEIGHT - 5}">{escape(x_name)}</text>')
    return "".join(parts)


def _line(line: Line, colour: int, x: Scale, y: Scale, x_name: str, unit: str) -> str:
    places = [(x(a), y(b)) for a, b in line.points]
    parts = []
    if line.level is not None:
        at = f"{y(line.level):.1f}"
        said = f"<title>{escape(line.level_name)}: {line.level:.4g} {unit}</title>"
        ends = f'x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"'
        parts.append(f'<line class="level" {ends}>{said}</line>')
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    parts.append(f'<polyline class="line c{colour}" points="{path}"/>')
    for (a, b), (value, result) in zip(places, line.points, strict=True):
        said = escape(f"{line.name}, {x_name} {value:g}: {result:.4g} {unit}".rstrip())
        place = f'cx="{a:.1f}" cy="{b:.1f}" r="3.4"'
        parts.append(f'<circle class="dot c{colour}" {place}><title>{said}</title></circle>')
    return "".join(parts)


def _bar(left: float, right: float, top: float, bottom: float, kind: str, words: str) -> str:
    if bottom - top < 1e-9:
        return ""
    place = f'x="{left + 0.7:.1f}" y="{top:.1f}"'
    size = f'width="{right - left - 1.4:.1f}" height="{bottom - top:.1f}"'
    return f'<rect class="bar {kind}" {place} {size}><title>{escape(words)}</title></rect>'
