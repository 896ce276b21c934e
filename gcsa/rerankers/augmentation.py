"""Database-side augmentation (DBA): each database image is joined by its nearest neighbours.

Query expansion turned to the database, off-line: x' = x + sum_j s_j^alpha x_j over the k database
images x_j most alike to x, brought to unit length; s_j their similarities to x. All are computed
from the original descriptors. Turcot, Lowe: "Better Matching with Fewer Features", ICCV-W 2009;
Arandjelović, Zisserman: "Three Things Everyone Should Know to Improve Object Retrieval", CVPR 2012;
with weights as in :mod:`gcsa.rerankers.expansion`.

Only images that some list holds are augmented, by neighbours from the whole database.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from gcsa.errors import InputError
from gcsa.ranking.lists import Ranking
from gcsa.rerankers.expansion import expand, powers
from gcsa.rerankers.lists import at_least, listed_rows, num_of, rerank
from gcsa.rerankers.similarity import FromDescriptors, Similarity, work_bytes
from gcsa.scene import ImageSet, Scene


@dataclass
class DBAConfig:
    """Database-side augmentation, and query expansion on what it makes."""

    k: int = 10  # neighbours that join a database image; 0 leaves the database as it is
    alpha: float = 3.0  # power of the similarity that weights them
    qe_k: int = 0  # then alpha query expansion by this many candidates; 0: none
    qe_alpha: float = 3.0  # its power
    K: int = 0  # candidates re-ranked; 0: all listed

    def __post_init__(self):
        for key in ("k", "alpha", "qe_k", "qe_alpha", "K"):
            at_least(f"dba.{key}", getattr(self, key), 0)


def dba(similarity: Similarity, candidates: Ranking, config: DBAConfig) -> Ranking:
    """The first K candidates by the similarity of the query to their augmented descriptors.

    With ``qe_k`` the query then asks again, expanded by the best of these. Needs descriptors:
    InputError with :class:`gcsa.rerankers.similarity.FromMatrices`.
    """
    if not isinstance(similarity, FromDescriptors):
        raise InputError("dba: needs descriptors, similarity matrices do not do")
    K = num_of(similarity, candidates, config.K)
    rows = listed_rows(candidates.indices[:, :K])
    if len(rows) == 0 or config.k == config.qe_k == 0:
        return candidates
    small = FromDescriptors(augmented(similarity, rows, config.k, config.alpha), similarity.device)
    # The lists in rows of the augmented images, and without what is beyond K.
    indices = candidates.indices[:, :K]
    listed = np.where(indices >= 0, np.searchsorted(rows, indices), -1)
    best = _by_similarity(small, Ranking(listed, candidates.scores[:, :K]))
    best = expand(small, best, config.qe_k, config.qe_alpha, 0)
    return candidates.reordered(_scores_of(listed, best))


@torch.inference_mode()
def augmented(similarity: FromDescriptors, rows: np.ndarray, k: int, alpha: float) -> Scene:
    """A scene with just these database rows, augmented, in the precision that they came in."""
    database = similarity.scene.database
    result = np.empty((len(rows), similarity.dim), dtype=database.descriptors.dtype)
    images = torch.from_numpy(rows).to(similarity.device)
    alike, neighbours = similarity.neighbours(images, k)
    weights = powers(alike, alpha)
    step = max(1, work_bytes(similarity.device) // (8 * similarity.dim))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        summed = similarity.database_rows(images[part])
        for j in range(neighbours.shape[1]):
            joining = similarity.database_rows(neighbours[part, j])
            summed.addcmul_(joining, weights[part, j, None])
        result[part] = normalize(summed, dim=1).cpu().numpy()
    return replace(similarity.scene, database=ImageSet(database.names[rows], descriptors=result))


def _by_similarity(similarity: Similarity, candidates: Ranking) -> Ranking:
    """All candidates in the order of their similarity to the query."""
    K = candidates.indices.shape[1]

    def score(queries: Tensor, index: Tensor) -> Tensor:
        return similarity.listed(queries, index, K, 0)[:, 1:, 0]

    return rerank(similarity, candidates, K, 0, score)


def _scores_of(listed: np.ndarray, ranked: Ranking) -> np.ndarray:
    """Scores of a re-ordered list, in the order that the list had before."""
    scores = np.empty(listed.shape, dtype=np.float32)
    before, after = np.argsort(listed, axis=1), np.argsort(ranked.indices, axis=1)
    np.put_along_axis(scores, before, np.take_along_axis(ranked.scores, after, axis=1), axis=1)
    return scores
