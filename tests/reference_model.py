"""GCSA put together from torch's own layers, with the published parameter names: an oracle."""

from __future__ import annotations

import torch
from torch import nn


class ReferenceLayer(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.attn_norm, self.mlp_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))


class ReferenceGCSA(nn.Module):
    """Takes exactly the published constructor arguments; whole affinity matrices, no padding."""

    def __init__(
        self, input_dim, proj_dim, output_dim, K, L, num_layers, num_heads, aff_dim,
        input_dropout_p, attn_dropout_p,
    ):  # fmt: skip
        super().__init__()
        self.K, self.L = K, L
        self.input_proj = nn.Linear(input_dim, proj_dim) if input_dim != proj_dim else nn.Identity()
        if num_layers:
            width = 1 + L + aff_dim
            self.affinity_proj = (
                nn.Linear(width, output_dim) if width != output_dim else nn.Identity()
            )
        self.layers = nn.ModuleList(
            ReferenceLayer(output_dim, num_heads) for _ in range(num_layers)
        )

    def forward(self, desc, affinities):
        x = nn.functional.normalize(self.input_proj(desc), dim=-1)
        if not len(self.layers):
            return x[:, : 1 + self.K]
        rows = []
        for b in range(len(desc)):
            cosine = x[b, : 1 + self.K] @ x[b, : 1 + self.L].T
            columns = [cosine]
            for matrix in affinities:
                if matrix.shape[1] == desc.shape[1]:
                    columns.append(matrix[b, : 1 + self.K, : 1 + self.L])
                else:
                    block = matrix[b, : self.K, : self.L]
                    columns.append(torch.cat([torch.zeros(1, self.L), block]))
            rows.append(torch.cat(columns, dim=1))
        x = self.affinity_proj(torch.stack(rows))
        for layer in self.layers:
            normed = layer.attn_norm(x)
            x = x + layer.attn(normed, normed, normed, need_weights=False)[0]
            x = x + layer.mlp(layer.mlp_norm(x))
        return nn.functional.normalize(x, dim=-1)
