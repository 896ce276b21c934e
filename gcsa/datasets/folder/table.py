"""CSV files with a header: one row an image, columns by name, unknown values as empty cells."""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gcsa.errors import InputError, nearest
from gcsa.files import replacing
from gcsa.files.lines import read_cells

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Table:
    """The n rows of a CSV file.

    lines: (n,) int64, the line each row ends in, from 1. columns: (n,) str each, the cells without
    the spaces around them. decimal_commas: "0,5" is a half.
    """

    path: Path
    lines: np.ndarray
    columns: dict[str, np.ndarray]
    decimal_commas: bool = False

    def __len__(self) -> int:
        return len(self.lines)

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    def only(self, rows: np.ndarray) -> Table:
        """The rows that ``rows`` (n,) bool marks."""
        columns = {name: cells[rows] for name, cells in self.columns.items()}
        return Table(self.path, self.lines[rows], columns, self.decimal_commas)

    def error(self, row: int, column: str, problem: str) -> InputError:
        """The error to raise for a fault of one cell."""
        return InputError(f"{self.path}: line {self.lines[row]}, column '{column}': {problem}")

    def refuse(self, wrong: np.ndarray, column: str, problem: str) -> None:
        """Raise for the first row that ``wrong`` (n,) bool marks; "{}" stands for its cell."""
        if wrong.any():
            row = int(wrong.argmax())
            raise self.error(row, column, problem.replace("{}", f"'{self.columns[column][row]}'"))

    def filled(self, column: str) -> np.ndarray:
        """A column of text, (n,) str, no cell empty."""
        self.refuse(self.columns[column] == "", column, "is empty")
        return self.columns[column]

    def numbers(self, column: str, low: float, high: float, what: str) -> np.ndarray:
        """A column of numbers from ``low`` to ``high``, (n,) float64; NaN where a cell is empty.

        what: the quantity, for messages. Raises InputError at the first cell that is no number,
        or one out of bounds.
        """
        text = self.columns[column]
        if self.decimal_commas:
            text = np.char.replace(text, ",", ".")
        values = pd.to_numeric(pd.Series(text, dtype=object), errors="coerce").to_numpy(np.float64)
        unknown = np.isin(np.char.lower(text), ("", "nan"))
        self.refuse(~unknown & ~np.isfinite(values), column, "{} is not a number")
        outside = ~unknown & ~((values >= low) & (values <= high))
        self.refuse(outside, column, f"{what} {{}} is not from {low:g} to {high:g}")
        return values


def read_table(path: str | os.PathLike, required: Sequence[str], known: Iterable[str]) -> Table:
    """Read a table as :mod:`gcsa.files.lines` has it: a header, rows without any text skipped.

    required: columns that must be there. known: all that somebody will ask for; others are named
    in the log and passed over. Raises InputError, which names the file and the line.
    """
    found, known = read_cells(path), set(known)
    for name in required:
        if name not in found.header:
            raise InputError(f"{path}: no column '{name}'{nearest(name, found.header)}")
    unread = [name for name in found.header if name and name not in known]
    if unread:
        logger.info("%s: columns that are not read: %s", path, ", ".join(unread))
    if not found.rows:
        raise InputError(f"{path}: no images, only a header")
    columns = {name: np.array(found.column(name)) for name in found.header if name in known}
    return Table(found.path, np.array(found.lines), columns, found.decimal_commas)


def write_table(path: str | os.PathLike, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write a CSV file, all or nothing; None and NaN are empty cells."""
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            try:
                writer.writerow(["" if v is None or v != v else v for v in row])
            except UnicodeEncodeError as error:
                name = str(row[0]).encode("utf-8", "backslashreplace").decode()
                raise InputError(f"{path}: '{name}': a name that is not UTF-8 text") from error
