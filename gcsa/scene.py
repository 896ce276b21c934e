"""A scene: what a device observes, as a handful of arrays.

A scene is a database of images and a set of queries, each a struct of arrays. The database may
know more than the queries (a camera position, say). What only the benchmark knows is in
:mod:`gcsa.evaluation.truth`.

Inside the package angles are radians clockwise from north (+y), positions metres, times int64
microseconds; the readers convert.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from gcsa.errors import InputError

# Metres: coordinates beyond are of no map.
EARTH = 1e8
# Radians: ten turns; what is beyond is degrees, or has lost its digits.
MOST_TURNED = 20 * np.pi
# How far the norm of a half-precision descriptor of unit length may be from 1.
NORM_TOLERANCE = 1e-2
# The norm of rows on disk was checked when they were read or packed: here of this many, spread
# evenly, as reading all would page in every descriptor. Of arrays in memory it is checked of all.
NORM_ROWS = 64
NORM_CHUNK = 8192  # rows looked at together


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one role, database or queries, row by row; whatever is unknown is None.

    names: (n,) str, unique; the image's path relative to the scene's folder.
    descriptors: (n, D) float16 of unit length; an array, or anything with ``shape``, ``dtype``
        and row indexing (see :class:`gcsa.descriptors.hdf5.DescriptorRows`).
    positions: (n, 2) or (n, 3) float64, metres (east, north, up); a row of NaN is unknown. Those
        of queries are what their devices report, never the truth.
    headings: (n,) float64, radians clockwise from north; NaN is unknown.
    radio: radio scans, row by row.
    accuracy: (n,) float64, metres: the radius about its position that a device gives 68 %; NaN.
    heading_accuracy: (n,) float64, radians, likewise of its heading.
    sequences: (n,) int64, equal for images of one drive, walk or session; -1 is none. frames: (n,)
        int64, rising within a sequence. times: (n,) int64, microseconds, where all are known.
    """

    names: np.ndarray
    descriptors: Any = None
    positions: np.ndarray | None = None
    headings: np.ndarray | None = None
    radio: Any = None
    accuracy: np.ndarray | None = None
    heading_accuracy: np.ndarray | None = None
    sequences: np.ndarray | None = None
    frames: np.ndarray | None = None
    times: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.names)

    def of_rows(self, rows: np.ndarray) -> ImageSet:
        """Some of the images, by index array or mask; descriptors too."""
        known = {f.name: getattr(self, f.name) for f in fields(self)}
        some: dict[str, Any] = {name: None if v is None else v[rows] for name, v in known.items()}
        return replace(self, **some)

    @cached_property
    def by_name(self) -> np.ndarray:
        """The rows in the order of their names, (n,): kept, as names of many images sort slowly."""
        return np.argsort(self.names)

    def check(self, where: str) -> None:
        """Raise InputError, naming the field and ``where`` it is, when an array cannot be right."""
        n = len(self.names)
        if n == 0:
            raise InputError(f"{where}: no images")
        values, counts = np.unique(self.names, return_counts=True)
        if len(values) < n:
            raise InputError(f"{where}.names: '{values[counts.argmax()]}' appears twice")
        if self.descriptors is not None:
            _check_descriptors(self.descriptors, self.names, f"{where}.descriptors")
        if self.positions is not None:
            _check_positions(self.positions, n, f"{where}.positions")
        if self.headings is not None:
            _check_shape(self.headings, (n,), f"{where}.headings")
            if np.isinf(self.headings).any():
                raise InputError(f"{where}.headings: infinite (NaN is the mark for unknown)")
            check_range(self.headings, MOST_TURNED, "radians", f"{where}.headings")
        for name in ("accuracy", "heading_accuracy"):
            _check_accuracy(getattr(self, name), n, f"{where}.{name}")
        for name in ("sequences", "frames", "times"):
            numbers = getattr(self, name)
            if numbers is not None and (numbers.shape != (n,) or numbers.dtype != np.int64):
                raise InputError(
                    f"{where}.{name}: expected int64 of shape ({n},), got {numbers.dtype} "
                    f"{numbers.shape}"
                )


class Frame(Protocol):
    """Where on the Earth the metres of a scene lie."""

    def to_degrees(self, positions: np.ndarray) -> np.ndarray:
        """Latitude and longitude (n, 2), degrees (WGS84), of positions (n, 2), metres east and
        north; NaN stays NaN.
        """
        ...

    def to_metres(self, degrees: np.ndarray) -> np.ndarray:
        """Metres east and north (n, 2) of latitudes and longitudes (n, 2); NaN stays NaN."""
        ...


