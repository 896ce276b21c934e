"""GCSA: the network that re-ranks, tensors in and tensors out.

Hanning, Flood, Larsson: "Visual Re-Ranking with Non-Visual Side Information", SCIA 2025
(arXiv 2504.11134).

Shapes: B queries; N = max(K, L) candidates of each, in first-round order; K candidates are
re-ranked, the first L of them (and the query) are anchors; D0 the length of a descriptor, D after
the projection, D' inside the transformer; C columns of side information. Row 0 is the query.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from gcsa.errors import InputError
from gcsa.models.attention import attend
from gcsa.models.dropout import dropout
from gcsa.models.head import Head


@dataclass
class ModelConfig:
    """Section ``model``: the network's sizes and the side information that it reads."""

    input_dim: int = 4096  # D0, length of a descriptor
    proj_dim: int = 512  # D, after the projection
    output_dim: int = 768  # D', inside the transformer
    K: int = 255  # candidates re-ranked
    L: int = 255  # anchors, of the first candidates
    num_layers: int = 0  # transformer layers; 0 trains the projection alone
    num_heads: int = 12  # attention heads of a layer
    affinity: list[str] = field(default_factory=list)  # kinds, by their names in docs/concepts.md
    input_dropout: float = 0.2  # on the descriptors
    attn_dropout: float = 0.2  # on the attention weights


