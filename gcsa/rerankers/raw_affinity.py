"""Raw affinity features: what a transformer of affinities reads, compared without the transformer.

An image is described by its similarities to the query and the first L candidates, 1 + L numbers;
the score of a candidate is the cosine between its description and the query's. Ouyang et al.:
"Contextual Similarity Aggregation with Self-attention for Visual Re-ranking", NeurIPS 2021, where
it is the baseline of the network; GCSA's visual affinity is the same table. It knows looks alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import normalize

from gcsa.ranking.lists import Ranking
from gcsa.rerankers.lists import at_least, num_of, rerank
from gcsa.rerankers.similarity import Similarity


@dataclass
class RawAffinityConfig:
    """Cosine of raw affinity features."""

    L: int = 255  # anchors, of the first candidates (as GCSA's; CSA has 511); 0: all listed
    K: int = 0  # candidates re-ranked; 0: all listed

    def __post_init__(self):
        at_least("affinity.L", self.L, 0)
        at_least("affinity.K", self.K, 0)


def raw_affinity(similarity: Similarity, candidates: Ranking, config: RawAffinityConfig) -> Ranking:
    """The first K candidates by the cosine of their affinity features to the query's.

    An anchor that is padded is a column of zeros, which changes no cosine.
    """
    K = num_of(similarity, candidates, config.K)
    L = num_of(similarity, candidates, config.L)

    def score(queries: Tensor, index: Tensor) -> Tensor:
        features = normalize(similarity.listed(queries, index, K, L), dim=2)  # (B, 1+K, 1+L)
        return (features[:, 1:] @ features[:, 0, :, None]).squeeze(2)

    return rerank(similarity, candidates, K, L, score)
