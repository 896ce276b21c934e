"""First-round retrieval: the top N database images of each query, by inner product."""

from __future__ import annotations

import numpy as np
import torch

from gcsa import distributed
from gcsa.errors import InputError
from gcsa.ranking.cells import Grid, near_devices
from gcsa.ranking.index.search import Approximate
from gcsa.ranking.index.settings import Searching
from gcsa.ranking.lists import Ranking
from gcsa.ranking.search import KEPT, QUERY_CHUNK, SEARCHES, fastest, own_rows
from gcsa.ranking.sharded import Finder, Searched, best_of
from gcsa.scene import Scene


def retrieve(
    scene: Scene,
    num: int,
    device: torch.device | str = "cpu",
    search: str | Searching = "auto",
) -> Ranking:
    """The ``num`` database images most alike to each query of a scene, exactly unless by an index.

    Scores are inner products in float32 of the float16 descriptors. Equal scores come in database
    order, but which of equal ones stand last in a list is not defined. A query that is itself a
    database image (one of the same name) is not its own candidate. Where the database has fewer
    than ``num`` images the lists are padded. Several processes divide database and queries
    among them (:mod:`gcsa.ranking.sharded`).

    search: "fp32", or "half": the database is searched in half precision (float16 on a GPU,
    bfloat16 on a CPU), the best are compared again in float32, and a query whose result rounding
    could have changed is searched again in float32; the result is that of "fp32". "faiss": its
    exact index, on the CPU, which holds the database in float32. "auto" takes what is fastest:
    half precision on CPUs with units for it, float32 else; without the compiled kernels faiss for
    short descriptors, if installed. Any other word is an index of faiss ("IVF4096,PQ64"), which is
    kept on disk and may miss images; what it lists is compared again, so that scores are exact.
    """
    return Retrieval(scene, num, device, search)(scene)


class Retrieval:
    """:func:`retrieve` of one database, made ready once for any queries."""

    def __init__(
        self,
        scene: Scene,
        num: int,
        device: torch.device | str = "cpu",
        search: str | Searching = "auto",
    ):
        if scene.database.descriptors is None or scene.queries.descriptors is None:
            raise InputError(f"{scene.name}: retrieval needs descriptors")
        self._searching = Searching(search) if isinstance(search, str) else search
        self._searching.check()
        self._device = torch.device(device)
        self._num, self._found = num, min(num, len(scene.database))
        self._search = self._searching.search
        if self._search == "auto":
            self._search = fastest(scene, num, self._device)
        self._index = self._ready = None
        if self._searching.by_index:
            own = own_rows(scene)
            self._index = Approximate(scene, self._found, self._device, own, self._searching)
        elif distributed.size() == 1:  # of several each searches shards
            open_search = SEARCHES[self._search]
            self._ready = open_search(scene, self._found, self._device, own_rows(scene))
        positions, self._grid = scene.database.positions, None
        if self._searching.within > 0 and positions is not None:
            self._grid = Grid.of(positions)

    def __call__(self, scene: Scene) -> Ranking:
        """The lists of the queries of a scene with this database."""
        if self._grid is None or scene.queries.positions is None:
            return self._everywhere(scene)
        within = self._searching.within
        return near_devices(scene, self._num, self._grid, within, self._everywhere)

    def _everywhere(self, scene: Scene) -> Ranking:
        found, count = self._found, len(scene.queries)
        indices = np.full((count, self._num), -1, dtype=np.int64)
        scores = np.full((count, self._num), -np.inf, dtype=np.float32)
        scores[:, :found], indices[:, :found] = (
            self._exactly(scene) if self._index is None else self._by_index(scene, self._index)
        )
        indices[np.isneginf(scores)] = -1
        return Ranking(indices, scores)

    def _exactly(self, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
        """Scores and rows (Q, found); several processes divide database and queries."""

        def opened(searched: Searched, most: int, own: np.ndarray) -> Finder:
            if self._ready is not None:
                return self._ready.asked(scene, own)
            return SEARCHES[self._search](searched, most, self._device, own)

        block = max(1, min(QUERY_CHUNK, KEPT // max(1, self._found)))
        return best_of(scene, self._found, own_rows(scene), block, opened, self._search)

    def _by_index(self, scene: Scene, index: Approximate) -> tuple[np.ndarray, np.ndarray]:
        """The same; several processes share the queries."""
        finder = index.asked(scene, own_rows(scene))
        part = np.arange(len(scene.queries))[distributed.share(len(scene.queries))]
        step = max(1, min(QUERY_CHUNK, KEPT // max(1, self._found * self._searching.again)))
        blocks = [finder.best(part[i : i + step]) for i in range(0, len(part), step)]
        shape = 0, self._found
        blocks.append((torch.empty(shape), torch.empty(shape, dtype=torch.int64)))
        scores, rows = (
            distributed.gathered(torch.cat([block[side] for block in blocks]).numpy())
            for side in (0, 1)
        )
        return scores, rows
