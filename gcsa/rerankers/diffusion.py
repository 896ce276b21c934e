"""Diffusion on the graph of a query and its candidates.

Iscen, Tolias, Avrithis, Furon, Chum: "Efficient Diffusion on Region Manifolds: Recovering Small
Objects with Compact CNN Representations", CVPR 2017; the ranking function is that of Zhou, Weston,
Gretton, Bousquet, Schölkopf: "Ranking on Data Manifolds", NIPS 2003.

Images are the nodes; two that are among each other's k nearest are joined by an edge of weight
a = max(s, 0)^gamma. With S = D^(-1/2) A D^(-1/2), D the sums of the rows of A, and y = 1 at the
query, the scores are f = (1 - alpha) (I - alpha S)^(-1) y. The graph is the list alone, so the
system is small, and solved exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from gcsa.errors import InputError
from gcsa.ranking.lists import Ranking
from gcsa.rerankers.lists import at_least, num_of, rerank
from gcsa.rerankers.similarity import Similarity
from gcsa.rerankers.topk import members, nearest


@dataclass
class DiffusionConfig:
    """Diffusion; the defaults are those of Iscen et al., whose graph is the whole database."""

    k: int = 50  # neighbours in the graph, mutual
    alpha: float = 0.99  # share of the score that comes over edges, below 1
    gamma: float = 3.0  # power of the similarity that weights an edge
    K: int = 0  # candidates re-ranked; 0: all listed

    def __post_init__(self):
        at_least("diffusion.k", self.k, 1)
        at_least("diffusion.gamma", self.gamma, 0)
        at_least("diffusion.K", self.K, 0)
        if not 0 <= self.alpha < 1:
            raise InputError(f"diffusion.alpha: {self.alpha} is not from 0 to below 1")


def diffusion(similarity: Similarity, candidates: Ranking, config: DiffusionConfig) -> Ranking:
    """The first K candidates by the score that reaches them from the query.

    What the graph does not join to the query has score 0: first-round order, behind the others.
    """
    K = num_of(similarity, candidates, config.K)

    def score(queries: Tensor, index: Tensor) -> Tensor:
        block = similarity.listed(queries, index, K, K)
        valid = pad(index[:, :K] >= 0, (1, 0), value=True)
        return ranking(edges(block, valid, config.k, config.gamma), config.alpha)[:, 1:]

    return rerank(similarity, candidates, K, K, score)


def edges(similarity: Tensor, valid: Tensor, k: int, gamma: float) -> Tensor:
    """Weights (B, T, T) of the mutual-neighbour graph of similarities (B, T, T), symmetric."""
    near = members(nearest(similarity, valid, k), valid)
    mutual = near & near.transpose(1, 2)
    return similarity.clamp(min=0) ** gamma * mutual


def ranking(weights: Tensor, alpha: float) -> Tensor:
    """f = (1 - alpha) (I - alpha S)^(-1) y for edge weights (B, T, T), y = 1 at node 0: (B, T)."""
    degrees = weights.sum(2)
    scale = torch.where(degrees > 0, degrees.clamp(min=1e-30).rsqrt(), 0)
    normalised = scale[:, :, None] * weights * scale[:, None, :]
    source = torch.zeros_like(degrees)[:, :, None]
    source[:, 0] = 1 - alpha
    system = torch.eye(weights.shape[1], device=weights.device) - alpha * normalised
    return torch.linalg.solve(system, source).squeeze(2)
