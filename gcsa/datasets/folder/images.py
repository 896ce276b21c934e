"""images.csv and radio.csv: the tables of a folder of own photos, read and checked.

images.csv has a row for each image: ``name``, its path below the folder; ``lat`` and ``lon`` in
degrees (WGS84), or ``x`` and ``y`` in metres (east, north); and where known ``alt`` or ``z``
(metres), ``heading`` (degrees clockwise from north), ``split`` (database | query), ``place`` (the
same text for images of the same place). radio.csv has a row for each signal that an image heard.
Unknown values are empty cells.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from gcsa.datasets.folder.geodesy import LIMIT, distance, middle, to_metres
from gcsa.datasets.folder.table import Table, read_table
from gcsa.errors import InputError, nearest
from gcsa.sideinfo.radio import MAX_DISTANCE, Radio, path_loss_distance

COLUMNS = "name lat lon x y alt z heading split place".split()
RADIO_COLUMNS = "name transmitter rssi frequency_mhz kind".split()
ROLES = ("database", "query")
EARTH = 1e8  # metres: coordinates beyond it are of no map
COMMON = {("lat", "lon"): "degrees", ("x", "y"): "metres"}


@dataclass(frozen=True, eq=False)
class Images:
    """The n images of a folder, in the order of the table.

    names: (n,) str. positions: (n, 2), or (n, 3) where every known position has a height, metres;
    NaN is unknown. headings: (n,) radians clockwise from north, NaN is unknown; None for none at
    all. query: (n,) bool; None where no image is a query. places: (n,) int64, equal where the
    place is the same, each unknown place like no other; None for none at all.
    """

    names: np.ndarray
    positions: np.ndarray
    headings: np.ndarray | None
    query: np.ndarray | None
    places: np.ndarray | None

    def __len__(self) -> int:
        return len(self.names)


def read_images(path: str | os.PathLike) -> Images:
    """Read images.csv; InputError names the file, the line and the column."""
    table = read_table(path, required=["name"], known=COLUMNS)
    axes = _axes(table)
    names, query = _names(table), _query(table)
    planar = _planar(table, axes, np.ones(len(table), bool) if query is None else ~query)
    headings = None
    if "heading" in table:
        headings = np.deg2rad(table.numbers("heading", -360, 720, "heading") % 360.0)
    unknown = headings is None or np.isnan(headings).all()
    positions = _with_heights(table, planar)
    return Images(names, positions, None if unknown else headings, query, _places(table))


def read_radio(path: str | os.PathLike, names: np.ndarray, others: bool = False) -> Radio:
    """Read radio.csv: what the images ``names`` (n,) heard, a Radio of n rows.

    Columns: name, transmitter (an address), rssi (dBm); frequency_mhz where known, 2400 where
    not; kind (wifi, bluetooth, ...), which keeps equal addresses of two kinds apart. Of several
    rows of one image and transmitter the nearest in metres counts. others: pass over the rows of
    other images, which are an error otherwise.
    """
    table = read_table(path, RADIO_COLUMNS[:3], RADIO_COLUMNS)
    if others:
        table = table.only(np.isin(table.filled("name"), names))
    image = _rows_of(table, names)
    table.filled("rssi")
    metres = path_loss_distance(table.numbers("rssi", -200, 0, "signal in dBm"), _megahertz(table))
    transmitter, known = _transmitters(table)
    nearest_first = np.lexsort((metres, transmitter, image))
    pair = image[nearest_first] * len(known) + transmitter[nearest_first]
    rows = nearest_first[np.unique(pair, return_index=True)[1]]
    entries = metres[rows] - MAX_DISTANCE, (image[rows], transmitter[rows])
    return Radio(csr_array(entries, shape=(len(names), len(known))), known)


def _axes(table: Table) -> tuple[str, str]:
    """The two columns of positions: lat and lon, or x and y."""
    there = [pair for pair in COMMON if any(name in table for name in pair)]
    if len(there) > 1:
        raise InputError(f"{table.path}: has both lat, lon and x, y; keep the two that are right")
    for pair in there:
        for name, other in (pair, pair[::-1]):
            if name not in table:
                raise InputError(f"{table.path}: column '{other}' but no column '{name}'")
    if not there:
        raise InputError(
            f"{table.path}: neither columns 'lat' and 'lon' nor 'x' and 'y'; "
            "where positions are unknown leave their cells empty"
        )
    return there[0]


def _names(table: Table) -> np.ndarray:
    names = table.filled("name")
    table.refuse(np.char.find(names, "\\") >= 0, "name", "{}: folders are separated by /")
    outside = np.char.startswith(names, "/") | np.char.startswith(names, "../")
    table.refuse(outside, "name", "{} is not a path below the folder of the table")
    first = np.zeros(len(names), dtype=bool)
    first[np.unique(names, return_index=True)[1]] = True
    table.refuse(~first, "name", "{} is there twice")
    return names


def _query(table: Table) -> np.ndarray | None:
    """Which images are queries, (n,) bool; None where none is."""
    if "split" not in table:
        return None
    roles = table.columns["split"]
    unknown = ~np.isin(roles, ROLES)
    if unknown.any():
        word = str(roles[unknown.argmax()])
        table.refuse(unknown, "split", f"{{}} is no split{nearest(word, ROLES)}")
    query = roles == "query"
    if query.all():
        raise InputError(f"{table.path}: column 'split': no image is of the database")
    return query if query.any() else None


def _planar(table: Table, axes: tuple[str, str], database: np.ndarray) -> np.ndarray:
    """East and north (n, 2) in metres; degrees become those around the middle of the database."""
    degrees = COMMON[axes] == "degrees"
    bounds = ((90, "latitude"), (180, "longitude")) if degrees else ((EARTH, "x"), (EARTH, "y"))
    columns = [table.numbers(n, -b, b, what) for n, (b, what) in zip(axes, bounds, strict=True)]
    values = np.stack(columns, axis=1)
    for i, name in enumerate(axes):
        half = np.isnan(values[:, i]) & ~np.isnan(values[:, 1 - i])
        table.refuse(half, name, f"is empty, '{axes[1 - i]}' is not")
    known = np.isfinite(values[:, 0])
    if not degrees or not known.any():
        return values
    # Not the queries': where they were taken says nothing to what reads the scene.
    origin = middle(values[known & database] if (known & database).any() else values[known])
    away = np.nan_to_num(distance(values, origin))
    if (away > LIMIT).any():
        row = int((away > LIMIT).argmax())
        raise table.error(
            row,
            axes[0],
            f"{away[row] / 1000:.0f} km from the other images; a scene is one place, "
            "and unknown positions are empty cells, not 0",
        )
    return to_metres(values, origin)


def _with_heights(table: Table, planar: np.ndarray) -> np.ndarray:
    """Positions with heights (n, 3) where all that are known have one, else without (n, 2)."""
    names = [name for name in ("alt", "z") if name in table]
    if len(names) == 2:
        raise InputError(f"{table.path}: has both alt and z; keep the one that is right")
    if not names:
        return planar
    heights = table.numbers(names[0], -EARTH, EARTH, "height")
    known = np.isfinite(planar).all(1)
    if not np.isfinite(heights[known]).all() or not known.any():
        return planar
    return np.column_stack([planar, np.where(known, heights, np.nan)])


def _places(table: Table) -> np.ndarray | None:
    if "place" not in table or (table.columns["place"] == "").all():
        return None
    texts = table.columns["place"]
    numbers = np.unique(texts, return_inverse=True)[1].astype(np.int64)
    return np.where(texts == "", len(texts) + np.arange(len(texts)), numbers)


def _rows_of(table: Table, names: np.ndarray) -> np.ndarray:
    """The image of each row, (m,) int64."""
    place = pd.Index(names).get_indexer(table.filled("name"))
    table.refuse(place < 0, "name", "{} is no image that is known")
    return place


def _transmitters(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """The transmitter of each row, (m,) int64, and their names, sorted, (T,) str."""
    names: Any = table.filled("transmitter")
    if "kind" in table:
        names = [f"{kind}/{n}" for kind, n in zip(table.columns["kind"], names, strict=True)]
    number, known = pd.factorize(np.array(names, dtype=object), sort=True)
    return number, known.astype(str)


def _megahertz(table: Table) -> np.ndarray:
    if "frequency_mhz" not in table:
        return np.full(len(table), np.nan)
    return table.numbers("frequency_mhz", -1, 1e6, "frequency in MHz")
