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

from gcsa.errors import InputError, MissingFileError, nearest
from gcsa.files import replacing

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Table:
    """The n rows of a CSV file.

    lines: (n,) int64, the line each row ends in, from 1. columns: (n,) str each, the cells without
    the spaces around them.
    """

    path: Path
    lines: np.ndarray
    columns: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.lines)

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    def only(self, rows: np.ndarray) -> Table:
        """The rows that ``rows`` (n,) bool marks."""
        columns = {name: cells[rows] for name, cells in self.columns.items()}
        return Table(self.path, self.lines[rows], columns)

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
        values = pd.to_numeric(pd.Series(text, dtype=object), errors="coerce").to_numpy(np.float64)
        unknown = np.isin(np.char.lower(text), ("", "nan"))
        self.refuse(~unknown & ~np.isfinite(values), column, "{} is not a number")
        outside = ~unknown & ~((values >= low) & (values <= high))
        self.refuse(outside, column, f"{what} {{}} is not from {low:g} to {high:g}")
        return values


def read_table(path: str | os.PathLike, required: Sequence[str], known: Iterable[str]) -> Table:
    """Read a CSV file: commas between the columns, a header, UTF-8; rows without any text skipped.

    required: columns that must be there. known: all that somebody will ask for; others are named
    in the log and passed over. Raises InputError, which names the file and the line.
    """
    path, known = Path(path), set(known)
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file")
    header, lines, rows = _rows(path)
    for name in required:
        if name not in header:
            raise InputError(f"{path}: no column '{name}'{_hint(name, header)}")
    unread = [name for name in header if name and name not in known]
    if unread:
        logger.info("%s: columns that are not read: %s", path, ", ".join(unread))
    if not rows:
        raise InputError(f"{path}: no images, only a header")
    cells = zip(*rows, strict=True)
    columns = {n: np.array(c, dtype=str) for n, c in zip(header, cells, strict=True) if n in known}
    return Table(path, np.array(lines, dtype=np.int64), columns)


def write_table(path: str | os.PathLike, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write a CSV file, all or nothing; None and NaN are empty cells."""
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(["" if v is None or v != v else v for v in row] for row in rows)


def _rows(path: Path) -> tuple[list[str], list[int], list[list[str]]]:
    """The header, and for each row its line and its cells, as many as the header has."""
    lines, rows = [], []
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True)
            for cells in reader:
                stripped = [cell.strip() for cell in cells]
                if any(stripped):
                    lines.append(reader.line_num)
                    rows.append(stripped)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason})") from error
    except csv.Error as error:
        raise InputError(f"{path}: not a CSV file ({error})") from error
    if not rows:
        raise InputError(f"{path}: empty; expected a header line")
    _check_shape(path, lines, rows)
    return rows[0], lines[1:], rows[1:]


def _check_shape(path: Path, lines: list[int], rows: list[list[str]]) -> None:
    header = rows[0]
    for name in filter(None, header):
        if header.count(name) > 1:
            raise InputError(f"{path}: line {lines[0]}: two columns are called '{name}'")
    for line, cells in zip(lines, rows, strict=True):
        if len(cells) != len(header):
            raise InputError(
                f"{path}: line {line}: {len(cells)} cells separated by commas, "
                f"the header has {len(header)}"
            )


def _hint(name: str, header: list[str]) -> str:
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        return "; the columns must be separated by commas"
    return nearest(name, header)
