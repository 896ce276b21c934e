"""images.csv: the table of a folder of own photos, read and checked.

images.csv has a row for each image: ``name``, its path below the folder; ``lat`` and ``lon`` in
degrees (WGS84), or ``x`` and ``y`` in metres (east, north); and where known ``alt`` or ``z``
(metres), ``heading`` (degrees clockwise from north), ``split`` (database | query), ``place`` (the
same text for images of the same place). What a device reports of itself stands apart from the
positions that figures are measured with: ``gps_lat`` and ``gps_lon`` (or ``gps_x`` and ``gps_y``),
``gps_accuracy`` (metres, 68 %), ``heading_accuracy`` (degrees, 68 %), ``captured_at`` (ISO 8601),
``sequence`` (the same text for the frames of one drive or walk). Unknown values are empty cells.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from gcsa.datasets.folder.device import Device, read_device
from gcsa.datasets.folder.positions import axes_of, origin_of, planar, with_heights
from gcsa.datasets.folder.table import Table, read_table
from gcsa.errors import InputError, nearest
from gcsa.sideinfo.geodesy import Plane

COLUMNS = (
    "name lat lon x y alt z heading split place gps_lat gps_lon gps_x gps_y gps_accuracy "
    "heading_accuracy captured_at sequence"
).split()
ROLES = ("database", "query")


@dataclass(frozen=True, eq=False)
class Images:
    """The n images of a folder, in the order of the table.

    names: (n,) str. positions: (n, 2), or (n, 3) where every known position has a height, metres;
    NaN is unknown. headings: (n,) radians clockwise from north, NaN is unknown; None for none at
    all. query: (n,) bool; None where no image is a query. places: (n,) int64, equal where the
    place is the same, each unknown place like no other; None for none at all.
    device: what devices report of themselves. frame: None where positions are metres.
    """

    names: np.ndarray
    positions: np.ndarray
    headings: np.ndarray | None
    query: np.ndarray | None
    places: np.ndarray | None
    device: Device
    frame: Plane | None = None

    def __len__(self) -> int:
        return len(self.names)


def read_images(path: str | os.PathLike) -> Images:
    """Read images.csv; InputError names the file, the line and the column."""
    table = read_table(path, required=["name"], known=COLUMNS)
    axes = axes_of(table)
    names, query = _names(table), _query(table)
    database = np.ones(len(table), bool) if query is None else ~query
    origin = origin_of(table, axes, database)
    level = planar(table, axes, origin)
    headings = None
    if "heading" in table:
        headings = np.deg2rad(table.numbers("heading", -360, 720, "heading") % 360.0)
    unknown = headings is None or np.isnan(headings).all()
    positions = with_heights(table, level)
    device = read_device(table, axes, origin)
    frame = None if origin is None else Plane((float(origin[0]), float(origin[1])))
    return Images(
        names, positions, None if unknown else headings, query, _places(table), device, frame
    )


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


def _places(table: Table) -> np.ndarray | None:
    if "place" not in table or (table.columns["place"] == "").all():
        return None
    texts = table.columns["place"]
    numbers = np.unique(texts, return_inverse=True)[1].astype(np.int64)
    return np.where(texts == "", len(texts) + np.arange(len(texts)), numbers)
