"""Descriptors of several files as one array, each row read where it lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gcsa.descriptors.hdf5 import DescriptorRows
from gcsa.errors import InputError


class Stacked(DescriptorRows):
    """Rows of several (n_s, D) arrays, or of what can be indexed like them, one after another."""

    def __init__(self, parts: Sequence[Any]):
        self._parts, self._pack = parts, None
        self._starts = np.cumsum([0, *map(len, parts)])
        self._numbers = np.arange(self._starts[-1])

    @property
    def shape(self) -> tuple[int, int]:
        return int(self._starts[-1]), self._parts[0].shape[1]

    @property
    def dtype(self) -> np.dtype:
        return np.result_type(*(part.dtype for part in self._parts))

    @property
    def identity(self) -> tuple[Any, ...]:
        """The arrays: what these are, without reading them."""
        return tuple(self._parts)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        if isinstance(index, tuple):
            return self[index[0]][(..., *index[1:])]
        rows = self._numbers[index]
        result = np.empty((np.size(rows), self.shape[1]), self.dtype)
        self.take(np.ravel(rows), result)
        return result.reshape(*np.shape(rows), self.shape[1])

    def take(self, index: np.ndarray, out: np.ndarray) -> None:
        """Gather the rows ``index`` (m,) into ``out`` (m, D)."""
        of = np.searchsorted(self._starts, index, side="right") - 1
        for number in np.unique(of):
            there = of == number
            out[there] = self._parts[number][index[there] - self._starts[number]]


def stacked(parts: Sequence[Any]) -> Stacked | None:
    """Descriptors one after another; None where some lack, InputError where lengths differ."""
    if any(part is None for part in parts):
        return None
    lengths = [part.shape[1] for part in parts]
    if len(set(lengths)) > 1:
        raise InputError(f"descriptors of scenes to be joined have lengths {sorted(set(lengths))}")
    return Stacked(parts)
