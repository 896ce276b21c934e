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

Shapes: B queries, T = 2 + K tokens, S = 2 + M keys, F features of a token, A affinities of a pair,
H heads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

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
    keys: int = 32  # candidates of most evidence that all attend to
    residual: bool = True  # it corrects the posterior; false: it says all anew, for comparison
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


class Pairs(NamedTuple):
    """Affinities of two candidates, (B, A, K, M), and of the query with each, (B, A, K)."""

    among: Tensor
    query: Tensor


class Biases(NamedTuple):
    """Of the attention of tokens to keys: of candidates to candidates (B, H, K, M), to the query
    and "none" (B, H, K, 2), and of those two to all keys (B, H, 2, S).

    They lie apart because the first are nearly all, and would be copied to lie in one tensor.
    """

    among: Tensor
    left: Tensor
    top: Tensor

    def added_to(self, weight: Tensor) -> Tensor:
        """The logits (B, H, T, S) of the attention, with them, in place."""
        weight[:, :, 2:, 2:] += self.among
        weight[:, :, 2:, :2] += self.left
        weight[:, :, :2] += self.top
        return weight

    def of_layers(self, heads: int) -> list[Biases]:
        """Of each layer its own."""
        parts = (each.split(heads, 1) for each in self)
        return [Biases(*each) for each in zip(*parts, strict=True)]


class PairBias(nn.Module):
    """A small network of the affinities of two tokens, which yields a bias a head and layer.

    Beside A affinities it reads three flags: the key is the query's token, the key is "none", the
    token is one of these two. affinities: A + 3.
    """

    def __init__(self, affinities: int, hidden: int, outputs: int):
        super().__init__()
        # No constant at the end: a softmax would not see it.
        self.inner = nn.Linear(affinities, hidden)
        self.outer = nn.Linear(hidden, outputs, bias=False)

    def forward(self, pairs: Pairs, top: Tensor) -> Biases:
        """pairs: see :class:`Pairs`; top: (B, M) int64, columns of the keys."""
        B, A, K = pairs.query.shape
        left = self.inner.weight.new_zeros(B, A + 3, K, 2)
        left[:, :A, :, 0] = pairs.query
        first = left.new_zeros(B, A + 3, 2, 2 + top.shape[1])
        first[:, :A, 0, 2:] = pairs.query.gather(2, top[:, None].expand(-1, A, -1))
        first[:, -1] = 1
        for part in (left, first):
            part[:, -3, :, 0] = part[:, -2, :, 1] = 1
        return Biases(self._bias(pairs.among), self._bias(left), self._bias(first))

    def _bias(self, read: Tensor) -> Tensor:
        """(B, A, T, S) -> (B, outputs, T, S); flags that it lacks are 0."""
        B, A, T, S = read.shape
        # Products batch by batch: those of a matrix with a batch copy and turn all of it.
        inner = self.inner.weight[:, :A].expand(B, -1, -1)
        bias = self.inner.bias[:, None].expand(B, -1, 1)
        flat = functional.relu(torch.baddbmm(bias, inner, read.view(B, A, T * S)), inplace=True)
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

    def forward(self, x: Tensor, keys: Tensor, biases: Biases, unseen: Tensor | None) -> Tensor:
        """x: (B, T, width); keys: (B, S) tokens; unseen: (B, S) bool, those that are padding."""
        B, T, W = x.shape
        y = self.attn_norm(x)
        seen = y.gather(1, keys[..., None].expand(-1, -1, W))
        q = self.query(y).view(B, T, self.heads, -1).transpose(1, 2)
        k, v = self.key_value(seen).view(B, keys.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        q = q * (W // self.heads) ** -0.5
        weight = biases.added_to(torch.matmul(q, k.transpose(-1, -2)))
        if unseen is not None:
            weight = weight.masked_fill(unseen[:, None, None], -torch.inf)
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
        residual: bool = True,
    ):
        super().__init__()
        _check_heads(width, heads)
        self.sizes: dict[str, Any] = {
            "features": features,
            "affinities": affinities,
            "width": width,
            "layers": layers,
            "heads": heads,
            "hidden": hidden,
            "keys": keys,
            "residual": residual,
        }
        self.heads, self.keys, self.residual = heads, keys, residual
        self.embed = nn.Sequential(nn.Linear(features, width), nn.GELU(), nn.Linear(width, width))
        self.pairs = PairBias(affinities, hidden, layers * heads) if layers else None
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 2)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, tokens: Tensor, pairs: Pairs | None, top: Tensor, seen: Tensor) -> Correction:
        """What is to be added; see the module.

        tokens: (B, T, F), the query first, then "none", then the candidates. pairs: None without
        layers. top: (B, M) int64, columns of the candidates that all attend to; seen: (B, M) bool,
        False for one that is padding.
        """
        x = self.embed(tokens)
        if self.pairs is not None and pairs is not None:
            first = torch.arange(2, device=top.device).expand(len(top), 2)
            keys = torch.cat([first, top + 2], dim=1)
            unseen = None if seen.all() else functional.pad(~seen, (2, 0), value=False)
            biases = self.pairs(pairs, top).of_layers(self.heads)
            for layer, each in zip(self.layers, biases, strict=True):
                x = layer(x, keys, each, unseen)
        change = self.head(self.norm(x))
        return Correction(change[:, 2:, 0], change[:, 1, 0], change[:, 2:, 1])


def _check_heads(width: int, heads: int) -> None:
    if width % heads:
        raise InputError(f"place.width: {width} is not a multiple of place.heads, {heads}")
