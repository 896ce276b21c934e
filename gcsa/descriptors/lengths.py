"""Descriptors have unit length: every row is looked at where it is packed or read.

A row that is zero or not finite has no direction and is refused. One of another length is brought
to unit length and counted; the reader refuses a count that nobody asked for, or says it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gcsa.errors import InputError
from gcsa.scene import NORM_TOLERANCE

logger = logging.getLogger(__name__)

CHUNK = 8192  # rows of an array looked at together


@dataclass(frozen=True)
class Normalised:
    """The rows that were not of unit length: how many, the first one's name and length."""

    count: int = 0
    first: str = ""
    length: float = 1.0

    def report(self, where: str, total: int, wanted: bool, remedy: str) -> None:
        """Say how many of ``total`` rows of ``where`` were normalised.

        InputError where there are some and it was not wanted; remedy: what to do then.
        """
        if self.count and not wanted:
            others = f" (nor that of {self.count - 1} others)" if self.count > 1 else ""
            raise InputError(
                f"{where}: descriptor of {self.first} has length {self.length:.4g}, "
                f"expected 1{others}; {remedy}"
            )
        if self.count:
            text = "%s: %d of %d descriptors normalised: not of unit length (%s has %.4g)"
            logger.info(text, where, self.count, total, self.first, self.length)


class UnitRows:
    """Brings the rows of blocks to unit length. called: number of a row -> its name in messages."""

    def __init__(self, where: str, called: Callable[[int], str]):
        self._where, self._called = where, called
        self.found = Normalised()

    def bring(self, rows: Sequence[np.ndarray] | np.ndarray, block: np.ndarray, start: int) -> None:
        """Bring those rows of ``block`` (n, D) that are not of unit length to it, in place.

        rows: (n, D), the same as the file has them: lengths may be too much for the block's type.
        start: number of the first. InputError for a row without a direction.
        """
        for i in off_unit(block):
            name = self._called(start + int(i))
            unit, length = _unit(rows[i], f"{self._where}: descriptor of {name}")
            if abs(length - 1) > NORM_TOLERANCE:
                block[i] = unit
                first = self.found if self.found.count else Normalised(0, name, length)
                self.found = Normalised(first.count + 1, first.first, first.length)


def unit_array(
    array: np.ndarray, where: str, names: np.ndarray, wanted: bool, remedy: str
) -> np.ndarray:
    """An array (n, D) as float16 of unit length; itself where it is both.

    names: (n,) of the images. wanted, remedy: as of :meth:`Normalised.report`.
    """
    unit = UnitRows(where, lambda row: f"row {row} (image '{names[row]}')")
    mapped = array.dtype == np.float16
    result = array if mapped else np.empty(array.shape, dtype=np.float16)
    for start in range(0, len(array), CHUNK):
        rows = array[start : start + CHUNK]
        with np.errstate(over="ignore"):  # such rows are not of unit length
            block = rows.astype(np.float16)
        unit.bring(rows, block, start)
        if mapped and unit.found.count:
            result, mapped = np.array(array), False
        if not mapped:
            result[start : start + CHUNK] = block
    unit.found.report(where, len(array), wanted, remedy)
    return result


def off_unit(block: np.ndarray) -> np.ndarray:
    """Which rows of a block (n, D) are not of unit length, NaN and zero among them: (m,) int64."""
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.asarray(block, dtype=np.float32)
        lengths = np.sqrt(np.einsum("ij,ij->i", values, values))
        return np.flatnonzero(~(np.abs(lengths - 1) <= NORM_TOLERANCE))


def _unit(row: np.ndarray, what: str) -> tuple[np.ndarray, float]:
    """A row (D,) brought to unit length, float64, and its length; InputError about ``what``."""
    values = row.astype(np.float64)
    largest = float(np.abs(values).max(initial=0))  # NaN stays NaN
    if not np.isfinite(largest):
        raise InputError(f"{what} is not finite")
    if largest == 0:
        raise InputError(f"{what} is zero, it has no direction")
    values /= largest  # squares of very large numbers are infinite
    length = float(np.linalg.norm(values))
    return values / length, largest * length
