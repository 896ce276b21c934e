"""radio.csv: what the images of a folder heard."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from gcsa.datasets.folder.table import Table, read_table
from gcsa.sideinfo.radio import MAX_DISTANCE, Radio, measured, path_loss_distance

RADIO_COLUMNS = "name transmitter rssi frequency_mhz kind".split()


def read_radio(path: str | os.PathLike, names: np.ndarray, others: bool = False) -> Radio:
    """Read radio.csv: what the images ``names`` (n,) heard, a Radio of n rows.

    Columns: name, transmitter (an address), rssi (dBm); frequency_mhz where known, 2400 where
    not; kind (wifi, bluetooth, ...), which keeps equal addresses of two kinds apart. Addresses and
    kinds compare without case. Of several rows of one image and transmitter the nearest in metres
    counts, and none whose signal is no measurement. others: pass over the rows of other images,
    which are an error otherwise.
    """
    table = read_table(path, RADIO_COLUMNS[:3], RADIO_COLUMNS)
    if others:
        table = table.only(np.isin(table.filled("name"), names))
    _rows_of(table, names)
    table.filled("transmitter")
    table.filled("rssi")
    signal = table.numbers("rssi", -np.inf, np.inf, "signal in dBm")
    known_signal = measured(signal, str(path))
    table = table.only(known_signal)
    image = _rows_of(table, names)
    metres = path_loss_distance(signal[known_signal], _megahertz(table))
    transmitter, known = _transmitters(table)
    nearest_first = np.lexsort((metres, transmitter, image))
    pair = image[nearest_first] * len(known) + transmitter[nearest_first]
    rows = nearest_first[np.unique(pair, return_index=True)[1]]
    entries = metres[rows] - MAX_DISTANCE, (image[rows], transmitter[rows])
    return Radio(csr_array(entries, shape=(len(names), len(known))), known)


def _rows_of(table: Table, names: np.ndarray) -> np.ndarray:
    """The image of each row, (m,) int64."""
    place = pd.Index(names).get_indexer(table.filled("name"))
    table.refuse(place < 0, "name", "{} is no image that is known")
    return place


def _transmitters(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """The transmitter of each row, (m,) int64, and their names, sorted, (T,) str in lower case."""
    names: Any = np.char.lower(table.columns["transmitter"])
    if "kind" in table:
        kinds = np.char.lower(table.columns["kind"])
        names = [f"{kind}/{n}" for kind, n in zip(kinds, names, strict=True)]
    number, known = pd.factorize(np.array(names, dtype=object), sort=True)
    return number, known.astype(str)


def _megahertz(table: Table) -> np.ndarray:
    if "frequency_mhz" not in table:
        return np.full(len(table), np.nan)
    return table.numbers("frequency_mhz", -1, 1e6, "frequency in MHz")
