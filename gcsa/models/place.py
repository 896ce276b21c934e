"""A network that corrects the posterior over places, tensors in and tensors out.

Tokens are the query, "none of these", and K candidates; their features are numbers that mean the
same for any descriptor and data set (:mod:`gcsa.places.inputs`). What two candidates have to do
with each other enters the attention as a bias that a small network makes of their affinities, a
number a head and layer. There are no positions and no anchors: K is any, and the order of the
candidates does not matter. All attend to the M candidates of most evidence alone, as pairs are
what costs time.

It yields what is to be added to the evidence of each candidate; and, for databases without
positions, where no rule tells which images show one place, what is to be added to the logit of the
probability that a candidate is relevant. With the last weights at zero both are nothing, and the
posterior is exactly the calibrated one: there training begins.

Shapes: B queries, T = 2 + K tokens, S = 2 + M keys, F features of a token, A of a pair.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from gcsa.errors import InputError


@dataclass
class PlaceConfig:
    """Section ``place``: the network that corrects the posterior, and how it is trained."""

    checkpoint: str = ""  # of --method place; empty: learned for the data set, else what ships
    width: int = 48  # of a token inside
    layers: int = 1  # of attention; 0: each candidate is judged by its own evidence
    heads: int = 4  # attention heads of a layer
    hidden: int = 16  # of the network that makes a bias of a pair's affinities
    keys: int = 48  # candidates of most evidence that all attend to
    own: bool = True  # images of the databases are training queries, too
    queries: int = 0  # training queries at most, drawn by the seed; 0: all
    also: list[str] = field(default_factory=list)  # configs whose training scenes are used, too
    variants: int = 0  # further descriptors of each training scene: cut, noised, whitened anew
    drop: float = 0.2  # share of queries that do not know a kind of evidence, by kind
    compass_noise: float = 8.0  # degrees, added to the headings of queries
    position_noise: float = 1.0  # metres along an axis, added to the positions of databases
    shortest: int = 31  # candidates of the shortest lists; model.K of the longest

    def check(self) -> None:
        """Raise InputError, naming the key, at a value that cannot be."""
        least = {
            "width": 1,
            "layers": 0,
            "heads": 1,
            "hidden": 1,
            "keys": 1,
            "variants": 0,
            "queries": 0,
        }
        least |= {"compass_noise": 0, "position_noise": 0, "shortest": 1}
        for key, minimum in least.items():
            if not minimum <= getattr(self, key) < float("inf"):
                raise InputError(f"place.{key}: {getattr(self, key)} is less than {minimum}")
        if not 0 <= self.drop < 1:
            raise InputError(f"place.drop: {self.drop} is not a share from 0 to below 1")
        _check_heads(self.width, self.heads)


class Correction(NamedTuple):
    """What the network adds to the evidence of candidates (B, K) and of "none of these" (B,), and
    to the logits of relevance (B, K).
    """

    evidence: Tensor
    none: Tensor
    relevance: Tensor


class PairBias(nn.Module):
    """Affinities (B, A, T, S) of pairs -> biases (B, outputs, T, S)."""

    def __init__(self, affinities: int, hidden: int, outputs: int):
        super().__init__()
        # No constant at the end: a softmax would not see it.
        self.inner = nn.Linear(affinities, hidden)
        self.outer = nn.Linear(hidden, outputs, bias=False)

    def forward(self, pairs: Tensor) -> Tensor:
        B, A, T, S = pairs.shape
        # Products batch by batch: those of a matrix with a batch copy and turn all of it.
        inner = self.inner.weight.expand(B, -1, -1)
        bias = self.inner.bias[:, None].expand(B, -1, 1)
        flat = functional.relu(torch.baddbmm(bias, inner, pairs.view(B, A, T * S)), inplace=True)
        return torch.bmm(self.outer.weight.expand(B, -1, -1), flat).view(B, -1, T, S)


class Layer(nn.Module):
    """A pre-norm transformer layer in which T tokens attend to S of them, with biases."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.attn_norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
        """x: (B, T, width); keys: (B, S) tokens; bias: (B, heads, T, S)."""
        B, T, W = x.shape
        y = self.attn_norm(x)
        seen = y.gather(1, keys[..., None].expand(-1, -1, W))
        q = self.query(y).view(B, T, self.heads, -1).transpose(1, 2)
        k, v = self.key_value(seen).view(B, keys.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        weight = torch.matmul(q, k.transpose(-1, -2)) * (W // self.heads) ** -0.5 + bias
        mixed = torch.matmul(torch.softmax(weight, dim=-1), v)
        x = x + self.out(mixed.transpose(1, 2).reshape(B, T, W))
        return x + self.mlp(self.mlp_norm(x))


class PlaceNet(nn.Module):
    """The network; see the module. Arguments are those of :class:`PlaceConfig`."""

    def __init__(
        self,
        features: int,
        affinities: int,
        width: int,
        layers: int,
        heads: int,
        hidden: int,
        keys: int,
    ):
        super().__init__()
        _check_heads(width, heads)
        self.sizes = {
            "features": features,
            "affinities": affinities,
            "width": width,
            "layers": layers,
            "heads": heads,
            "hidden": hidden,
            "keys": keys,
        }
        self.heads, self.keys = heads, keys
        self.embed = nn.Sequential(nn.Linear(features, width), nn.GELU(), nn.Linear(width, width))
        self.pairs = PairBias(affinities, hidden, layers * heads) if layers else None
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 2)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(
        self, tokens: Tensor, pairs: Tensor | None, keys: Tensor, seen: Tensor
    ) -> Correction:
        """What is to be added; see the module.

        tokens: (B, T, F), the query first, then "none", then the candidates. pairs: (B, A, T, S),
        token with key; None without layers. keys: (B, S) int64, the tokens that all attend to;
        seen: (B, S) bool, False for a key that is padding.
        """
        x = self.embed(tokens)
        if self.pairs is not None and pairs is not None:
            biases = self.pairs(pairs).masked_fill(~seen[:, None, None], -torch.inf)
            for layer, bias in zip(self.layers, biases.split(self.heads, 1), strict=True):
                x = layer(x, keys, bias)
        change = self.head(self.norm(x))
        return Correction(change[:, 2:, 0], change[:, 1, 0], change[:, 2:, 1])


def _check_heads(width: int, heads: int) -> None:
    if width % heads:
        raise InputError(f"place.width: {width} is not a multiple of place.heads, {heads}")
