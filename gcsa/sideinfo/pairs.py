"""Numbers of pairs of cameras, of which most are 0: sparse matrices, and blocks of them."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array


def sparse_block(matrix: csr_array, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """``matrix[rows][:, columns]`` of a CSR array, dense; rows and columns of -1 are zeros.

    ``columns`` holds no row twice but for -1. The entries of the rows are scattered through a
    table of where each database image stands among the columns.
    """
    place = np.full(matrix.shape[1] + 1, -1, dtype=np.int32)
    place[columns] = np.arange(len(columns))
    place[-1] = -1
    starts = np.where(rows >= 0, matrix.indptr[rows], 0)
    lengths = np.where(rows >= 0, matrix.indptr[rows + 1] - starts, 0)
    ends = np.cumsum(lengths)
    entries = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + lengths, lengths)
    row, column = np.repeat(np.arange(len(rows)), lengths), place[matrix.indices[entries]]
    block = np.zeros((len(rows), len(columns)), dtype=np.float32)
    kept = column >= 0
    block[row[kept], column[kept]] = matrix.data[entries[kept]]
    return block


def on_one_level(overlaps: csr_array, heights: np.ndarray, limit: float) -> csr_array:
    """Only the entries of cameras whose heights differ by ``limit`` metres at most."""
    entries = overlaps.tocoo()
    kept = np.abs(heights[entries.row] - heights[entries.col]) <= limit
    parts = entries.data[kept], (entries.row[kept], entries.col[kept])
    return csr_array(parts, shape=overlaps.shape)
