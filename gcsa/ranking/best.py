"""The best of many scores, as blocks of them come: compiled, where there was a C compiler.

Scores are looked through while they are in the cache, and nearly all are passed over at a glance:
they are below the worst that a query has kept. That takes a tenth of the time of the matrix
product that makes them, where masks and sorting of arrays take as long as the product.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

try:
    from gcsa import _kernels
except ImportError:  # installed without a compiler
    _kernels = None

joined: Any = getattr(_kernels, "best_joined", None)
written: Any = getattr(_kernels, "best_written", None)
COMPILED = joined is not None
# Keys that a query keeps beyond those wanted, in their number and at least: the more, the less
# often it casts off.
SPARE, LEAST = 2, 64


class Best:
    """The ``num`` highest scores of each of ``count`` queries and where they stand; on the CPU.

    Of equal scores those of the lower number.
    """

    def __init__(self, count: int, num: int):
        self._num = num
        self._keys = np.empty((count, num + max(SPARE * num, LEAST)), dtype=np.uint64)
        self._counts = np.zeros(count, dtype=np.int64)
        self._least = np.full(count, -np.inf, dtype=np.float32)

    def join(self, scores: Tensor, first: int) -> None:
        """Scores (count, c) float32 of what is numbered from ``first`` on; -inf joins never."""
        found = scores.numpy()
        self._each(lambda *kept, part: joined(*kept, self._num, found[part], first))

    def result(self) -> tuple[Tensor, Tensor]:
        """Scores and numbers (count, num), best first, -inf and -1 where there are fewer."""
        scores = np.empty((len(self._counts), self._num), dtype=np.float32)
        numbers = np.empty(scores.shape, dtype=np.int64)
        self._each(lambda *kept, part: written(*kept, self._num, scores[part], numbers[part]))
        return torch.from_numpy(scores), torch.from_numpy(numbers)

    def _each(self, work: Any) -> None:
        """Do some work on all queries, by as many threads as torch has."""
        threads = torch.get_num_threads()
        bounds = [len(self._counts) * i // threads for i in range(threads + 1)]
        parts = [slice(a, b) for a, b in zip(bounds, bounds[1:], strict=False) if a < b]

        def one(part: slice) -> None:
            work(self._keys[part], self._counts[part], self._least[part], part=part)

        if len(parts) == 1:
            one(parts[0])
            return
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, parts))
