"""The grammar of LaMAR's text files: one record a line, fields separated by commas.

Fields are stripped of spaces. Empty lines, and lines that begin with "#" (after spaces, if any),
are skipped wherever they stand. A file is read whole and cut by pandas' C parser: a million lines
take a second or two. (lamar-benchmark, scantools/capture.)
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gcsa.errors import InputError, MissingFileError
from gcsa.files import read_lines
from gcsa.files.lines import LONGEST, check_length

NEWLINE, COMMA, HASH = b"\n,#"
# int, float, str, or "category": text of which few values recur.
Kind = type[int] | type[float] | type[str] | str
# What pandas calls them, and what the cells of such a column must look like.
KINDS: dict[Kind, Any] = {int: "int64", float: "float64", str: str, "category": "category"}
NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
PATTERNS: dict[Kind, tuple[str, str]] = {
    int: (r"[+-]?\d{1,18}", "a whole number"),
    float: (NUMBER, "a number"),
}


@dataclass(frozen=True, eq=False)
class Table:
    """The records of one file, n of them; ``lines`` (n,) are their line numbers, from 1."""

    path: Path
    lines: np.ndarray
    columns: pd.DataFrame

    def __len__(self) -> int:
        return len(self.lines)

    def numbers(self, *names: str) -> np.ndarray:
        """One column of numbers (n,), or several (n, k)."""
        return self.columns[names[0] if len(names) == 1 else list(names)].to_numpy()

    def strings(self, name: str) -> np.ndarray:
        """A column of text, (n,) str."""
        return self.columns[name].astype(str).to_numpy(dtype=str)

    def codes(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The distinct values of a category column, sorted, (u,) str; which one is where, (n,)."""
        column = self.columns[name].cat
        return column.categories.to_numpy(dtype=str), column.codes.to_numpy().astype(np.int64)

    def error(self, row: int, problem: str) -> InputError:
        """The error to raise for a fault of record ``row``."""
        return InputError(f"{self.path}: line {self.lines[row]}: {problem}")

    def check_known(self, name: str, known: Collection[str], what: str) -> None:
        """Raise at the first cell of a category column that is not in ``known``."""
        values, codes = self.codes(name)
        wrong = ~np.isin(values, np.array(sorted(known), dtype=str))[codes]
        if wrong.any():
            row = int(wrong.argmax())
            raise self.error(row, f"'{values[codes[row]]}' is not {what}")

    def check_matches(self, name: str, pattern: str, what: str) -> None:
        """Raise at the first cell of a category column that ``pattern`` does not match whole."""
        values, _ = self.codes(name)
        right = pd.Series(values, dtype=str).str.fullmatch(pattern).to_numpy(dtype=bool)
        self.check_known(name, values[right], what)

    def check_filled(self, *names: str) -> None:
        """Raise at the first empty cell of some columns of text."""
        empty = (self.columns[list(names)] == "").to_numpy()
        if empty.any():
            row, column = np.argwhere(empty)[0]
            raise self.error(int(row), f"no {names[column]}")

    def check_unique(self, *names: str) -> None:
        """Raise at the first record whose ``names`` together have been there before."""
        again = self.columns.duplicated(list(names)).to_numpy()
        if again.any():
            row = int(again.argmax())
            cells = ", ".join(str(self.columns[name].iloc[row]) for name in names)
            raise self.error(row, f"'{cells}' is there twice")


def read_table(path: Path, columns: Mapping[str, Kind], widths: Collection[int]) -> Table | None:
    """Read the first columns of a file; None where there is no such file.

    columns: the columns to read, in the order of the file: int, float, str, or "category".
    widths: how many fields a record may have; a record may lack text at its end, which is "".
    Raises InputError, which names file and line.
    """
    if not path.is_file():
        return None
    text, lines, counts = records(read_lines(path))
    wrong = ~np.isin(counts, np.array(list(widths)))
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{path}: line {lines[row]}: {counts[row]} fields separated by commas, expected "
            f"{min(widths)}{' or more' if max(widths) > min(widths) else ''} "
            f"({', '.join(list(columns)[: min(widths)])})"
        )
    present = dict(list(columns.items())[: counts.max(initial=0)])
    try:
        frame = _parse(text, present)
    except (ValueError, OverflowError) as error:
        raise _first_fault(path, text, lines, present) or InputError(f"{path}: {error}") from error
    for name in columns.keys() - present.keys():
        frame[name] = pd.Series("", index=frame.index, dtype=KINDS[columns[name]])
    numbers = [name for name, kind in present.items() if kind is float]
    if not np.isfinite(frame[numbers].to_numpy()).all():
        raise _first_fault(path, text, lines, present) or InputError(f"{path}: not finite")
    text_columns = {n: _stripped(frame[n]) for n, kind in columns.items() if kind not in PATTERNS}
    table = Table(path, lines, frame.assign(**text_columns))
    _check_lengths(table, [*text_columns])
    return table


