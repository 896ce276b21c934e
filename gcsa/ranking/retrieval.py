"""First-round retrieval: the top N database images of each query, by inner product."""

from __future__ import annotations

import numpy as np
import torch

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
    than ``num`` images the lists are padded. Several processes divide the
    database and the queries among them (:mod:`gcsa.ranking.sharded`).

    search: "fp32", or "half": the database is searched in half precision (float16 on a GPU,
    bfloat16 on a CPU), the best are compared again in float32, and a query whose result rounding
    could have changed is searched again in float32; the result is that of "fp32". "faiss": its
    exact index, on the CPU, which holds the database in float32. "auto" takes what is fastest:
    half precision on CPUs with units for it, faiss for short descriptors if installed.
    """
    if scene.database.descriptors is None or scene.queries.descriptors is None:
        raise InputError(f"{scene.name}: retrieval needs descriptors")
    if search not in CHOICES:
        raise InputError(f"data.search: '{search}' is not a choice{nearest(search, CHOICES)}")
    device = torch.device(device)
    if search == "auto":
        search = fastest(scene, num, device)

    def opened(searched: Searched, most: int, own: np.ndarray) -> Finder:
        return SEARCHES[search](searched, most, device, own)

    found, count = min(num, len(scene.database)), len(scene.queries)
    block = max(1, min(QUERY_CHUNK, KEPT // max(1, found)))
    indices = np.full((count, num), -1, dtype=np.int64)
    scores = np.full((count, num), -np.inf, dtype=np.float32)
    best = best_of(scene, found, own_rows(scene), block, opened, search)
    scores[:, :found], indices[:, :found] = best
    indices[np.isneginf(scores)] = -1
    return Ranking(indices, scores)
