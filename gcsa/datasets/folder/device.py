"""What devices report of themselves, in the table of a folder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gcsa.datasets.folder.positions import EARTH, GPS, planar
from gcsa.datasets.folder.table import Table
from gcsa.errors import InputError


@dataclass(frozen=True, eq=False)
class Device:
    """What the devices of n images report; None for none at all.

    positions: (n, 2) metres, in the frame of the images' own; accuracy: (n,) metres;
    heading_accuracy: (n,) radians; NaN is unknown. sequences: (n,) int64, -1 is none. frames: (n,)
    int64, the order in time, or of the table where times are unknown.
    """

    positions: np.ndarray | None = None
    accuracy: np.ndarray | None = None
    heading_accuracy: np.ndarray | None = None
    sequences: np.ndarray | None = None
    frames: np.ndarray | None = None


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
        *_sequences(table),
    )


def _accuracy(table: Table, column: str, most: float) -> np.ndarray | None:
    """A column of positive numbers; 0, which devices write for unknown, is NaN."""
    if column not in table:
        return None
    values = table.numbers(column, 0, most, column)
    return np.where(values > 0, values, np.nan)


def _sequences(table: Table) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Which sequence each image is of, (n,), -1 none, and its order in time, (n,) int64."""
    if "sequence" not in table or (table.columns["sequence"] == "").all():
        return None, None
    texts = table.columns["sequence"]
    numbers = np.unique(texts, return_inverse=True)[1].astype(np.int64)
    times = np.zeros(len(texts))
    if "captured_at" in table:
        times = _times(table)
    # Images of unknown time keep their place in the table, behind those of a known one.
    order = np.lexsort((np.arange(len(texts)), np.where(np.isnan(times), np.inf, times)))
    frames = np.empty(len(texts), dtype=np.int64)
    frames[order] = np.arange(len(texts))
    return np.where(texts == "", -1, numbers), frames


def _times(table: Table) -> np.ndarray:
    """Column captured_at as seconds, (n,) float64, NaN where empty."""
    text = table.columns["captured_at"]
    found = pd.to_datetime(pd.Series(text), errors="coerce", format="ISO8601", utc=True)
    table.refuse(
        (text != "") & found.isna().to_numpy(), "captured_at", "{} is not a date and time, ISO 8601"
    )
    return np.where(found.isna(), np.nan, found.astype("int64").to_numpy() / 1e9)