class Common(Protocol):
    """What pairs of images show of the same surfaces, counted when it is asked for."""

    @property
    def about(self) -> str:
        """How it is counted, in a line: other words stand for other numbers."""
        ...

    def inliers(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Of pairs of images, names (m,) and (m,): how many matches of local features agree with
        one geometry, (m,) float64, NaN where an image has no features.
        """
        ...

    def anew(self) -> Common:
        """The same, without what was counted before: for who measures the time of it."""
        ...

    def matched(self, a: str, b: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of two images by name: pixels (m, 2) of the matches in both, and which are inliers (m,)
        bool.
        """
        ...


@dataclass(frozen=True, eq=False)
class Scene:
    """One scene (an MSLS city, a LaMAR building): its database and its queries.

    Every array is checked here, at the door; nothing downstream checks again.
    frame: None where nobody knows where on the Earth its positions are. local: None where nobody
    looked for local features. parts: (S + 1,) of scenes that were joined, where the database images
    of each begin: what lies between their grounds is no ground.
    """

    name: str
    database: ImageSet
    queries: ImageSet
    frame: Frame | None = None
    local: Common | None = None
    parts: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        self.database.check(f"{self.name}: database")
        self._check_queries()

    def asked(self, queries: ImageSet) -> Scene:
        """The same database with other queries; they alone are checked, it was when it was read."""
        made = copy.copy(self)
        object.__setattr__(made, "queries", queries)
        made._check_queries()
        return made

    def _check_queries(self) -> None:
        self.queries.check(f"{self.name}: queries")
        known = [s.descriptors for s in (self.database, self.queries) if s.descriptors is not None]
        if len({d.shape[1] for d in known}) > 1:
            raise InputError(
                f"{self.name}: database descriptors have length {known[0].shape[1]}, "
                f"those of the queries {known[1].shape[1]}"
            )

    def asked_by(self, rows: np.ndarray, descriptors: bool = True) -> Scene:
        """The scene with the queries ``rows`` (m,) alone, which are not checked again.

        descriptors: read those of the queries; else they have none.
        """
        part, queries = copy.copy(self), self.queries
        if not descriptors:
            queries = replace(queries, descriptors=None)
        object.__setattr__(part, "queries", queries.of_rows(rows))
        return part


def _check_shape(array: np.ndarray, shape: tuple[int, ...], where: str) -> None:
    if array.shape != shape or array.dtype != np.float64:
        raise InputError(
            f"{where}: expected float64 of shape {shape}, got {array.dtype} {array.shape}"
        )


def check_range(values: np.ndarray, most: float, unit: str, where: str) -> None:
    """Raise InputError for the first row of ``values`` (n, ...) beyond ``most``; NaN passes."""
    beyond = np.abs(values) > most
    if beyond.any():
        row = int(np.argwhere(beyond)[0, 0])
        raise InputError(
            f"{where}: row {row} has {values[beyond][0]:g}, beyond {most:.5g} {unit} either way"
        )


def _check_positions(positions: np.ndarray, n: int, where: str) -> None:
    dimensions = 3 if positions.ndim == 2 and positions.shape[1] == 3 else 2
    _check_shape(positions, (n, dimensions), where)
    unknown = np.isnan(positions)
    if np.isinf(positions).any() or (unknown.any(1) != unknown.all(1)).any():
        raise InputError(f"{where}: coordinates must be finite, or all NaN for an unknown position")
    check_range(positions, EARTH, "metres", where)


def _check_accuracy(accuracy: np.ndarray | None, n: int, where: str) -> None:
    if accuracy is not None:
        _check_shape(accuracy, (n,), where)
        if (accuracy <= 0).any() or np.isinf(accuracy).any():
            raise InputError(f"{where}: expected positive numbers, NaN where unknown")


def _check_descriptors(descriptors: Any, names: np.ndarray, where: str) -> None:
    n = len(names)
    if len(descriptors.shape) != 2 or descriptors.shape[0] != n:
        raise InputError(f"{where}: expected shape ({n}, D), got {tuple(descriptors.shape)}")
    if descriptors.dtype.kind != "f":
        raise InputError(f"{where}: expected floats, got {descriptors.dtype}")
    rows = np.arange(n)
    if not isinstance(descriptors, np.ndarray):
        rows = np.unique(np.linspace(0, n - 1, min(n, NORM_ROWS)).astype(np.int64))
    for start in range(0, len(rows), NORM_CHUNK):
        part = rows[start : start + NORM_CHUNK]
        norms = np.linalg.norm(np.asarray(descriptors[part], dtype=np.float32), axis=1)
        wrong = ~(np.abs(norms - 1) <= NORM_TOLERANCE)
        if wrong.any():
            row = int(part[wrong.argmax()])
            raise InputError(
                f"{where}: row {row} has length {norms[wrong.argmax()]:.4g}; "
                f"descriptors must be finite and L2-normalised; image '{names[row]}'"
            )
