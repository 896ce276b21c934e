"""CSA: a transformer of raw affinities, without a projection and without side information.

Ouyang et al.: "Contextual Similarity Aggregation with Self-attention for Visual Re-ranking",
NeurIPS 2021 (arXiv 2110.13430); names of parameters and numbers as in its published code.

It stands in the frame of :class:`gcsa.models.gcsa.GCSA`: row 0 is the query, rows 1..K its
candidates in first-round order; the anchors are the query and the first L candidates. CSA's authors
count the query too. Their 512 anchors are L = 511 here. A training list of their K = 512 begins
with the query's own image, so it is K = 511 here, where an image is not its own candidate; the 1024
candidates that they re-rank in a test are K = 1024. L belongs to the network, K to its use.

Shapes: B queries, T = 1 + K rows, 1 + L anchors, D0 the length of a descriptor, D' inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from gcsa.errors import InputError
from gcsa.models.attention import attend
from gcsa.models.csa_loss import reconstruction_loss
from gcsa.models.dropout import dropout
from gcsa.models.head import Head


@dataclass
class CSAConfig:
    """Section ``csa``: what CSA has beyond the section ``model``.

    Of that one it reads input_dim, output_dim, K, L, num_layers, num_heads and attn_dropout.
    """

    dropout: float = 0.1  # on the affinity, and on what its layer, attention and MLPs yield
    path_dropout: float = 0.1  # share of queries that skip the last layer; from 0 at the first
    mlp_ratio: int = 4  # width of the MLPs, in output_dim
    qkv_bias: bool = True  # whether queries, keys and values of the attention have a bias
    reconstruction: float = 0.2  # weight of the reconstruction loss beside train.loss; 0: none


class Attention(nn.Module):
    """Multi-head self-attention, dropout on its weights and on what it yields."""

    def __init__(self, dim: int, num_heads: int, bias: bool, dropout_p: float, attn_p: float):
        super().__init__()
        self.num_heads, self.dropout_p, self.attn_p = num_heads, dropout_p, attn_p
        self.qkv = nn.Linear(dim, 3 * dim, bias=bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        """x: (B, T, D'); keep: (B, T) bool, False for rows that none may attend to."""
        B, T, D = x.shape
        heads = self.qkv(x).view(B, T, 3, self.num_heads, D // self.num_heads)
        q, k, v = heads.permute(2, 0, 3, 1, 4)  # each (B, heads, T, D' / heads)
        mixed = attend(q, k, v, keep, self.attn_p if self.training else 0.0)
        mixed = self.proj(mixed.transpose(1, 2).reshape(B, T, D))
        return dropout(mixed, self.dropout_p, self.training)


class MLP(nn.Module):
    """Two linear layers with an exact GELU between, dropout behind each."""

    def __init__(self, dim: int, hidden: int, dropout_p: float):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.dropout_p = dropout_p

    def forward(self, x: Tensor) -> Tensor:
        x = dropout(functional.gelu(self.fc1(x)), self.dropout_p, self.training)
        return dropout(self.fc2(x), self.dropout_p, self.training)


class Block(nn.Module):
    """A pre-norm transformer layer; in training either half is skipped with probability path_p."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        mlp_dim: int,
        bias: bool,
        dropout_p: float,
        attn_p: float,
        path_p: float,
    ):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = Attention(dim, num_heads, bias, dropout_p, attn_p)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MLP(dim, mlp_dim, dropout_p)
        self.path_p = path_p

    def forward(self, x: Tensor, keep: Tensor | None) -> Tensor:
        x = x + self._path(self.attn(self.norm1(x), keep))
        return x + self._path(self.mlp(self.norm2(x)))

    def _path(self, branch: Tensor) -> Tensor:
        """Stochastic depth: 0 for some queries, the others grown by what that takes away."""
        if not self.training or self.path_p == 0:
            return branch
        kept = torch.rand(len(branch), 1, 1, device=branch.device) >= self.path_p
        return branch * (kept / (1 - self.path_p)).to(branch.dtype)


class Reconstruction(nn.Module):
    """From refined rows back to affinity rows; training alone uses it."""

    def __init__(self, dim: int, width: int):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(dim, width)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class CSA(nn.Module):
    """Contextual similarity aggregation.

    input_dim: D0, which no weight depends on. output_dim: D'. mlp_dim: width of the MLPs.
    reconstructs: with the head of the reconstruction loss. head: with one that gives logits, see
    :func:`gcsa.models.gcsa.scores`; published checkpoints have none. K may be changed at any time.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        K: int,
        L: int,
        num_layers: int,
        num_heads: int,
        mlp_dim: int,
        qkv_bias: bool = True,
        reconstructs: bool = True,
        dropout_p: float = 0.0,
        attn_dropout_p: float = 0.0,
        path_dropout_p: float = 0.0,
        head: bool = False,
    ):
        super().__init__()
        _check_sizes(K, L, output_dim, num_layers, num_heads)
        self.input_dim = self.proj_dim = input_dim
        self.output_dim, self.K, self.L = output_dim, K, L
        self.num_layers, self.num_heads, self.mlp_dim = num_layers, num_heads, mlp_dim
        self.qkv_bias, self.reconstructs, self.dropout_p = qkv_bias, reconstructs, dropout_p
        self.attn_dropout_p, self.path_dropout_p = attn_dropout_p, path_dropout_p
        self.input_proj: nn.Module = nn.Identity()
        self.topk_proj = nn.Linear(1 + L, output_dim)
        self.feature_align = Reconstruction(output_dim, 1 + L) if reconstructs else None
        self.blocks = nn.ModuleList(
            Block(output_dim, num_heads, mlp_dim, qkv_bias, dropout_p, attn_dropout_p, path_p)
            for path_p in torch.linspace(0, path_dropout_p, num_layers, device="cpu").tolist()
        )
        self.head = Head(output_dim) if head else None
        self.apply(_initialise)

    def forward(self, desc: Tensor, *, valid: Tensor | None = None) -> Tensor:
        """Descriptors (B, 1+N, D0), the query first -> unit rows (B, 1+K, D'), N >= max(K, L).

        valid: (B, N) bool, False for padded candidates: what stands in them changes nothing.
        The score of a candidate is the inner product of its row with row 0.
        """
        return self.refine(self.project(desc), valid=valid)

    def project(self, desc: Tensor) -> Tensor:
        """The descriptors (..., D0) as they are: CSA has no projection."""
        return desc

    def refine(
        self, projected: Tensor, columns: Tensor | None = None, valid: Tensor | None = None
    ) -> Tensor:
        """See :meth:`forward`; ``columns`` of side information have no place here."""
        return functional.normalize(self._tokens(self.affinity(projected, valid), valid), dim=-1)

    def reconstruct(self, projected: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What :meth:`refine` yields, and the reconstruction loss (), for training."""
        affinity = self.affinity(projected, valid)
        tokens = self._tokens(affinity, valid)
        if self.feature_align is None:
            raise ValueError("made without its reconstruction (reconstructs=False)")
        again, keep = self.feature_align(tokens), None
        if valid is not None:
            seen = _with_query(valid)
            again, keep = again * seen[:, None, : 1 + self.L], seen[:, : 1 + self.K]
        return functional.normalize(tokens, dim=-1), reconstruction_loss(affinity, again, keep)

    def affinity(self, projected: Tensor, valid: Tensor | None = None) -> Tensor:
        """Inner products (B, 1+K, 1+L) of rows and anchors; 0 for padded anchors."""
        rows, anchors = projected[:, : 1 + self.K], projected[:, : 1 + self.L]
        affinity = rows @ anchors.transpose(1, 2)
        return affinity if valid is None else affinity * _with_query(valid)[:, None, : 1 + self.L]

    def _tokens(self, affinity: Tensor, valid: Tensor | None) -> Tensor:
        """Refined rows (B, 1+K, D'), of any length."""
        keep = None if valid is None else _with_query(valid)[:, : 1 + self.K]
        x = self.topk_proj(dropout(affinity, self.dropout_p, self.training))
        x = dropout(x, self.dropout_p, self.training)
        for block in self.blocks:
            x = block(x, keep)
        return x


def _with_query(valid: Tensor) -> Tensor:
    """(B, N) -> (B, 1+N): the query is always there."""
    return functional.pad(valid, (1, 0), value=True)


def _initialise(module: nn.Module) -> None:
    """Linear layers as published: a normal distribution of deviation 0.02, no bias."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _check_sizes(K: int, L: int, output_dim: int, num_layers: int, num_heads: int) -> None:
    if K < 1 or L < 1:
        raise InputError(f"model.K and model.L must be at least 1, got {K} and {L}")
    if num_layers < 1:
        raise InputError("model.num_layers: CSA has at least 1, it has no stage of its own before")
    if output_dim % num_heads:
        raise InputError(
            f"model.output_dim {output_dim} is not a multiple of model.num_heads {num_heads}"
        )
