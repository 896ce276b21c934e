"""First-round retrieval: the top N database images of each query, by inner product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from gcsa.errors import InputError
from gcsa.scene import Scene

# Descriptors are compared in blocks of this many queries by this many database images: large
# enough for the matrix product to run at full speed, and 160 MB of scores at most.
QUERY_CHUNK = 1024
DATABASE_CHUNK = 32768


@dataclass(frozen=True, eq=False)
class Candidates:
    """Ranked lists, best first; "no re-ranking" is the first-round retrieval itself.

    indices: (Q, N) int64 rows of the database; -1 where a list is shorter than N.
    scores: (Q, N) float32, falling; -inf where padded.
    """

    indices: np.ndarray
    scores: np.ndarray

    @property
    def valid(self) -> np.ndarray:
        """(Q, N) bool: False where a list is padded."""
        return self.indices >= 0

    def __len__(self) -> int:
        return len(self.indices)

    def reordered(self, scores: np.ndarray) -> Candidates:
        """The lists with their first K candidates in the order of ``scores`` (Q, K) float32.

        Equal scores keep their first-round order, and so do the candidates beyond K, behind the
        others. Padded entries stay last. The scores of the result are the new ones for the first
        K; beyond, where no new score exists, they are -inf.
        """
        k = scores.shape[1]
        keys = np.where(self.valid[:, :k], scores.astype(np.float32), -np.inf)
        # NaN would sort unpredictably; a model that yields it is broken.
        if np.isnan(keys).any():
            raise InputError("a score is not a number: the model's weights are not finite")
        order = np.argsort(-keys, axis=1, kind="stable")
        indices, new = self.indices.copy(), np.full(self.scores.shape, -np.inf, dtype=np.float32)
        indices[:, :k] = np.take_along_axis(indices[:, :k], order, axis=1)
        new[:, :k] = np.take_along_axis(keys, order, axis=1)
        return Candidates(indices, new)


def retrieve(scene: Scene, num: int, device: torch.device | str = "cpu") -> Candidates:
    """The ``num`` database images most alike to each query of a scene, exactly.

    Scores are inner products in float32 of the float16 descriptors; equal scores come in database
    order. A query that is itself a database image (one of the same name) is not its own
    candidate. Where the database has fewer than ``num`` images the lists are padded.
    """
    if scene.database.descriptors is None or scene.queries.descriptors is None:
        raise InputError(f"{scene.name}: retrieval needs descriptors")
    found = min(num, len(scene.database))
    own = torch.from_numpy(_own_rows(scene)).to(device)
    blocks = [
        _top(scene, slice(start, start + QUERY_CHUNK), own, found)
        for start in range(0, len(scene.queries), QUERY_CHUNK)
    ]
    indices = np.full((len(scene.queries), num), -1, dtype=np.int64)
    scores = np.full((len(scene.queries), num), -np.inf, dtype=np.float32)
    indices[:, :found] = np.concatenate([b[0] for b in blocks])
    scores[:, :found] = np.concatenate([b[1] for b in blocks])
    indices[np.isneginf(scores)] = -1
    return Candidates(indices, scores)


def _own_rows(scene: Scene) -> np.ndarray:
    """(Q,) the database row that is the query itself, -1 where there is none."""
    order = np.argsort(scene.database.names)
    names = scene.database.names[order]
    place = np.minimum(np.searchsorted(names, scene.queries.names), len(names) - 1)
    return np.where(names[place] == scene.queries.names, order[place], -1)


def _top(scene: Scene, rows: slice, own: torch.Tensor, num: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices and scores of the best ``num`` for some queries, the database taken in chunks."""
    device, own = own.device, own[rows]
    queries = _float(scene.queries.descriptors[rows], device)
    best = torch.empty(len(queries), 0, device=device)
    index = torch.empty(len(queries), 0, dtype=torch.int64, device=device)
    for start in range(0, len(scene.database), DATABASE_CHUNK):
        block = _float(scene.database.descriptors[start : start + DATABASE_CHUNK], device)
        similarity = queries @ block.T
        here = (own >= start) & (own < start + len(block))
        similarity[here, own[here] - start] = -torch.inf
        top, where = similarity.topk(min(num, len(block)), dim=1)
        best, index = torch.cat([best, top], 1), torch.cat([index, where + start], 1)
        best, keep = best.topk(min(num, best.shape[1]), dim=1)
        index = index.gather(1, keep)
    index, by_index = index.sort(dim=1)
    best, by_score = best.gather(1, by_index).sort(dim=1, descending=True, stable=True)
    return index.gather(1, by_score).cpu().numpy(), best.cpu().numpy()


def _float(descriptors: np.ndarray, device: torch.device) -> torch.Tensor:
    """Float32 on the device; the half-precision bytes are what travels."""
    return torch.from_numpy(np.ascontiguousarray(descriptors)).to(device).float()
