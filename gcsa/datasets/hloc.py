"""hloc's pairs files: which images of the database are matched with which query.

``query database`` a line, separated by one space, best first within a query, no newline at the
end; names are paths below hloc's image folder. hloc cuts lines at white space, so that names
cannot hold any. A file of scores is the same with a score behind each pair. Files are written
whole or not at all; a fault in one is an InputError with its line. (hloc c13273b.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from gcsa.errors import InputError
from gcsa.files import write_text
from gcsa.files.lines import PathLike, fields_by_line

Names = Sequence[str] | np.ndarray  # (n,) str
MOST_FIELDS = 100  # of a line of a list: no camera model has so many parameters


def write_pairs(path: PathLike, queries: Names, database: Names) -> None:
    """Write pairs, (m,) names of queries and (m,) of database images, best first in a query."""
    lines = zip(_names(path, queries), _names(path, database), strict=True)
    write_text(path, "\n".join(map(" ".join, lines)))


def read_pairs(path: PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Names of queries and database images, (m,) str each, in the order of the file."""
    pairs = np.array(
        [fields for _, fields in fields_by_line(path, [2], "query database")], dtype=str
    )
    queries, database = pairs.reshape(-1, 2).T
    return queries, database


def write_scores(
    path: PathLike, queries: Names, database: Names, scores: Sequence[float] | np.ndarray
) -> None:
    """Write pairs with their scores (m,) float32; -inf, of candidates without one, included."""
    names = _names(path, queries), _names(path, database)
    values = (str(np.float32(score)) for score in scores)
    write_text(path, "\n".join(map(" ".join, zip(*names, values, strict=True))))


def read_scores(path: PathLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Names of queries and database images and scores, (m,) each, in the order of the file."""
    found = fields_by_line(path, [3], "query database score")
    names = np.array([fields[:2] for _, fields in found], dtype=str).reshape(-1, 2)
    scores = np.array([_score(path, *row) for row in found], dtype=np.float32)
    return names[:, 0], names[:, 1], scores


def read_image_list(path: PathLike, all_of_them: bool = False) -> list[str]:
    """The names in one of hloc's lists of images: ``name``, or ``name MODEL width height ...``.

    "#" begins a comment, as hloc has it. all_of_them: the list must name every image, so that
    "#2.jpg", a name or a comment, is refused; a comment has a space behind its "#".
    """
    form, names = "name or name MODEL width height ..., names without spaces", []
    for number, (name, *camera) in fields_by_line(path, range(1, MOST_FIELDS), form):
        if name.startswith("#"):
            if all_of_them and name.strip("#"):
                problem = "a name, which must not begin with '#', or a comment, '# ...'?"
                raise InputError(f"{path}: line {number}: '{name}': {problem}")
            continue
        if camera and not re.fullmatch(r"[A-Z][A-Z0-9_]*( [-+.\deE]+)+", " ".join(camera)):
            behind = " ".join(camera)[:60]
            raise InputError(
                f"{path}: line {number}: expected '{form}', got '{behind}' behind a name"
            )
        names.append(name)
    return names


def _names(path: PathLike, names: Names) -> list[str]:
    written = [str(name) for name in names]
    for name in written:
        if name.split() != [name]:
            raise InputError(
                f"{path}: image '{name}' cannot be written: hloc's files separate names by spaces, "
                "rename the image"
            )
    return written


def _score(path: PathLike, number: int, fields: list[str]) -> float:
    try:
        value = float(fields[2])
    except ValueError as error:
        raise InputError(f"{path}: line {number}: {error}") from error
    if value != value or value == np.inf:
        raise InputError(f"{path}: line {number}: '{fields[2]}' is no score")
    return value
