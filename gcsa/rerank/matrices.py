"""Similarity or distance matrices in the place of descriptors."""

from __future__ import annotations

import logging

import numpy as np
import torch

from gcsa.errors import InputError
from gcsa.ranking.lists import Ranking
from gcsa.rerankers.similarity import FromDistances, FromMatrices, cosines, work_bytes
from gcsa.rerankers.topk import top

logger = logging.getLogger(__name__)

# How far numbers that should be equal may differ, as a share of the largest: half precision.
TOLERANCE = 2e-3
# How far from itself an image may be, likewise: roots of rounding errors are large.
OWN = 0.1
CHUNK = 1024


class Matrices:
    """query_database (Q, G) and database_database (G, G), memory maps maybe.

    distance: they hold distances, taken for Euclidean ones of unit vectors; else similarities.
    Raises InputError where they cannot be such matrices.
    """

    def __init__(self, query_database: np.ndarray, database_database: np.ndarray, distance: bool):
        _check_turned(query_database, database_database)
        self.query_database, self.distance = query_database, distance
        made = FromDistances if distance else FromMatrices
        self._similarity = made(query_database, database_database)
        _check_symmetric(database_database)
        _check_meaning(database_database, distance)
        _check_queries(query_database, database_database, distance)

    def similarity(self, device: torch.device | str = "cpu") -> FromMatrices:
        """What the re-rankers ask, who compute on a device."""
        self._similarity.device = torch.device(device)
        return self._similarity

    def best(self, num: int, own: np.ndarray, device: torch.device | str = "cpu") -> Ranking:
        """The first round: the ``num`` most alike of each query, equal ones in database order.

        own: (Q,) the row of the database that is the query itself, -1 where there is none: it is
        no candidate. Lists are padded where the database is smaller.
        """
        queries, database = self.query_database.shape
        indices = np.full((queries, num), -1, dtype=np.int64)
        scores = np.full((queries, num), -np.inf, dtype=np.float32)
        found = min(num, database)
        step = max(1, work_bytes(torch.device(device)) // (16 * database))
        for start in range(0, queries, step):
            part = slice(start, min(start + step, queries))
            block = torch.from_numpy(np.array(self.query_database[part], dtype=np.float32))
            block = block.to(device)
            block = cosines(block) if self.distance else block
            itself = np.flatnonzero(own[part] >= 0)
            block[itself, own[part][itself]] = -torch.inf
            values, columns = top(block, found)
            scores[part, :found], indices[part, :found] = values.cpu(), columns.cpu()
        indices[np.isneginf(scores)] = -1
        return Ranking(indices, scores)


def _check_turned(query_database: np.ndarray, database_database: np.ndarray) -> None:
    if query_database.ndim == database_database.ndim == 2:
        rows, columns = query_database.shape
        if rows != columns and database_database.shape == (rows, rows):
            raise InputError(
                f"--query_database: shape {rows, columns} has the database, {rows} images, in its "
                "rows; expected a row a query: transpose it"
            )


def _check_symmetric(matrix: np.ndarray) -> None:
    largest = max(float(np.abs(part).max()) for part in _parts(matrix))
    for start, part in zip(range(0, len(matrix), CHUNK), _parts(matrix), strict=True):
        turned = matrix[:, start : start + CHUNK].T
        differs = np.abs(part.astype(np.float32) - turned.astype(np.float32))
        if differs.max() > TOLERANCE * largest:
            i, j = np.unravel_index(int(differs.argmax()), differs.shape)
            raise InputError(
                f"--database_database: not symmetric, entry ({start + i}, {j}) is "
                f"{float(part[i, j]):.4g}, entry ({j}, {start + i}) {float(turned[i, j]):.4g}"
            )


def _check_meaning(matrix: np.ndarray, distance: bool) -> None:
    """An image is at distance 0 of itself, and nothing is more similar to it."""
    own = float(np.diagonal(matrix).max())
    least = min(float(part.min()) for part in _parts(matrix))
    largest = max(float(part.max()) for part in _parts(matrix))
    slack = TOLERANCE * max(abs(least), abs(largest))
    if distance and (least < -slack or own > OWN * largest):
        what = "there are negative ones" if least < -slack else "images are not at 0 of themselves"
        raise InputError(
            f"--matrices: 'distance', but in --database_database {what}; are they similarities?"
        )
    if not distance and own < largest - slack:
        raise InputError(
            "--matrices: 'similarity', but in --database_database no image is most similar to "
            "itself; are they distances?"
        )
    if largest > (2 if distance else 1) + slack:
        logger.info(
            "--database_database: up to %.4g, not of unit vectors; the methods' parameters are "
            "meant for cosines",
            largest,
        )


def _check_queries(queries: np.ndarray, database: np.ndarray, distance: bool) -> None:
    """Distances are not negative; no cosine is above 1."""
    least = min(float(part.min()) for part in _parts(queries))
    largest = max(float(part.max()) for part in _parts(queries))
    slack = TOLERANCE * max(abs(least), abs(largest))
    if distance and least < -slack:
        raise InputError(
            f"--matrices: 'distance', but --query_database has {least:.4g}; are they similarities?"
        )
    cosines = np.allclose(np.diagonal(database), 1, atol=0.01)
    if not distance and cosines and largest > 1 + slack:
        raise InputError(
            f"--matrices: 'similarity', of cosines, but --query_database has {largest:.4g}; are "
            "they distances?"
        )


def _parts(matrix: np.ndarray) -> list[np.ndarray]:
    """Its rows in views of CHUNK."""
    return [matrix[start : start + CHUNK] for start in range(0, len(matrix), CHUNK)]