def _check_lengths(table: Table, names: Sequence[str]) -> None:
    """InputError at the first cell of a column of text that is longer than is read."""
    for name in names:
        long = (table.columns[name].astype(str).str.len() > LONGEST).to_numpy()
        if long.any():
            row = int(long.argmax())
            check_length(table.path, int(table.lines[row]), str(table.columns[name].iloc[row]))


def need(table: Table | None, path: Path, purpose: str) -> Table:
    """The table, or MissingFileError where its file does not exist."""
    if table is None:
        raise MissingFileError(f"{path}: no such file, needed for {purpose}")
    return table


def records(raw: bytes) -> tuple[bytes, np.ndarray, np.ndarray]:
    """The records of a file alone, and for each its line number and its number of fields.

    raw: as :func:`gcsa.files.read_lines` gives it.
    """
    if not raw.endswith(b"\n"):
        raw += b"\n"
    buffer = np.frombuffer(raw, dtype=np.uint8)
    ends = np.flatnonzero(buffer == NEWLINE) + 1
    starts = np.concatenate([[0], ends[:-1]])
    first = starts
    while (blank := np.isin(buffer[first], (ord(" "), ord("\t")))).any():
        first = first + blank
    keep = (buffer[first] != NEWLINE) & (buffer[first] != HASH)
    commas = np.searchsorted(np.flatnonzero(buffer == COMMA), ends)
    counts = np.diff(commas, prepend=0) + 1
    if not keep.all():
        raw = buffer[np.repeat(keep, ends - starts)].tobytes()
    return raw, np.flatnonzero(keep) + 1, counts[keep]


def _parse(text: bytes, columns: Mapping[str, Kind]) -> pd.DataFrame:
    if not text:
        return pd.DataFrame({name: pd.Series(dtype=KINDS[k]) for name, k in columns.items()})
    return pd.read_csv(
        io.BytesIO(text),
        header=None,
        names=list(columns),
        usecols=range(len(columns)),
        dtype={name: KINDS[kind] for name, kind in columns.items()},
        na_filter=False,
        skipinitialspace=True,
        skip_blank_lines=False,
        quoting=csv.QUOTE_NONE,
        lineterminator="\n",
        engine="c",
    )


def _stripped(text: pd.Series) -> pd.Series:
    """A column of text without the spaces around its cells; a category column remains one."""
    if not isinstance(text.dtype, pd.CategoricalDtype):
        return text.str.strip()
    stripped = text.cat.categories.astype(str).str.strip().to_numpy(dtype=object)
    values, inverse = np.unique(stripped, return_inverse=True)
    codes = inverse.reshape(-1)[text.cat.codes.to_numpy()] if len(text) else []
    return pd.Series(pd.Categorical.from_codes(codes, values), index=text.index)


def _first_fault(
    path: Path, text: bytes, lines: np.ndarray, columns: Mapping[str, Kind]
) -> InputError | None:
    """The first cell, column by column, that is not the number that it should be."""
    cells = _parse(text, dict.fromkeys(columns, str))
    for name, kind in columns.items():
        if kind in PATTERNS:
            pattern, what = PATTERNS[kind]
            stripped = cells[name].str.strip()
            wrong = ~stripped.str.fullmatch(pattern).to_numpy(dtype=bool)
            if kind is float:
                wrong |= ~np.isfinite(pd.to_numeric(stripped, errors="coerce").to_numpy())
            if wrong.any():
                row = int(wrong.argmax())
                return InputError(
                    f"{path}: line {lines[row]}, column '{name}': '{stripped[row]}' is not {what}"
                )
    return None
