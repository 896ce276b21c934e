"""Little checkpoints and plain figures for the tests of the comparison of re-rankers."""

from __future__ import annotations

import numpy as np
import torch

from gcsa.config import as_dict
from gcsa.models.checkpoint import save_checkpoint
from gcsa.models.gcsa import GCSA
from gcsa.sideinfo.affinity import width

KINDS = ["positional-db", "heading"]
CPU = torch.device("cpu")


def checkpoint(path, config, K=40, L=20, seed=0):
    """A network of random weights for the descriptors of tests/worlds.py; its path."""
    torch.manual_seed(seed)
    columns = sum(width(kind, L) for kind in KINDS)
    model = GCSA(32, 16, 32, K, L, 1, 4, columns, 0.0, 0.0)
    save_checkpoint(path, model, KINDS, {"config": as_dict(config)})
    return str(path)


def mean_ap(scene, truth, ranking, k=10):
    """mAP@k by loops, relevant within 25 m; queries without any relevant image left out."""
    values = []
    for query, listed in enumerate(ranking.indices):
        distance = np.hypot(*(scene.database.positions - truth.positions[query])[:, :2].T)
        hits, total = 0, 0.0
        for rank, row in enumerate(listed[:k], start=1):
            if distance[row] <= 25:
                hits += 1
                total += hits / rank
        if (distance <= 25).any():
            values.append(total / min(k, (distance <= 25).sum()))
    return np.mean(values)
