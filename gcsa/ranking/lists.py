"""Ranked lists, the currency of the house: what retrieval yields and re-rankers reorder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gcsa.errors import InputError

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, eq=False)
class Ranking:
    """Ranked lists, best first; "no re-ranking" is the first-round retrieval itself.

    indices: (Q, N) int64 rows of the database; -1 where a list is shorter than N.
    scores: (Q, N) float32, falling; -inf where padded.
    """

    indices: np.ndarray
    scores: np.ndarray

    def __post_init__(self) -> None:
        if ((self.indices[:, :-1] < 0) & (self.indices[:, 1:] >= 0)).any():
            raise InputError("candidates: padding (-1) stands before a candidate of the same list")

    @property
    def valid(self) -> np.ndarray:
        """(Q, N) bool: False where a list is padded."""
        return self.indices >= 0

    # What has a column for each listed image.
    COLUMNS: ClassVar[tuple[str, ...]] = ("indices", "scores")

    def first(self, num: int) -> Self:
        """The lists cut after ``num`` images."""
        cut = {name: getattr(self, name)[:, :num] for name in self.COLUMNS}
        return replace(self, **cut)

    def of_rows(self, rows: np.ndarray) -> Self:
        """The lists of the queries ``rows`` (m,)."""
        arrays = {n: v for n, v in vars(self).items() if isinstance(v, np.ndarray)}
        some: dict[str, Any] = {name: values[rows] for name, values in arrays.items()}
        return replace(self, **some)

    def without(self, excluded: np.ndarray) -> Ranking:
        """The lists without the images that ``excluded`` (Q, n) bool marks, padded behind."""
        rows = np.arange(len(self))[:, None]
        gone = ~self.valid | excluded[rows, np.maximum(self.indices, 0)]
        order = np.argsort(gone, axis=1, kind="stable")
        gone = np.take_along_axis(gone, order, axis=1)
        indices = np.take_along_axis(self.indices, order, axis=1)
        scores = np.take_along_axis(self.scores, order, axis=1)
        return Ranking(np.where(gone, -1, indices), np.where(gone, -np.inf, scores))

    def __len__(self) -> int:
        return len(self.indices)

    def reordered(self, scores: np.ndarray) -> Ranking:
        """The lists with their first K candidates in the order of ``scores`` (Q, K) float32.

        Equal scores keep their first-round order, and so do the candidates beyond K, behind the
        others. Padded entries stay last. The scores of the result are the new ones for the first
        K; beyond, where no new score exists, they are -inf.
        """
        k = scores.shape[1]
        keys = np.where(self.valid[:, :k], scores.astype(np.float32), -np.inf)
        # NaN would sort unpredictably; a model that yields it is broken.
        if np.isnan(keys).any():
            raise InputError("a score is not a number: the model's weights are not finite")
        order = np.argsort(-keys, axis=1, kind="stable")
        indices, new = self.indices.copy(), np.full(self.scores.shape, -np.inf, dtype=np.float32)
        indices[:, :k] = np.take_along_axis(indices[:, :k], order, axis=1)
        new[:, :k] = np.take_along_axis(keys, order, axis=1)
        return Ranking(indices, new)
