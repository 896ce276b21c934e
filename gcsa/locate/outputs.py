"""Located queries as GeoJSON (RFC 7946), as a table, and beside them the page."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from gcsa.config import Config
from gcsa.errors import InputError
from gcsa.files import replacing
from gcsa.locate.answers import Answers
from gcsa.locate.page import page

SUFFIXES = (".geojson", ".json")
DEGREES = 7  # decimals: a centimetre
METRES = "metres east, north"
COLUMNS = (
    "scene name lat lon x y radius_m confidence none device_lat device_lon device_x device_y "
    "device_accuracy_m"
).split()


def paths_of(output: Path) -> tuple[Path, Path, Path]:
    """The three files of ``--output``: GeoJSON, CSV and HTML."""
    if output.suffix not in SUFFIXES:
        raise InputError(f"--output: '{output}' does not end with .geojson (.csv, .html beside it)")
    paths = output, output.with_suffix(".csv"), output.with_suffix(".html")
    for path in paths:
        if path.is_dir():
            raise InputError(f"--output: {path} is a folder; expected a file, or none yet")
    return paths


def write(
    paths: Sequence[Path], found: Sequence[Answers], config: Config, num: int, max_queries: int
) -> None:
    """Write all three files, or on an error none.

    num: best images of a query. max_queries: those that the page shows.
    """
    collection = geojson(found, num)
    rows = [f["properties"] for f in collection["features"]]
    texts = (
        json.dumps(collection, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        table(rows, num),
        page(found, rows, config.data, max_queries),
    )
    with ExitStack() as files:
        # Renamed once all of them are written.
        temporary = [files.enter_context(replacing(path)) for path in paths]
        for path, text in zip(temporary, texts, strict=True):
            path.write_text(text, encoding="utf-8", newline="\n")


def geojson(found: Sequence[Answers], num: int = 5) -> dict[str, Any]:
    """A FeatureCollection with a point for each query, null where it could not be located.

    Coordinates are longitude and latitude (WGS84). Where no scene's place on the Earth is known
    they are metres, which the foreign member "coordinates" says.
    """
    metres = all(a.scene.frame is None for a in found) and any(a.placed.any() for a in found)
    features = [feature for a in found for feature in _features(a, num, metres)]
    said = {"coordinates": METRES} if metres else {}
    return {"type": "FeatureCollection", **said, "features": features}


def table(rows: Sequence[dict[str, Any]], num: int = 5) -> str:
    """The properties of queries as CSV text, a line each; what is unknown is an empty cell."""
    best = [f"{what}_{place}" for place in range(1, num + 1) for what in ("best", "probability")]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *best])
    for row in rows:
        images = [cell for image in row["best"] for cell in (image["name"], image["probability"])]
        cells = [row.get(column) for column in COLUMNS]
        writer.writerow([*cells, *images, *[None] * (len(best) - len(images))])
    return text.getvalue()


def _features(answers: Answers, num: int, metres: bool) -> list[dict[str, Any]]:
    found, scene = answers.ranking, answers.scene
    degrees = answers.degrees(found.position)
    device, accuracy = answers.device()
    device_degrees = answers.degrees(device)
    features = []
    for query, name in enumerate(scene.queries.names):
        properties = {
            "name": str(name),
            "scene": scene.name,
            **_pair("lat", "lon", degrees[query], DEGREES),
            **_pair("x", "y", found.position[query], 2),
            "radius_m": _number(found.radius[query], 2),
            "confidence": _number(found.confidence[query], 4),
            "none": _number(found.none[query], 4),
            "best": _best(answers, query, num),
            **_pair("device_lat", "device_lon", device_degrees[query], DEGREES),
            **_pair("device_x", "device_y", device[query], 2),
            **_known("device_accuracy_m", _number(accuracy[query], 2)),
        }
        keys = ("x", "y") if metres else ("lon", "lat")
        geometry = None
        if all(key in properties for key in keys):
            geometry = {"type": "Point", "coordinates": [properties[key] for key in keys]}
        features.append({"type": "Feature", "geometry": geometry, "properties": properties})
    return features


def _best(answers: Answers, query: int, num: int) -> list[dict[str, Any]]:
    """The first images of a query's list, with the probability that they show its place."""
    found = answers.ranking
    rows, chances = found.indices[query, :num], found.scores[query, :num]
    names = answers.scene.database.names
    return [
        {"name": str(names[row]), "probability": _number(chance, 4)}
        for row, chance in zip(rows, chances, strict=True)
        if row >= 0
    ]


def _pair(first: str, second: str, values: np.ndarray, decimals: int) -> dict[str, float]:
    """Two properties, where both are known."""
    if not np.isfinite(values).all():
        return {}
    return {first: round(float(values[0]), decimals), second: round(float(values[1]), decimals)}


def _known(key: str, value: float | None) -> dict[str, float]:
    return {} if value is None else {key: value}


def _number(value: float, decimals: int) -> float | None:
    """A number as JSON has it: null where it is none."""
    return round(float(value), decimals) if np.isfinite(value) else None
