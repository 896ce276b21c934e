"""How alike images are, asked by the re-rankers: from descriptors, or from given matrices.

A similarity is larger the more alike two images are; cosines are what the parameters of the
re-rankers are meant for. Euclidean distances d of unit vectors become cosines by 1 - d^2 / 2.

Whatever is asked for at once is bounded in memory by the caller's batch, or, for neighbours in
the database, here: no (G, G) array of all G database images is ever made.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gcsa.errors import InputError
from gcsa.rerankers.topk import top
from gcsa.scene import ImageSet, Scene

# What is computed at a time may hold about this much. On a CPU small pieces are the faster ones:
# arrays above 32 MB are fresh pages of the system each time, smaller ones come from memory in use.
WORK_BYTES = {"cpu": 24 << 20, "cuda": 1 << 30}
# Images whose neighbours are looked for at a time, even where their scores hold more than that:
# with fewer, reading the database would take longer than the comparison.
SEARCH_ROWS = 256


def work_bytes(device: torch.device) -> int:
    """WORK_BYTES of a device, those of a CPU where it is of another kind."""
    return WORK_BYTES.get(device.type, WORK_BYTES["cpu"])


class Similarity(ABC):
    """Similarities within one scene, float32 on ``device``.

    num_queries, num_database: how many images there are. image_bytes: what is held for each image
    that is compared, beside the similarities.
    """

    num_queries: int
    num_database: int
    image_bytes: int
    device: torch.device
    # Rows that neighbours were last looked for, and what was found: settings are tried in turn.
    _last_search: tuple[Tensor, Tensor, Tensor] | None = None

    def listed(self, queries: Tensor, index: Tensor, K: int, L: int) -> Tensor:
        """Similarities of queries and their first K candidates to them and the first L.

        queries: (B,) rows of the queries. index: (B, N) rows of the database, -1 where padded.
        Returns (B, 1+K, 1+L), the query first; padded rows and columns are 0.
        """
        block = self._listed(queries, index[:, : max(K, L)].clamp(min=0), K, L)
        padded = index < 0
        block[:, 1:].masked_fill_(padded[:, :K, None], 0)
        block[:, :, 1:].masked_fill_(padded[:, None, :L], 0)
        return block

    def neighbours(self, rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The k database images most alike to each of some, itself left out, best first.

        rows: (R,) rows of the database. Returns similarities (R, k) float32 and rows (R, k)
        int32, not to be changed; equal ones come in database order. k is at most the number of
        others. They are kept until others are asked for.
        """
        k = min(k, self.num_database - 1)
        last = self._last_search
        if last is None or last[1].shape[1] < k or not torch.equal(last[0], rows):
            self._last_search = last = (rows, *self._search(rows, k))
        return last[1][:, :k], last[2][:, :k]

    def _search(self, rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
        values = torch.empty(len(rows), k, device=self.device)
        found = torch.empty(len(rows), k, dtype=torch.int32, device=self.device)
        row_bytes = 4 * self.num_database
        allowed = max(work_bytes(self.device), SEARCH_ROWS * row_bytes)
        # Beside a row of scores, the values and columns of what is found while they are sorted.
        step = max(1, allowed // (row_bytes + 36 * k))
        for start in range(0, len(rows) if k > 0 else 0, step):
            part = slice(start, start + step)
            values[part], found[part] = top(self._to_others(rows[part]), k)
        return values, found

    def _to_others(self, rows: Tensor) -> Tensor:
        """Similarities (R, G) of rows of the database to all of it, -inf to themselves."""
        scores = torch.empty(len(rows), self.num_database, device=self.device)
        chunk = self._chunk()
        for start in range(0, self.num_database, chunk):
            columns = slice(start, min(start + chunk, self.num_database))
            scores[:, columns] = self._database_block(rows, columns)
        return scores.scatter_(1, rows[:, None], -torch.inf)

    def _chunk(self) -> int:
        """Database images that are compared at a time."""
        return max(1, work_bytes(self.device) // max(1, self.image_bytes))

    @abstractmethod
    def _listed(self, queries: Tensor, index: Tensor, K: int, L: int) -> Tensor:
        """As :meth:`listed`, for an index without padding."""

    @abstractmethod
    def _database_block(self, rows: Tensor, columns: slice) -> Tensor:
        """Similarities (R, C) of rows of the database to a range of it."""


class FromDescriptors(Similarity):
    """Inner products of a scene's descriptors.

    On a GPU the descriptors are held there in the precision that the scene has them in; on the
    CPU they stay where they are (a memory map, say) and rows are read as they are needed.
    """

    def __init__(self, scene: Scene, device: torch.device | str = "cpu"):
        if scene.database.descriptors is None or scene.queries.descriptors is None:
            raise InputError(f"{scene.name}: re-ranking by descriptors needs descriptors")
        self.scene, self.device = scene, torch.device(device)
        self.num_queries, self.num_database = len(scene.queries), len(scene.database)
        self.dim = scene.database.descriptors.shape[1]
        self.image_bytes = self.dim * (4 + np.dtype(scene.database.descriptors.dtype).itemsize)
        self._queries, self._database = self._held(scene.queries), self._held(scene.database)

    def of_queries(self, rows: np.ndarray) -> FromDescriptors:
        """The same for the queries ``rows`` (m,) of the scene alone."""
        part = copy.copy(self)
        part.scene, part.num_queries = self.scene.asked_by(rows), len(rows)
        part._queries = self._held(part.scene.queries)
        return part

    def database_rows(self, rows: Tensor) -> Tensor:
        """Descriptors of rows (...,) of the database: (..., D) float32."""
        return self._rows(self._database, rows).float()

    def _held(self, images: ImageSet) -> Any:
        if self.device.type == "cpu":
            return images.descriptors
        chunk = self._chunk()
        parts = range(0, len(images), chunk)
        return torch.cat(
            [_tensor(images.descriptors[s : s + chunk]).to(self.device) for s in parts]
        )

    def _rows(self, held: Any, rows: Tensor | slice) -> Tensor:
        if isinstance(held, Tensor):
            return held[rows]
        return _tensor(held[rows.numpy() if isinstance(rows, Tensor) else rows])

    def _listed(self, queries: Tensor, index: Tensor, K: int, L: int) -> Tensor:
        B, N = index.shape
        rows = torch.empty(B, 1 + N, self.dim, device=self.device)
        rows[:, 0] = self._rows(self._queries, queries)
        rows[:, 1:] = self._rows(self._database, index)
        return rows[:, : 1 + K] @ rows[:, : 1 + L].transpose(1, 2)

    def _database_block(self, rows: Tensor, columns: slice) -> Tensor:
        return self.database_rows(rows) @ self._rows(self._database, columns).float().T


class FromMatrices(Similarity):
    """Similarities looked up in two matrices.

    query_database: (Q, G) and database_database: (G, G), NumPy arrays or memory maps of any float
    type; they stay where they are. own: the similarity of a query to itself (1 for cosines).
    """

    image_bytes = 0

    def __init__(
        self,
        query_database: np.ndarray,
        database_database: np.ndarray,
        own: float = 1.0,
        device: torch.device | str = "cpu",
    ):
        _check_matrices(query_database, database_database)
        self.num_queries, self.num_database = query_database.shape
        self.device, self.own = torch.device(device), own
        self._to_queries, self._among = query_database, database_database

    def _listed(self, queries: Tensor, index: Tensor, K: int, L: int) -> Tensor:
        rows, listed = queries.cpu().numpy(), index.cpu().numpy()
        block = np.empty((len(rows), 1 + K, 1 + L), dtype=np.float32)
        first = self._to_queries[rows[:, None], listed]
        block[:, 0, 0], block[:, 1:, 0], block[:, 0, 1:] = self.own, first[:, :K], first[:, :L]
        block[:, 1:, 1:] = self._among[listed[:, :K, None], listed[:, None, :L]]
        return torch.from_numpy(block).to(self.device)

    def _database_block(self, rows: Tensor, columns: slice) -> Tensor:
        block = self._among[rows.cpu().numpy(), columns]
        return torch.from_numpy(block).to(self.device).float()


class FromDistances(FromMatrices):
    """Cosines 1 - d^2 / 2 of Euclidean distances d of unit vectors, looked up in two matrices.

    Shapes as in :class:`FromMatrices`. Other distances are brought to similarities likewise; they
    keep their order, but the parameters of the re-rankers are not meant for such values.
    """

    def __init__(
        self,
        query_database: np.ndarray,
        database_database: np.ndarray,
        device: torch.device | str = "cpu",
    ):
        super().__init__(query_database, database_database, own=0.0, device=device)

    def _listed(self, queries: Tensor, index: Tensor, K: int, L: int) -> Tensor:
        return cosines(super()._listed(queries, index, K, L))

    def _database_block(self, rows: Tensor, columns: slice) -> Tensor:
        return cosines(super()._database_block(rows, columns))


def cosines(distances: Tensor) -> Tensor:
    """1 - d^2 / 2: the cosine of unit vectors of that Euclidean distance."""
    return 1 - distances.square() / 2


def _tensor(array: np.ndarray) -> Tensor:
    # A copy only of what torch cannot share, such as a part of a read-only memory map.
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def _check_matrices(query_database: np.ndarray, database_database: np.ndarray) -> None:
    if query_database.ndim != 2 or 0 in query_database.shape:
        raise InputError(f"query_database: expected shape (Q, G), got {query_database.shape}")
    G = query_database.shape[1]
    if database_database.shape != (G, G):
        raise InputError(
            f"database_database: expected shape ({G}, {G}), as query_database has {G} columns, "
            f"got {database_database.shape}"
        )
    matrices = {"query_database": query_database, "database_database": database_database}
    for name, matrix in matrices.items():
        if not np.issubdtype(matrix.dtype, np.floating):
            raise InputError(f"{name}: expected floating-point numbers, got {matrix.dtype}")
        step = max(1, WORK_BYTES["cpu"] // (matrix.itemsize * G))
        for start in range(0, len(matrix), step):
            wrong = ~np.isfinite(matrix[start : start + step]).all(axis=1)
            if wrong.any():
                raise InputError(f"{name}: row {start + int(wrong.argmax())} is not finite")
