"""The page of located queries: one HTML file with a map, which opens without network."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template
from typing import Any

import numpy as np

from gcsa.datasets.settings import DataConfig
from gcsa.locate.answers import Answers, summary
from gcsa.report.origin import written
from gcsa.report.rows import Thumbnails, short
from gcsa.scene import Scene

logger = logging.getLogger(__name__)

THUMBNAIL = 128  # pixels, the longer side
PHOTOS = 10  # best images of a query, at most
CAMERAS = 20_000  # of a scene, drawn as the map's ground
HEAT, FAINT = 64, 1e-3  # candidates drawn by their probability: so many, and not below


def page(
    found: Sequence[Answers], rows: Sequence[dict[str, Any]], data: DataConfig, max_queries: int
) -> str:
    """The HTML text, with the first ``max_queries`` queries.

    rows: the properties of all queries, in the order of ``found``.
    """
    shown, thumbnails = list(rows[:max_queries]), Thumbnails(data, THUMBNAIL)
    scenes = [ground(answers.scene) for answers in found]
    queries = [
        _query(answers, number, query, scenes[number]["centre"], row, thumbnails)
        for (number, answers, query), row in zip(_numbered(found), shown, strict=False)
    ]
    notes = [*_caps(found, rows, len(shown)), *_missing(thumbnails)]
    for note in notes:
        logger.info("%s", note)
    parts = {
        "title": escape(", ".join(answers.scene.name for answers in found)),
        "about": escape(f"{summary(found)}."),
        "written": escape(written()),
        "notes": "".join(f'<p class="note">{escape(note)}</p>' for note in notes),
        "rows": "".join(map(_row, range(len(shown)), shown)),
        "content": _embedded(
            {"scenes": scenes, "queries": queries, "thumbnails": thumbnails.images}
        ),
    }
    parts["style"], parts["script"] = (
        shared(f"map.{k}") + shared(f"page.{k}") for k in ("css", "js")
    )
    return Template(shared("page.html")).substitute(parts)


def shared(name: str) -> str:
    """The text of a file beside this one; those of the map are of other programs' pages, too."""
    return resources.files("gcsa.locate").joinpath(name).read_text(encoding="utf-8")


def _numbered(found: Sequence[Answers]):
    """(number of the scene, its answers, number of the query in it) of every query."""
    for number, answers in enumerate(found):
        for query in range(len(answers.placed)):
            yield number, answers, query


def _embedded(content: dict[str, Any]) -> str:
    """JSON that cannot end the script element that it stands in."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def ground(scene: Scene) -> dict[str, Any]:
    """A scene as the map draws it: cameras in metres about its centre, east and north in turn."""
    positions = scene.database.positions
    known = np.empty((0, 2)) if positions is None else positions[:, :2]
    known = known[np.isfinite(known).all(axis=1)]
    centre = np.median(known, axis=0) if len(known) else np.zeros(2)
    step = -(-len(known) // CAMERAS) or 1
    cameras = np.round(known[::step] - centre, 1)
    return {
        "name": scene.name,
        "centre": [float(value) for value in centre],
        "cameras": cameras.ravel().tolist(),
    }


def drawn(
    answers: Answers, query: int, centre: Sequence[float], before: Sequence[int] = ()
) -> dict[str, Any]:
    """A query as the map draws it; places in metres about the centre of its scene.

    before: rows of the database whose places are told, too, those of the first round.
    """
    scene, ranking = answers.scene, answers.ranking
    rows = ranking.indices[query]

    def place(position: np.ndarray) -> list[float] | None:
        if not np.isfinite(position[:2]).all():
            return None
        return [round(float(p) - c, 1) for p, c in zip(position[:2], centre, strict=True)]

    def of_row(image: int) -> list[float] | None:
        known = scene.database.positions
        return None if known is None or image < 0 else place(known[image])

    device, accuracy = answers.device()
    assumed = bool(np.isnan(accuracy[query]))
    heat = [
        [*where, round(float(ranking.probability[query, column]), 4)]
        for column in np.argsort(-ranking.probability[query], kind="stable")[:HEAT]
        if ranking.probability[query, column] >= FAINT
        and (where := of_row(rows[column])) is not None
    ]
    return {
        "at": place(ranking.position[query]),
        "device": place(device[query]),
        "accuracy": float(ranking.calibration.gps_accuracy if assumed else accuracy[query]),
        "assumed": assumed,
        "heat": heat,
        "places": [of_row(int(row)) for row in rows[:PHOTOS]],
        "before": [of_row(int(row)) for row in before],
    }


def _query(
    answers: Answers,
    number: int,
    query: int,
    centre: Sequence[float],
    row: dict[str, Any],
    thumbnails: Thumbnails,
) -> dict[str, Any]:
    """A query as the script reads it."""
    scene, map_ = answers.scene.name, drawn(answers, query, centre)
    del map_["before"]
    best = [
        {**image, "at": at, "thumbnail": thumbnails.number(scene, image["name"])}
        for image, at in zip(row["best"], map_.pop("places"), strict=False)
    ]
    return {
        **map_,
        "scene": number,
        "name": row["name"],
        "radius": row["radius_m"],
        "confidence": row["confidence"],
        "none": row["none"],
        "best": best,
        "thumbnail": thumbnails.number(scene, row["name"]),
    }


def _row(number: int, row: dict[str, Any]) -> str:
    """A line of the table, readable without the script."""
    name = escape(row["name"])
    best = row["best"][0]["name"] if row["best"] else ""
    cells = [
        escape(row["scene"]),
        _position(row),
        "" if row["radius_m"] is None else f"{row['radius_m']:.0f} m",
        f"{row['confidence']:.2f}",
    ]
    return (
        f'<tr data-q="{number}" data-text="{escape((row["scene"] + " " + row["name"]).lower())}">'
        f'<th scope="row"><button type="button" title="{name}">{escape(short(row["name"]))}'
        f"</button></th>{''.join(f'<td>{cell}</td>' for cell in cells)}"
        f'<td class="name" title="{escape(best)}">{escape(short(best))}</td></tr>'
    )


def _position(row: dict[str, Any]) -> str:
    if "lat" in row:
        return f"{row['lat']:.5f}, {row['lon']:.5f}"
    return f"{row['x']:.1f}, {row['y']:.1f} m" if "x" in row else "not located"


def _caps(found: Sequence[Answers], rows: Sequence[dict[str, Any]], shown: int) -> list[str]:
    """What the page leaves out."""
    said, total = [], len(rows)
    most = max((len(row["best"]) for row in rows), default=0)
    if shown < total:
        said.append(
            f"The first {shown:,} of {total:,} queries (--max_queries {shown}); the GeoJSON and "
            "the table beside this page have all."
        )
    if most > PHOTOS:
        said.append(f"The {PHOTOS} best images of a query; the files beside this page have {most}.")
    for answers in found:
        count = len(answers.scene.database)
        if count > CAMERAS:
            said.append(
                f"{answers.scene.name}: the map's ground has every {-(-count // CAMERAS)}th of "
                f"{count:,} cameras; places that may be a query's are drawn all."
            )
    return said


def _missing(thumbnails: Thumbnails) -> list[str]:
    if not thumbnails.missing:
        return []
    total = len(thumbnails.missing) + len(thumbnails.images)
    return [
        f"{len(thumbnails.missing):,} of {total:,} images cannot be read, the first is "
        f"{thumbnails.missing[0]}"
    ]
