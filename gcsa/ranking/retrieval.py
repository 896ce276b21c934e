"""First-round retrieval: the top N database images of each query, by inner product."""

from __future__ import annotations

import numpy as np
import torch

from gcsa import distributed
from gcsa.errors import InputError, nearest
from gcsa.ranking.lists import Ranking
from gcsa.ranking.search import KEPT, QUERY_CHUNK, SEARCHES, fastest, own_rows
from gcsa.ranking.sharded import Finder, Searched, best_of
from gcsa.scene import Scene

CHOICES = ("auto", *SEARCHES)


def retrieve(
    scene: Scene, num: int, device: torch.device | str = "cpu", search: str = "auto"
) -> Ranking:
    """The ``num`` database images most alike to each query of a scene, exactly.

    Scores are inner products in float32 of the float16 descriptors. Equal scores come in database
    order, but which of equal ones stand last in a list is not defined. A query that is itself a
    database image (one of the same name) is not its own candidate. Where the database has fewer
    than ``num`` images the lists are padded. Several processes divide database and queries
    among them (:mod:`gcsa.ranking.sharded`).

    search: "fp32", or "half": the database is searched in half precision (float16 on a GPU,
    bfloat16 on a CPU), the best are compared again in float32, and a query whose result rounding
    could have changed is searched again in float32; the result is that of "fp32". "faiss": its
    exact index, on the CPU, which holds the database in float32. "auto" takes what is fastest:
    half precision on CPUs with units for it, faiss for short descriptors if installed.
    """
    return Retrieval(scene, num, device, search)(scene)


class Retrieval:
    """:func:`retrieve` of one database, made ready once for any queries."""

    def __init__(
        self, scene: Scene, num: int, device: torch.device | str = "cpu", search: str = "auto"
    ):
        if scene.database.descriptors is None or scene.queries.descriptors is None:
            raise InputError(f"{scene.name}: retrieval needs descriptors")
        if search not in CHOICES:
            raise InputError(f"data.search: '{search}' is not a choice{nearest(search, CHOICES)}")
        self._device = torch.device(device)
        self._search = fastest(scene, num, self._device) if search == "auto" else search
        self._num, self._found = num, min(num, len(scene.database))
        self._ready = None
        if distributed.size() == 1:  # of several each searches shards
            open_search = SEARCHES[self._search]
            self._ready = open_search(scene, self._found, self._device, own_rows(scene))

    def __call__(self, scene: Scene) -> Ranking:
        """The lists of the queries of a scene with this database."""

        def opened(searched: Searched, most: int, own: np.ndarray) -> Finder:
            if self._ready is not None:
                return self._ready.asked(scene, own)
            return SEARCHES[self._search](searched, most, self._device, own)

        found, count = self._found, len(scene.queries)
        block = max(1, min(QUERY_CHUNK, KEPT // max(1, found)))
        indices = np.full((count, self._num), -1, dtype=np.int64)
        scores = np.full((count, self._num), -np.inf, dtype=np.float32)
        best = best_of(scene, found, own_rows(scene), block, opened, self._search)
        scores[:, :found], indices[:, :found] = best
        indices[np.isneginf(scores)] = -1
        return Ranking(indices, scores)
