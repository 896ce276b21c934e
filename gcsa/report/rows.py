"""One query of a report as HTML: its image, both lists, and the map."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from gcsa.config import Config
from gcsa.datasets.images import ImageFile, image_path
from gcsa.datasets.settings import DataConfig
from gcsa.imaging import jpeg_base64, read_image
from gcsa.plots.answers import Answer
from gcsa.plots.pictures import Top
from gcsa.report.maps import map_svg, metres
from gcsa.report.outcomes import Change, SceneOutcome

SHOWN = 10  # images of a list
THUMBNAIL = 160  # pixels, the longer side


class Thumbnails:
    """Small JPEG images by number, each file read once however many lists it stands in."""

    def __init__(self, data: DataConfig, longest: int = THUMBNAIL):
        self.images: list[str] = []  # base64
        self.missing: list[ImageFile] = []
        self._data, self._longest = data, longest
        self._numbers: dict[ImageFile, int | None] = {}

    def number(self, scene: str, name: str) -> int | None:
        """The number of an image's thumbnail; None where its file cannot be read."""
        path = image_path(self._data, scene, name)
        if path not in self._numbers:
            image = read_image(path, self._longest)
            if image is None:
                self.missing.append(path)
            else:
                self.images.append(jpeg_base64(image))
            self._numbers[path] = None if image is None else len(self.images) - 1
        return self._numbers[path]


def query_row(
    change: Change,
    scenes: Sequence[SceneOutcome],
    config: Config,
    thumbnails: Thumbnails,
    more: str = "",
) -> str:
    """An article with data- attributes that the filters ask about, and ``more`` below its lists."""
    outcome, query = scenes[change.scene], change.query
    scene = outcome.scene
    name = str(scene.queries.names[query])
    lists = dict(zip(outcome.words, (outcome.first, outcome.reranked), strict=True))
    strips = "".join(_strip(title, outcome, t, query, thumbnails) for title, t in lists.items())
    image = image_tag(thumbnails.number(scene.name, name), name, "query")
    return (
        f"<article {_attributes(change, outcome)}>{_heading(change, scene.name, name)}"
        f'<figure class="own">{image}<figcaption>query</figcaption></figure>'
        f'<div class="lists">{strips}{more}</div>'
        f'<div class="where">{map_svg(outcome, query, SHOWN, config.fov)}'
        f"{_answer(outcome, query)}</div></article>"
    )


def _answer(outcome: SceneOutcome, query: int) -> str:
    """What is believed of the query, in words; nothing where lists come without an answer."""
    if outcome.located is None:
        return ""
    found = Answer.of(outcome.located, outcome.scene, query)
    return "" if found is None else f"<p>answer: {found.words}</p>"


def _attributes(change: Change, outcome: SceneOutcome) -> str:
    query, scene = change.query, outcome.scene
    rows = np.unique(
        [outcome.first.indices[query, :SHOWN], outcome.reranked.indices[query, :SHOWN]]
    )
    names = [scene.queries.names[query], *scene.database.names[rows[rows >= 0]]]
    values = {
        "scene": scene.name,
        "change": change.kind,
        "gain": f"{change.gain:.6f}",
        "first": _right(outcome.first, query),
        "reranked": _right(outcome.reranked, query),
        "names": " ".join(map(str, names)).lower(),
    }
    data = " ".join(f'data-{key}="{escape(value)}"' for key, value in values.items())
    return f'class="query {change.kind}" {data}'


def _right(top: Top, query: int) -> str:
    return "right" if top.judged[query, 0] else "wrong"


def _heading(change: Change, scene: str, name: str) -> str:
    sign = {"gained": "up", "lost": "down", "unchanged": "same"}[change.kind]
    gain = f"{100 * change.gain:+.1f}".replace("-", "\N{MINUS SIGN}")
    before, after = (f"{100 * value:.1f}" for value in (change.before, change.after))
    return (
        f'<header><h3>{escape(scene)} <code title="{escape(name)}">{escape(short(name))}</code>'
        f"</h3>"
        f'<p>AP@10 {before} <span aria-label="to">→</span> {after} '
        f'<strong class="{sign}">{gain}</strong></p></header>'
    )


def _strip(title: str, outcome: SceneOutcome, top: Top, query: int, thumbnails: Thumbnails) -> str:
    found = np.flatnonzero(top.judged[query])
    note = (
        f"first relevant image at rank {found[0] + 1}"
        if len(found)
        else (f"no relevant image in the first {top.indices.shape[1]}")
    )
    tiles = [
        _tile(outcome, top, query, place, thumbnails)
        for place in range(SHOWN)
        if top.indices[query, place] >= 0
    ]
    return f'<p><b>{title}</b>, {note}</p><ol class="strip">{"".join(tiles)}</ol>'


def _tile(outcome: SceneOutcome, top: Top, query: int, place: int, thumbnails: Thumbnails) -> str:
    row, good = int(top.indices[query, place]), bool(top.judged[query, place])
    name, distance = str(outcome.scene.database.names[row]), metres(top.distances[query, place])
    words = f"rank {place + 1}, {'' if good else 'not '}relevant, {distance}"
    image = image_tag(thumbnails.number(outcome.scene.name, name), name, words)
    mark = "\N{CHECK MARK}" if good else "\N{MULTIPLICATION SIGN}"
    return (
        f'<li class="tile {"good" if good else "bad"}" data-i="{row}">{image}'
        f'<span><b aria-hidden="true">{mark}</b> {distance}</span></li>'
    )


def image_tag(number: int | None, name: str, words: str) -> str:
    """An image that the page's script fills in, or a grey tile with the name of what is missing."""
    title = f'title="{escape(name)}"'
    if number is None:
        label = f'role="img" aria-label="{escape(words)}, no image file"'
        return f'<div class="blank" {label} {title}>{escape(short(name))}</div>'
    return f'<img data-t="{number}" alt="{escape(words)}" {title}>'


def short(name: str) -> str:
    """The last part of an image's name, without its suffix."""
    return name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
