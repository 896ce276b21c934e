"""First-round retrieval: the top N database images of each query, by inner product."""

from __future__ import annotations

import numpy as np
import torch

from gcsa import distributed
from gcsa.errors import InputError
from gcsa.ranking.cells import near_devices
from gcsa.ranking.index.search import by_index
from gcsa.ranking.index.settings import Searching
from gcsa.ranking.lists import Ranking
from gcsa.ranking.search import KEPT, QUERY_CHUNK, SEARCHES, fastest, own_rows
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
    than ``num`` images the lists are padded. Several processes share the queries.

    search: "fp32", or "half": the database is searched in half precision (float16 on a GPU,
    bfloat16 on a CPU), the best are compared again in float32, and a query whose result rounding
    could have changed is searched again in float32; the result is that of "fp32". "faiss": its
    exact index, on the CPU, which holds the database in float32. "auto" takes what is fastest:
    half precision on CPUs with units for it, float32 else; without the compiled kernels faiss for
    short descriptors, if installed. Any other
    word is an index of faiss ("IVF4096,PQ64"), which is kept on disk and may miss images; what it
    lists is compared again, so that scores are exact.
    """
    if scene.database.descriptors is None or scene.queries.descriptors is None:
        raise InputError(f"{scene.name}: retrieval needs descriptors")
    searching = Searching(search) if isinstance(search, str) else search
    searching.check()
    device = torch.device(device)
    if searching.within > 0 and scene.queries.positions is not None:
        return near_devices(scene, num, device, searching, retrieve)
    if searching.by_index:
        return by_index(scene, num, device, searching)
    search = searching.search
    if search == "auto":
        search = fastest(scene, num, device)
    found, rows = min(num, len(scene.database)), np.arange(len(scene.queries))
    own, part = own_rows(scene), rows[distributed.share(len(rows))]
    finder = SEARCHES[search](scene, found, device, own)
    step = max(1, min(QUERY_CHUNK, KEPT // max(1, found)))
    blocks = [finder.best(part[i : i + step]) for i in range(0, len(part), step)]
    blocks.append((torch.empty(0, found), torch.empty(0, found, dtype=torch.int64)))
    indices = np.full((len(rows), num), -1, dtype=np.int64)
    scores = np.full((len(rows), num), -np.inf, dtype=np.float32)
    scores[:, :found] = distributed.gathered(torch.cat([b[0] for b in blocks]).numpy())
    indices[:, :found] = distributed.gathered(torch.cat([b[1] for b in blocks]).numpy())
    indices[np.isneginf(scores)] = -1
    return Ranking(indices, scores)