class SelfAttention(nn.Module):
    """Multi-head self-attention with the parameter names of ``nn.MultiheadAttention``."""

    def __init__(self, dim: int, num_heads: int, dropout_p: float):
        super().__init__()
        self.num_heads, self.dropout_p = num_heads, dropout_p
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out_proj = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """x: (B, T, D'); keep: (B, T) bool, False for rows that none may attend to."""
        B, T, D = x.shape
        heads = functional.linear(x, self.in_proj_weight, self.in_proj_bias)  # (B, T, 3 D')
        heads = heads.view(B, T, 3, self.num_heads, D // self.num_heads)
        q, k, v = heads.permute(2, 0, 3, 1, 4)  # each (B, heads, T, D' / heads)
        mixed = attend(q, k, v, keep, self.dropout_p if self.training else 0.0)
        return self.out_proj(mixed.transpose(1, 2).reshape(B, T, D))


class Layer(nn.Module):
    """A pre-norm transformer layer without positions: the rows are a set."""

    def __init__(self, dim: int, num_heads: int, attn_dropout_p: float):
        super().__init__()
        self.attn_norm = nn.LayerNorm(dim)
        self.attn = SelfAttention(dim, num_heads, attn_dropout_p)
        self.mlp_norm = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        x = x + self.attn(self.attn_norm(x), keep)
        return x + self.mlp(self.mlp_norm(x))


class GCSA(nn.Module):
    """Generalized contextual similarity aggregation.

    ``aff_dim`` is C, the columns of all kinds of side information together. The names of the
    arguments and of the parameters are those of the published checkpoints, which have no head:
    with one, :func:`scores` are its logits.
    """

    def __init__(
        self,
        input_dim: int,
        proj_dim: int,
        output_dim: int,
        K: int,
        L: int,
        num_layers: int,
        num_heads: int,
        aff_dim: int,
        input_dropout_p: float = 0.0,
        attn_dropout_p: float = 0.0,
        head: bool = False,
    ):
        super().__init__()
        _check_sizes(K, L, output_dim, num_layers, num_heads)
        self.input_dim, self.proj_dim, self.output_dim = input_dim, proj_dim, output_dim
        self.K, self.L, self.num_layers, self.num_heads = K, L, num_layers, num_heads
        self.aff_dim = aff_dim
        self.input_dropout_p, self.attn_dropout_p = input_dropout_p, attn_dropout_p
        self.input_proj = _linear(input_dim, proj_dim)
        if num_layers > 0:
            self.affinity_proj = _linear(1 + L + aff_dim, output_dim)
        self.layers = nn.ModuleList(
            Layer(output_dim, num_heads, attn_dropout_p) for _ in range(num_layers)
        )
        self.head = Head(output_dim if num_layers > 0 else proj_dim) if head else None

    def forward(
        self,
        desc: Tensor,
        affinities: list[Tensor] | None = None,
        *,
        columns: Tensor | None = None,
        valid: Tensor | None = None,
    ) -> Tensor:
        """Refine the query and its candidates.

        desc: (B, 1+N, D0) descriptors, the query first.
        affinities: one matrix a kind, in the order of the config: (B, N, N) of the candidates for
            a "-db" kind, (B, 1+N, 1+N) with the query first for the others.
        columns: (B, 1+K, C), instead of ``affinities``: just the blocks that the model reads, as
            :meth:`gcsa.sideinfo.affinity.SideInformation.columns` makes them.
        valid: (B, N) bool, False for padded candidates: what stands in them changes nothing.
            None where nothing is padded, which is faster.

        Returns (B, 1+K, D') of unit length (D without layers): the score of a candidate is the
        inner product of its row with row 0.
        """
        if affinities:
            columns = self.columns_of(affinities)
        return self.refine(self.project(desc), columns, valid)

    def project(self, desc: Tensor) -> Tensor:
        """Descriptors (..., D0) -> (..., D), after dropout, of unit length."""
        desc = dropout(desc, self.input_dropout_p, self.training)
        return functional.normalize(self.input_proj(desc), dim=-1)

    def refine(
        self, projected: Tensor, columns: Tensor | None = None, valid: Tensor | None = None
    ) -> Tensor:
        """What follows the projection: (B, 1+N, D) -> (B, 1+K, D'); see :meth:`forward`."""
        K, L = self.K, self.L
        if self.num_layers == 0:
            return projected[:, : 1 + K]
        affinity = projected[:, : 1 + K] @ projected[:, : 1 + L].transpose(1, 2)  # (B, 1+K, 1+L)
        keep = None
        if valid is not None:
            seen = functional.pad(valid, (1, 0), value=True)  # (B, 1+N), the query is always there
            affinity = affinity * seen[:, None, : 1 + L]
            keep = seen[:, : 1 + K]
        if columns is not None:
            affinity = torch.cat([affinity, columns.to(affinity.dtype)], dim=-1)
        x = self.affinity_proj(affinity)  # (B, 1+K, D')
        for layer in self.layers:
            x = layer(x, keep)
        return functional.normalize(x, dim=-1)

    def columns_of(self, affinities: list[Tensor]) -> Tensor:
        """Cut the columns (B, 1+K, C) out of whole affinity matrices; see :meth:`forward`."""
        N = max(self.K, self.L)
        blocks = []
        for matrix in affinities:
            if matrix.shape[1] == 1 + N:
                blocks.append(matrix[:, : 1 + self.K, : 1 + self.L])
            else:  # without the query, whose row is zeros
                blocks.append(functional.pad(matrix[:, : self.K, : self.L], (0, 0, 1, 0)))
        return torch.cat(blocks, dim=-1)


def scores(refined: Tensor, head: Head | None = None, valid: Tensor | None = None) -> Tensor:
    """Cosine of the query's row with every row, itself first: (B, 1+K, D') -> (B, 1+K) float32.

    With a head its logits, that of "none of these" first; valid: see :meth:`Head.forward`.
    """
    if head is not None:
        logits: Tensor = head(refined, valid)
        return logits
    refined = refined.float()
    return (refined * refined[:, :1]).sum(-1)  # a product of matrices would be of half precision


def _linear(inputs: int, outputs: int) -> nn.Module:
    """A linear layer; none where the sizes are equal, as in the published model."""
    return nn.Identity() if inputs == outputs else nn.Linear(inputs, outputs)


def _check_sizes(K: int, L: int, output_dim: int, num_layers: int, num_heads: int) -> None:
    if K < 1 or L < 1:
        raise InputError(f"model.K and model.L must be at least 1, got {K} and {L}")
    if num_layers > 0 and output_dim % num_heads:
        raise InputError(
            f"model.output_dim {output_dim} is not a multiple of model.num_heads {num_heads}"
        )
