"""First-round retrieval: the top N database images of each query, by inner product."""

from __future__ import annotations

import numpy as np
import torch

from gcsa import distributed
from gcsa.errors import InputError, nearest
from gcsa.ranking.lists import Ranking
from gcsa.ranking.search import KEPT, QUERY_CHUNK, SEARCHES, fastest, own_rows
from gcsa.scene import Scene

CHOICES = ("auto", *SEARCHES)


def retrieve(
    scene: Scene, num: int, device: torch.device | str = "cpu", search: str = "auto"
) -> Ranking:
    """The ``num`` database images most alike to each query of a scene, exactly.

    Scores are inner products in float32 of the float16 descriptors. Equal scores come in database
    order, but which of equal ones stand last in a list is not defined. A query that is itself a
    database image (one of the same name) is not its own candidate. Where the database has fewer
    than ``num`` images the lists are padded. Several processes share the queries.

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
        device = torch.device(device)
        if search == "auto":
            search = fastest(scene, num, device)
        self._num, self._found = num, min(num, len(scene.database))
        self._finder = SEARCHES[search](scene, self._found, device, own_rows(scene))

    def __call__(self, scene: Scene) -> Ranking:
        """The lists of the queries of a scene with this database."""
        num, found, rows = self._num, self._found, np.arange(len(scene.queries))
        part = rows[distributed.share(len(rows))]
        finder = self._finder.asked(scene, own_rows(scene))
        step = max(1, min(QUERY_CHUNK, KEPT // max(1, found)))
        blocks = [finder.best(part[i : i + step]) for i in range(0, len(part), step)]
        blocks.append((torch.empty(0, found), torch.empty(0, found, dtype=torch.int64)))
        indices = np.full((len(rows), num), -1, dtype=np.int64)
        scores = np.full((len(rows), num), -np.inf, dtype=np.float32)
        scores[:, :found] = distributed.gathered(torch.cat([b[0] for b in blocks]).numpy())
        indices[:, :found] = distributed.gathered(torch.cat([b[1] for b in blocks]).numpy())
        indices[np.isneginf(scores)] = -1
        return Ranking(indices, scores)
