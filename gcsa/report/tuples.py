"""The section of a report about mined tuples: which images training found hardest to tell apart."""

from __future__ import annotations

from html import escape

import numpy as np

from gcsa.report.maps import metres
from gcsa.report.rows import SHOWN, Thumbnails, image_tag, short
from gcsa.report.runs import PastRun
from gcsa.training.describing.collection import Placed, collect
from gcsa.training.kept import STATE, read_state

QUERIES = 6  # that are shown, evenly chosen
NOTE = (
    "Training queries with the database images that looked most alike when their tuple was last "
    "mined, the hardest first: all are of other places. Below an image: its distance."
)


def section(run: PastRun, thumbnails: Thumbnails) -> str:
    """Some queries with their hardest negatives; "" of a run that mines no tuples of photos, or
    whose resume.pth.tar, which remembers them, is gone.
    """
    config, kept = run.config, run.folder / STATE
    mines = config.train.system == "descriptor" and config.descriptor.batches == "tuples"
    if not mines or not kept.is_file():
        return ""
    scenes = collect(config).scenes
    remembered = [cache.numpy() for cache in read_state(kept)["tuples"]]
    known = [
        (placed, query, cache[query])
        for placed, cache in zip(scenes, remembered, strict=True)
        for query in np.flatnonzero(cache[:, 0] >= 0)
    ]
    if not known:
        return ""
    chosen = np.unique(np.linspace(0, len(known) - 1, min(QUERIES, len(known))).astype(int))
    rows = "".join(_row(known[number], thumbnails) for number in chosen)
    return f'<section id="tuples"><h2>Tuples</h2><p class="note">{NOTE}</p>{rows}</section>'


def _row(found: tuple[Placed, int, np.ndarray], thumbnails: Thumbnails) -> str:
    placed, query, negatives = found
    scene, name = placed.scene, str(placed.scene.queries.names[query])
    own = image_tag(thumbnails.number(scene.name, name), name, "query")
    tiles = "".join(_tile(placed, query, row, thumbnails) for row in negatives[:SHOWN] if row >= 0)
    return (
        f'<article class="query"><header><h3>{escape(scene.name)} '
        f'<code title="{escape(name)}">{escape(short(name))}</code></h3></header>'
        f'<figure class="own">{own}<figcaption>query</figcaption></figure>'
        f'<div class="lists"><ol class="strip">{tiles}</ol></div></article>'
    )


def _tile(placed: Placed, query: int, row: int, thumbnails: Thumbnails) -> str:
    database = placed.scene.database
    assert database.positions is not None  # or nothing could have been mined
    away = database.positions[row, :2] - placed.truth.positions[query, :2]
    name, distance = str(database.names[row]), metres(float(np.hypot(*away)))
    number = thumbnails.number(placed.scene.name, name)
    image = image_tag(number, name, f"negative, {distance}")
    return f'<li class="tile bad">{image}<span>{distance}</span></li>'
