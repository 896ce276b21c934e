"""Text files of others cut into lines, fields and cells: the one place that does it.

Text is as :func:`gcsa.files.read_text` gives it: UTF-8, with or without a byte-order mark, line
ends of any system. Lines are cut at line ends alone, empty ones are skipped but counted. A fault
is an InputError that names file and line.

Tables have a header line; their columns are separated by commas, semicolons or tabs, whichever the
header has most of. Where it is semicolons, numbers may have decimal commas, as spreadsheets write
them in many countries.

What is kept has limits, as one huge cell would make a whole column of fixed width huge: a field or
cell has at most LONGEST characters, a table at most MOST_COLUMNS columns; a cell that nobody reads
may have as many as Python's csv allows, 131,072.
"""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gcsa.errors import InputError
from gcsa.files import read_text

PathLike = str | os.PathLike

LONGEST = 1024
MOST_COLUMNS = 1000
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
SHOWN = 60  # characters of a line in a message


def numbered(text: str, comments: bool = False) -> Iterator[tuple[int, str]]:
    """(line number, line without the spaces around it) of every line that is not empty.

    comments: lines that begin with "#" are skipped, too.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if stripped and not (comments and stripped.startswith("#")):
            yield number, stripped


def lines_of(path: PathLike, comments: bool = False) -> list[tuple[int, str]]:
    """:func:`numbered` of a file's text."""
    return list(numbered(read_text(path), comments))


def names_by_line(path: PathLike) -> list[str]:
    """The lines of a file as names, a name a line: spaces within and "#" are the name's own."""
    found = lines_of(path)
    for number, line in found:
        check_length(path, number, line)
    return [line for _, line in found]


def fields_by_line(
    path: PathLike,
    widths: Collection[int],
    form: str,
    separator: str | None = None,
    comments: bool = False,
) -> list[tuple[int, list[str]]]:
    """(line number, fields) of every line that is not empty, its fields counted.

    widths: how many fields a line may have. form: the fields, for messages. separator: None for
    white space.
    """
    return list(cut(lines_of(path, comments), path, widths, form, separator))


def cut(
    lines: Sequence[tuple[int, str]] | Iterator[tuple[int, str]],
    path: PathLike,
    widths: Collection[int],
    form: str,
    separator: str | None = None,
) -> Iterator[tuple[int, list[str]]]:
    """The lines of a text cut into fields; arguments as in :func:`fields_by_line`."""
    between = "spaces" if separator is None else SEPARATORS[separator]
    for number, line in lines:
        fields = [field.strip() for field in line.split(separator)]
        if len(fields) not in widths:
            raise InputError(
                f"{path}: line {number}: expected '{form}', got {len(fields)} fields "
                f"separated by {between}"
            )
        if len(line) > LONGEST:
            for field in fields:
                check_length(path, number, field)
        yield number, fields


def check_length(path: PathLike, number: int, text: str) -> None:
    """InputError where a name or another field is longer than is read."""
    if len(text) > LONGEST:
        raise InputError(
            f"{path}: line {number}: '{text[:SHOWN]}...' has {len(text)} characters, "
            f"expected at most {LONGEST}"
        )


@dataclass(frozen=True, eq=False)
class Cells:
    """The n rows of a table: ``lines`` (n) that they end in, ``rows`` (n) of stripped cells."""

    path: Path
    header: list[str]
    lines: list[int]
    rows: list[list[str]]
    separator: str

    @property
    def decimal_commas(self) -> bool:
        """Whether a comma in a number is that before its decimals."""
        return self.separator == ";"

    def column(self, name: str) -> list[str]:
        """The cells of a column (n), which are to be read: of one line, and not too long."""
        place = self.header.index(name)
        cells = [row[place] for row in self.rows]
        wrong = [row for row, cell in enumerate(cells) if len(cell) > LONGEST or "\n" in cell]
        if wrong:
            line, cell = self.lines[wrong[0]], cells[wrong[0]]
            check_length(self.path, line, cell)
            start = line - cell.count("\n")
            raise InputError(f"{self.path}: line {start}: a quote is opened and not closed")
        return cells


def read_cells(path: PathLike) -> Cells:
    """Read a table with a header; rows without any text are skipped, others as wide as it."""
    text = read_text(path)
    first = next(numbered(text), None)
    if first is None:
        raise InputError(f"{path}: empty; expected a header line")
    separator = max(SEPARATORS, key=first[1].count)
    _check_header_size(path, *first, separator)
    lines, rows = [], []
    reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            stripped = [*map(str.strip, cells)]
            if any(stripped):
                lines.append(reader.line_num)
                rows.append(stripped)
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}: {_reason(error)}") from error
    if not rows:
        raise InputError(f"{path}: empty; expected a header line")
    table = Cells(Path(path), rows[0], lines[1:], rows[1:], separator)
    _check_shape(table, lines[0])
    return table


def _reason(error: csv.Error) -> str:
    """What Python's csv says, in words of the file."""
    if "field larger" in str(error):
        return (
            f"a cell has more than {csv.field_size_limit()} characters; a quote may be opened "
            "and not closed"
        )
    if "unexpected end" in str(error):
        return "the file ends within a quote; one is opened and not closed"
    return f"not a CSV file ({error})"


def _check_header_size(path: PathLike, number: int, line: str, separator: str) -> None:
    columns = 1 + line.count(separator)
    if columns > MOST_COLUMNS:
        raise InputError(
            f"{path}: line {number}: {columns} columns separated by {SEPARATORS[separator]}, "
            f"expected a header of at most {MOST_COLUMNS}"
        )


def _check_shape(table: Cells, first: int) -> None:
    """InputError where a name stands above two columns, or a row is not as wide as the header."""
    for name, count in Counter(table.header).items():
        check_length(table.path, first, name)
        if name and count > 1:
            raise InputError(f"{table.path}: line {first}: two columns are called '{name[:SHOWN]}'")
    width = len(table.header)
    for line, row in zip(table.lines, table.rows, strict=True):
        if len(row) != width:
            hint = ""
            if len(row) > width and table.separator == ",":
                hint = " (for decimal commas, separate the columns by semicolons)"
            raise InputError(
                f"{table.path}: line {line}: {len(row)} cells separated by "
                f"{SEPARATORS[table.separator]}, the header has {width}{hint}"
            )
