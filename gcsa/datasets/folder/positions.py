"""Positions in the table of a folder: degrees or metres, as metres in one frame."""

from __future__ import annotations

import numpy as np

from gcsa.datasets.folder.table import Table
from gcsa.errors import InputError
from gcsa.scene import EARTH
from gcsa.sideinfo.geodesy import LIMIT, distance, middle, to_metres

COMMON = {("lat", "lon"): "degrees", ("x", "y"): "metres"}
# Where a device's own reading stands, by the columns of the positions.
GPS = {("lat", "lon"): ("gps_lat", "gps_lon"), ("x", "y"): ("gps_x", "gps_y")}


def axes_of(table: Table) -> tuple[str, str]:
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


def origin_of(table: Table, axes: tuple[str, str], database: np.ndarray) -> np.ndarray | None:
    """Latitude and longitude (2,) in the middle of the database; None where there are none.

    Not of the queries: where they were taken says nothing to what reads the scene. Without any
    position of the database, of whatever has one.
    """
    for columns in (axes, GPS[axes]):
        if COMMON[axes] == "degrees" and all(name in table for name in columns):
            values = _values(table, columns)
            known = np.isfinite(values).all(axis=1)
            if known.any():
                return middle(
                    values[known & database] if (known & database).any() else values[known]
                )
    return None


def _values(table: Table, axes: tuple[str, str]) -> np.ndarray:
    """Two columns as they stand, (n, 2), both known or both NaN."""
    degrees = axes[0].endswith("lat")
    bounds = ((90, "latitude"), (180, "longitude")) if degrees else ((EARTH, "x"), (EARTH, "y"))
    columns = [table.numbers(n, -b, b, what) for n, (b, what) in zip(axes, bounds, strict=True)]
    values = np.stack(columns, axis=1)
    for i, name in enumerate(axes):
        half = np.isnan(values[:, i]) & ~np.isnan(values[:, 1 - i])
        table.refuse(half, name, f"is empty, '{axes[1 - i]}' is not")
    return values


def planar(table: Table, axes: tuple[str, str], origin: np.ndarray | None) -> np.ndarray:
    """East and north (n, 2) in metres; degrees become those around ``origin``."""
    values = _values(table, axes)
    if not axes[0].endswith("lat") or origin is None:
        return values
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


def with_heights(table: Table, planar: np.ndarray) -> np.ndarray:
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
