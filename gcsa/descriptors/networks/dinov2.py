"""DINOv2's vision transformers S, B, L and g (Oquab et al., TMLR 2024), names of the originals.

With registers (Darcet et al., ICLR 2024) where the file has them. Released files have their
position table at 37 x 37 patches of 14 pixels; other sizes interpolate it, and how is part of
the trained network: the original samples the table at steps of 37 / (h + 0.1), not 37 / h.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

PATCH = 14
HEAD = 64  # channels of an attention head
# By the width: the letter that the released files are called by.
LETTERS = {384: "S", 768: "B", 1024: "L", 1536: "g"}


class Attention(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:  # (B, N, D) -> (B, N, D)
        split = (
            self.qkv(x).unflatten(2, (3, -1, HEAD)).permute(2, 0, 3, 1, 4)
        )  # (3, B, heads, N, 64)
        mixed = functional.scaled_dot_product_attention(*split)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(x)))


class SwiGlu(nn.Module):
    """The giant's: two halves of one projection, one of them the other's gate."""

    def __init__(self, width: int):
        super().__init__()
        hidden = 8 * math.ceil(4 * width * 2 / 3 / 8)
        self.w12 = nn.Linear(width, 2 * hidden)
        self.w3 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.w12(x).chunk(2, dim=-1)
        return self.w3(functional.silu(gate) * value)


class Scale(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.gamma * x


class Block(nn.Module):
    def __init__(self, width: int, swiglu: bool):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width)
        self.ls1 = Scale(width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = SwiGlu(width) if swiglu else Mlp(width)
        self.ls2 = Scale(width)

    def facets(self, x: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values of the block's attention, (B, N, D) each."""
        return self.attn.qkv(self.norm1(x)).chunk(3, dim=2)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class PatchEmbed(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, PATCH)

    def forward(self, x: Tensor) -> Tensor:  # (B, 3, H, W) -> (B, H/14 * W/14, D), row by row
        return self.proj(x).flatten(2).transpose(1, 2)


class Shape(NamedTuple):
    """What the shapes of a file's tensors say.

    mask: whether the token of masked patches is there, which only training uses. table: places in
    the position table, the class token's aside.
    """

    width: int
    depth: int
    swiglu: bool
    registers: int = 0
    mask: bool = True
    table: int = 37 * 37


class DinoV2(nn.Module):
    """Images whose sides are multiples of 14 -> tokens (B, 1 + registers + patches, D)."""

    def __init__(self, shape: Shape):
        super().__init__()
        width = shape.width
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + shape.table, width))
        if shape.mask:
            self.mask_token = nn.Parameter(torch.empty(1, width))
        if shape.registers:
            self.register_tokens = nn.Parameter(torch.empty(1, shape.registers, width))
        self.patch_embed = PatchEmbed(width)
        self.blocks = nn.ModuleList(Block(width, shape.swiglu) for _ in range(shape.depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.width, self.registers = width, shape.registers

    def forward(self, x: Tensor) -> Tensor:
        return self.tokens(x)

    def tokens(self, x: Tensor) -> Tensor:
        """Tokens after the last norm: the class token, the registers, the patches row by row."""
        return self.norm(self.before_norm(x))

    def before_norm(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return x

    def embed(self, x: Tensor) -> Tensor:
        """The tokens that the first block takes; registers have no place, hence no position."""
        size = (x.shape[2] // PATCH, x.shape[3] // PATCH)
        patches = self.patch_embed(x) + self.positions(*size)
        first = self.cls_token + self.pos_embed[:, :1]
        tokens = [first.expand(len(x), -1, -1), patches]
        if self.registers:
            tokens.insert(1, self.register_tokens.expand(len(x), -1, -1))
        return torch.cat(tokens, dim=1)

    def positions(self, rows: int, columns: int) -> Tensor:
        """The position table at a number of patches: (1, rows * columns, D)."""
        table = self.pos_embed[:, 1:]
        side = math.isqrt(table.shape[1])
        if rows == columns == side:
            return table
        grid = table.float().unflatten(1, (side, side)).permute(0, 3, 1, 2)
        if self.registers:
            size = (rows, columns)
            grid = functional.interpolate(grid, size, mode="bicubic", antialias=True)
        else:
            steps = ((rows + 0.1) / side, (columns + 0.1) / side)
            grid = functional.interpolate(grid, scale_factor=steps, mode="bicubic")
        return grid.flatten(2).transpose(1, 2).to(table.dtype)


def shape_of(tensors: Mapping[str, Tensor], prefix: str = "") -> Shape:
    """The shape of the transformer whose tensors a file has behind a prefix."""
    names = [name[len(prefix) :] for name in tensors if name.startswith(prefix)]
    depth = len({name.split(".")[1] for name in names if name.startswith("blocks.")})
    positions = tensors[f"{prefix}pos_embed"]
    registers = tensors.get(f"{prefix}register_tokens")
    return Shape(
        width=positions.shape[2],
        depth=depth,
        swiglu="blocks.0.mlp.w12.weight" in names,
        registers=0 if registers is None else registers.shape[1],
        mask="mask_token" in names,
        table=positions.shape[1] - 1,
    )


def name_of(network: DinoV2) -> str:
    """ "DINOv2-B" or "DINOv2-B with registers"."""
    letter = LETTERS.get(network.width, f"of width {network.width}")
    return f"DINOv2-{letter}" + (" with registers" if network.registers else "")
