"""Columns of MSLS's CSV files, by name and strictly typed."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from gcsa.errors import InputError, MissingFileError, nearest
from gcsa.files.lines import Cells, read_cells

logger = logging.getLogger(__name__)


def read_columns(
    path: Path, columns: dict[str, type], more: dict[str, type] | None = None
) -> pd.DataFrame:
    """Some columns of a CSV file by name, strictly typed; those of ``more`` need not be there."""
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file; MSLS's archive of metadata has it")
    table = read_cells(path)
    for name in columns:
        if name not in table.header:
            hint = nearest(name, filter(None, table.header))
            raise InputError(f"{path}: no column '{name}'{hint}")
    more = {name: kind for name, kind in (more or {}).items() if name in table.header}
    converted = {name: _convert(table, name, kind) for name, kind in (columns | more).items()}
    return pd.DataFrame(converted)


def read_if_there(
    path: Path, columns: dict[str, type], more: dict[str, type] | None = None
) -> pd.DataFrame | None:
    """What :func:`read_columns` reads, or None where there is no such file."""
    if path.is_file():
        return read_columns(path, columns, more)
    logger.info("%s: absent, its columns are unknown", path)
    return None


def _convert(table: Cells, name: str, kind: type) -> pd.Series:
    """A column of text as str, bool ("True", "False") or float (empty is NaN)."""
    text = pd.Series(table.column(name), dtype=object)
    if kind is str:
        values, wrong = text, (text == "")
    elif kind is bool:
        values, wrong = (text == "True"), ~text.isin(["True", "False"])
    else:
        written = text.str.replace(",", ".") if table.decimal_commas else text
        values = pd.to_numeric(written, errors="coerce").astype(np.float64)
        unknown = text.str.lower().isin(["", "nan"])
        wrong = ~unknown & ~np.isfinite(values)
    if wrong.any():
        row = int(np.argmax(wrong))
        expected = {str: "a key", bool: "True or False", float: "a number"}[kind]
        raise row_error(table.path, row, name, f"'{text[row]}' is not {expected}")
    return values


def row_error(path: Path, row: int, column: str, problem: str) -> InputError:
    """The error to raise for a fault of one cell; row: its number, without the header."""
    line = read_cells(path).lines[row]  # read again: nothing else asks for lines
    return InputError(f"{path}: line {line}, column '{column}': {problem}")
