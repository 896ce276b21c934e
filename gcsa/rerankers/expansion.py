"""Query expansion: the query is joined by its best candidates, and asks again.

With the similarities s_j of a query q to its k first candidates x_j, the expanded query is

    q' = (q + sum_j s_j^alpha x_j) / (k + 1),  brought to unit length,

and the new score of a candidate its similarity to q'. Average query expansion (alpha = 0): Chum,
Philbin, Sivic, Isard, Zisserman: "Total Recall", ICCV 2007. The weights s^alpha: Radenović,
Tolias, Chum: "Fine-tuning CNN Image Retrieval with No Human Annotation", TPAMI 2019.

The score is computed from the similarities among candidates, so that matrices serve as well as
descriptors: q'.x_i = (s_i + sum_j w_j x_j.x_i) / |q + sum_j w_j x_j|.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import pad

from gcsa.ranking.lists import Ranking
from gcsa.rerankers.lists import at_least, num_of, rerank
from gcsa.rerankers.similarity import Similarity


@dataclass
class AverageQEConfig:
    """Average query expansion."""

    k: int = 10  # candidates that join the query; 0 changes nothing
    K: int = 0  # candidates re-ranked; 0: all listed

    def __post_init__(self):
        at_least("average-qe.k", self.k, 0)
        at_least("average-qe.K", self.K, 0)


@dataclass
class AlphaQEConfig:
    """Alpha query expansion; Radenović et al. use k = 50, of landmarks with hundreds of photos."""

    k: int = 10  # candidates that join the query; 0 changes nothing
    alpha: float = 3.0  # power of the similarity that weights them (Radenović et al.: 3)
    K: int = 0  # candidates re-ranked; 0: all listed

    def __post_init__(self):
        at_least("alpha-qe.k", self.k, 0)
        at_least("alpha-qe.alpha", self.alpha, 0)
        at_least("alpha-qe.K", self.K, 0)


def average_qe(similarity: Similarity, candidates: Ranking, config: AverageQEConfig) -> Ranking:
    """Average query expansion: the k first candidates join with equal weight."""
    return expand(similarity, candidates, config.k, 0.0, config.K)


def alpha_qe(similarity: Similarity, candidates: Ranking, config: AlphaQEConfig) -> Ranking:
    """Alpha query expansion: the k first candidates join with weight s^alpha."""
    return expand(similarity, candidates, config.k, config.alpha, config.K)


def expand(similarity: Similarity, candidates: Ranking, k: int, alpha: float, K: int) -> Ranking:
    """The first K candidates (all for 0) by their similarity to the expanded query."""
    K = num_of(similarity, candidates, K)
    if k == 0:
        return candidates
    k = min(k, candidates.indices.shape[1])

    def score(queries: Tensor, index: Tensor) -> Tensor:
        width = max(K, k)
        block = similarity.listed(queries, index, width, k)  # (B, 1+width, 1+k)
        # The query's own weight is 1; whatever that of a padded candidate, its column is zeros.
        weights = pad(powers(block[:, 0, 1:], alpha), (1, 0), value=1.0)  # (B, 1+k)
        summed = (block @ weights[:, :, None]).squeeze(2)  # (B, 1+width)
        length = (summed[:, : 1 + k] * weights).sum(1, keepdim=True).clamp(min=1e-12).sqrt()
        return summed[:, 1 : 1 + K] / length

    return rerank(similarity, candidates, K, k, score)


def powers(similarities: Tensor, alpha: float) -> Tensor:
    """s^alpha, 1 everywhere for alpha = 0.

    Negative similarities keep their sign or lose it with a whole alpha, as in the formula; for
    any other alpha, where the power does not exist, they count as 0.
    """
    if alpha != int(alpha):
        similarities = similarities.clamp(min=0)
    return similarities**alpha
