"""Re-ranking list by list: batches of queries, bounded in memory; and the checks of settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from gcsa.errors import InputError
from gcsa.ranking.lists import Ranking
from gcsa.rerankers.similarity import Similarity, work_bytes

# Arrays of a list's similarities that a method holds at the same time, at most.
ARRAYS = 12
# More for a single list is not a batch that could be made smaller.
LARGEST_LIST = 8 << 30

# Queries (B,) and candidates (B, max(K, L)), -1 where padded -> scores (B, K) of the first K.
Scorer = Callable[[Tensor, Tensor], Tensor]


@torch.inference_mode()
def rerank(similarity: Similarity, candidates: Ranking, K: int, L: int, score: Scorer) -> Ranking:
    """The lists with their first K candidates in the order of new scores.

    K, L: candidates that are re-ranked, and those that they are compared with by ``score``; both
    as :func:`num_of` gives them. Ranking beyond K keep their first-round order, and padded
    entries stay last.
    """
    width = max(K, L)
    list_bytes = (1 + width) * (similarity.image_bytes + ARRAYS * 4 * (1 + L))
    if list_bytes > LARGEST_LIST:
        raise InputError(
            f"candidates: {width} a list take {list_bytes / 2**30:.0f} GiB when all are compared "
            f"with {L}; set K lower (--candidates)"
        )
    scores = torch.empty(len(candidates), K)
    for rows in batches(len(candidates), list_bytes, similarity.device):
        index = torch.from_numpy(candidates.indices[rows, :width]).to(similarity.device)
        queries = torch.arange(rows.start, rows.start + len(index), device=similarity.device)
        scores[rows] = score(queries, index).cpu()
    return candidates.reordered(scores.numpy())


def batches(count: int, list_bytes: int, device: torch.device) -> Iterator[slice]:
    """Ranges of lists that hold WORK_BYTES together, or a single list."""
    step = max(1, work_bytes(device) // max(1, list_bytes))
    return (slice(start, start + step) for start in range(0, count, step))


def num_of(similarity: Similarity, candidates: Ranking, K: int) -> int:
    """How many candidates of each list a setting K stands for: all listed for 0, never more.

    Raises InputError where the lists are not of the images that ``similarity`` knows.
    """
    if len(candidates) != similarity.num_queries:
        raise InputError(
            f"candidates: {len(candidates)} lists, but {similarity.num_queries} queries"
        )
    if candidates.indices.max(initial=-1) >= similarity.num_database:
        raise InputError(
            f"candidates: database row {candidates.indices.max()} of {similarity.num_database}"
        )
    return depth_of(candidates, K)


def depth_of(candidates: Ranking, K: int) -> int:
    """How many candidates of each list a setting K stands for: all listed for 0, never more.

    Columns that are padding in every list are none: they cost time and change nothing.
    """
    listed = int(candidates.valid.any(axis=0).sum())
    width = max(listed, min(1, candidates.indices.shape[1]))
    return min(K, width) if K > 0 else width


def listed_rows(indices: np.ndarray) -> np.ndarray:
    """Database rows that any list holds, each once, in order."""
    rows = np.unique(indices)
    return rows[rows >= 0]


def at_least(key: str, value: float, least: float) -> None:
    """Raise InputError, naming the setting, where a value is less than it may be, or no number."""
    if not least <= value < math.inf:
        raise InputError(f"{key}: {value} is not a number of {least} or more")


def one_of(key: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise InputError, naming the setting, where a word is not a choice."""
    if value not in choices:
        raise InputError(f"{key}: '{value}' is not a choice (choose from {', '.join(choices)})")
