"""Re-ranking with k-reciprocal encoding, within each list.

Zhong, Zheng, Cao, Li: "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017;
the numbers in brackets are its equations. Images are the query and its first K candidates.

    N(p, k)   p and the k images nearest to it
    R(p, k)   the members g of N(p, k) with p in N(g, k) [2]
    R*(p)     R(p, k1), joined by R(g, k1/2) of each of its members g of which two thirds are in
              R(p, k1) [3]
    V_p       exp(-d(p, g)) at each g of R*(p), 0 elsewhere, brought to sum 1 [7]; then the mean of
              V over p and the k2 - 1 images nearest to it [11]
    d_J(p, g) 1 - sum_i min(V_p, V_g) / sum_i max(V_p, V_g), the Jaccard distance [10]

and images are ranked by (1 - lambda) d_J(q, g) + lambda d(q, g) [12]. As in the authors'
implementation d(p, .) is divided by its largest value and V_p by its sum. d is the similarity of
p to itself less that of p and g: half the squared distance of unit vectors.

Of two thirds and of k1/2 the paper and that implementation (zhunzhong07/person-re-ranking) say
different things, which ``variant`` chooses from:

    paper     at least two thirds; k1/2 rounded down
    code      more than two thirds; k1/2 rounded to the nearest whole number, halves to the even one
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from gcsa.errors import InputError
from gcsa.ranking.lists import Ranking
from gcsa.rerankers.lists import at_least, num_of, one_of, rerank
from gcsa.rerankers.similarity import Similarity
from gcsa.rerankers.topk import members, nearest

VARIANTS = ("paper", "code")


@dataclass
class KReciprocalConfig:
    """k-reciprocal encoding; the defaults are the authors'."""

    k1: int = 20  # neighbours that must be mutual
    k2: int = 6  # images that an encoding is averaged over, its own among them
    lambda_: float = 0.3  # weight of the original distance against the Jaccard distance
    variant: str = "paper"  # which lists join: as the paper has it | code: the authors'
    K: int = 0  # candidates re-ranked, which are all it sees; 0: all listed

    def __post_init__(self):
        at_least("k-reciprocal.k1", self.k1, 1)
        at_least("k-reciprocal.k2", self.k2, 1)
        at_least("k-reciprocal.K", self.K, 0)
        one_of("k-reciprocal.variant", self.variant, VARIANTS)
        if not 0 <= self.lambda_ <= 1:
            raise InputError(f"k-reciprocal.lambda_: {self.lambda_} is not from 0 to 1")


def k_reciprocal(similarity: Similarity, candidates: Ranking, config: KReciprocalConfig) -> Ranking:
    """The first K candidates by Jaccard and original distance; their scores are minus that."""
    K = num_of(similarity, candidates, config.K)

    def score(queries: Tensor, index: Tensor) -> Tensor:
        block = similarity.listed(queries, index, K, K)
        valid = pad(index[:, :K] >= 0, (1, 0), value=True)
        return -distance(block, valid, config)[:, 1:]

    return rerank(similarity, candidates, K, K, score)


def distance(similarity: Tensor, valid: Tensor, config: KReciprocalConfig) -> Tensor:
    """Final distances (B, T) to image 0 of each list, from its similarities (B, T, T).

    valid: (B, T) bool, False where padded: such images are no neighbours and change nothing.
    """
    original = _original(similarity, valid)
    order = nearest(similarity, valid, max(config.k1, config.k2 - 1))
    encoded = (-original).exp() * _expanded(order, valid, config)
    encoded = encoded / encoded.sum(2, keepdim=True).clamp(min=1e-30)
    if config.k2 > 1:
        averaged = _with_own(members(order[:, :, : config.k2 - 1], valid), valid).float()
        encoded = averaged @ encoded / averaged.sum(2, keepdim=True).clamp(min=1)
    shared = torch.minimum(encoded[:, :1], encoded).sum(2)
    total = encoded[:, 0].sum(1, keepdim=True) + encoded.sum(2)
    jaccard = 1 - shared / (total - shared)
    return (1 - config.lambda_) * jaccard + config.lambda_ * original[:, 0]


def _original(similarity: Tensor, valid: Tensor) -> Tensor:
    """Distances (B, T, T), the largest of each row 1; 0 at padded images."""
    own = similarity.diagonal(dim1=1, dim2=2)[:, :, None]
    far = ((own - similarity).clamp(min=0)) * valid[:, None, :]
    return far / far.amax(2, keepdim=True).clamp(min=1e-30)


def _expanded(order: Tensor, valid: Tensor, config: KReciprocalConfig) -> Tensor:
    """R* of each image as a table (B, T, T) bool; order: (B, T, >= k1) nearest first."""
    as_paper = config.variant == "paper"
    k_half = config.k1 // 2 if as_paper else round(config.k1 / 2)
    wide = _reciprocal(order[:, :, : config.k1], valid)
    half = _reciprocal(order[:, :, :k_half], valid)
    as_number = half.float()
    common = 3 * (wide.float() @ as_number)  # the half table is symmetric
    two_thirds = 2 * as_number.sum(2)[:, None, :]
    joins = wide & (common >= two_thirds if as_paper else common > two_thirds)
    return wide | (joins.float() @ as_number > 0)


def _reciprocal(order: Tensor, valid: Tensor) -> Tensor:
    """R of each image as a table (B, T, T) bool."""
    near = _with_own(members(order, valid), valid)
    return near & near.transpose(1, 2)


def _with_own(table: Tensor, valid: Tensor) -> Tensor:
    return table | torch.diag_embed(valid)
