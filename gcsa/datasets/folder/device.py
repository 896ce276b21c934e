"""What devices report of themselves, in the table of a folder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gcsa.datasets.folder.positions import GPS, planar
from gcsa.datasets.folder.table import Table
from gcsa.errors import InputError
from gcsa.scene import EARTH

YEARS = 1700, 2200  # of captured_at


@dataclass(frozen=True, eq=False)
class Device:
    """What the devices of n images report; None for none at all.

    positions: (n, 2) metres, in the frame of the images' own; accuracy: (n,) metres;
    heading_accuracy: (n,) radians; times: (n,) seconds since 1970; NaN is unknown. sequences: (n,)
    int64, those of column sequence, -1 is none.
    """

    positions: np.ndarray | None = None
    accuracy: np.ndarray | None = None
    heading_accuracy: np.ndarray | None = None
    times: np.ndarray | None = None
    sequences: np.ndarray | None = None


def read_device(table: Table, axes: tuple[str, str], origin: np.ndarray | None) -> Device:
    """What the devices report, from the columns that are there."""
    wrong = [name for pair in GPS.values() if pair != GPS[axes] for name in pair if name in table]
    if wrong:
        raise InputError(
            f"{table.path}: column '{wrong[0]}' beside '{axes[0]}' and '{axes[1]}'; "
            f"expected {' and '.join(GPS[axes])}"
        )
    positions = None
    if any(name in table for name in GPS[axes]):
        for name in GPS[axes]:
            if name not in table:
                raise InputError(f"{table.path}: no column '{name}' beside the other of its pair")
        positions = planar(table, GPS[axes], origin)
    turn = _accuracy(table, "heading_accuracy", 180.0)
    return Device(
        None if positions is None or np.isnan(positions).all() else positions,
        _accuracy(table, "gps_accuracy", EARTH),
        None if turn is None else np.deg2rad(turn),
        _times(table),
        _sequences(table),
    )


def _accuracy(table: Table, column: str, most: float) -> np.ndarray | None:
    """A column of positive numbers; 0, which devices write for unknown, is NaN."""
    if column not in table:
        return None
    values = table.numbers(column, 0, most, column)
    return np.where(values > 0, values, np.nan)


def _sequences(table: Table) -> np.ndarray | None:
    if "sequence" not in table or (table.columns["sequence"] == "").all():
        return None
    texts = table.columns["sequence"]
    numbers = np.unique(texts, return_inverse=True)[1].astype(np.int64)
    return np.where(texts == "", -1, numbers)


def _times(table: Table) -> np.ndarray | None:
    """Column captured_at as seconds, (n,) float64, NaN where empty; without an offset it is UTC."""
    if "captured_at" not in table or (table.columns["captured_at"] == "").all():
        return None
    text = table.columns["captured_at"]
    found = pd.to_datetime(pd.Series(text), errors="coerce", format="ISO8601", utc=True)
    wrong = (text != "") & found.isna().to_numpy()
    table.refuse(wrong, "captured_at", "{} is not a date and time, ISO 8601")
    # Years that no clock of a camera shows cannot be counted in nanoseconds.
    wrong = ~found.dt.year.between(*YEARS).to_numpy() & (text != "")
    table.refuse(wrong, "captured_at", f"the year of {{}} is not from {YEARS[0]} to {YEARS[1]}")
    return (found - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy()
