"""SALAD (Izquierdo and Civera, CVPR 2024) and MegaLoc (Berton and Masone, CVPRW 2025).

Patches are assigned to clusters by optimal transport (Cuturi, NeurIPS 2013), with a dust bin for
those that tell nothing.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from gcsa.descriptors.networks import dinov2
from gcsa.descriptors.networks.body import Body, Takes, Weights
from gcsa.descriptors.networks.preprocessing import resized

STEPS = 3  # of the Sinkhorn iteration


def transport(scores: Tensor, dust: Tensor) -> Tensor:
    """Shares (B, m, n) of n patches in m clusters, n > m: a patch's are 1 together with the dust's.

    Each cluster gets about one patch's worth, the dust bin the n - m that remain. scores:
    (B, m, n); dust: the bin's score.
    """
    clusters, patches = scores.shape[1:]
    bin_row = dust.expand(len(scores), 1, patches)
    scores = torch.cat([scores, bin_row.to(scores)], dim=1).float()
    norm = -math.log(clusters + patches)
    rows = scores.new_full((clusters + 1,), norm)
    rows[-1] += math.log(patches - clusters)
    v = scores.new_zeros(1, patches)
    for _ in range(STEPS):
        u = rows - torch.logsumexp(scores + v[:, None], dim=2)  # (B, m + 1)
        v = norm - torch.logsumexp(scores + u[:, :, None], dim=1)  # (B, n)
    return torch.exp(scores + u[:, :, None] + v[:, None] - norm)[:, :-1]


def perceptron(channels: int, hidden: int, out: int) -> nn.Sequential:
    """1x1 convolutions; the dropout of training keeps its place in the numbering."""
    first, last = nn.Conv2d(channels, hidden, 1), nn.Conv2d(hidden, out, 1)
    return nn.Sequential(first, nn.Dropout(0.3), nn.ReLU(), last)


class Aggregator(nn.Module):
    """Patches and class token -> [token, (l, m) of the patches with the clusters fastest]."""

    def __init__(self, weights: Weights, prefix: str, channels: int):
        super().__init__()
        shapes = {
            name: weights.tensors[f"{prefix}{name}.weight"].shape[:2]
            for name in (
                "token_features.0",
                "token_features.2",
                "cluster_features.0",
                "cluster_features.3",
                "score.0",
                "score.3",
            )
        }
        hidden, token = shapes["token_features.0"][0], shapes["token_features.2"][0]
        self.token_features = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, token)
        )
        local, self.clusters = shapes["cluster_features.3"][0], shapes["score.3"][0]
        self.cluster_features = perceptron(channels, shapes["cluster_features.0"][0], local)
        self.score = perceptron(channels, shapes["score.0"][0], self.clusters)
        self.dust_bin = nn.Parameter(torch.empty(()))
        self.length = token + local * self.clusters

    def forward(self, token: Tensor, patches: Tensor) -> Tensor:  # (B, D), (B, D, h, w)
        features = self.cluster_features(patches).flatten(2).float()
        share = transport(self.score(patches).flatten(2), self.dust_bin)
        local = functional.normalize(features @ share.transpose(1, 2), dim=1)  # (B, l, m)
        first = functional.normalize(self.token_features(token).float(), dim=1)
        return functional.normalize(torch.cat([first, local.flatten(1)], dim=1), dim=1)


def _aggregated(backbone: dinov2.DinoV2, aggregator: Aggregator, x: Tensor) -> Tensor:
    tokens = backbone(x)
    size = (x.shape[2] // dinov2.PATCH, x.shape[3] // dinov2.PATCH)
    patches = tokens[:, 1 + backbone.registers :].transpose(1, 2).unflatten(2, size)
    return aggregator(tokens[:, 0], patches)


class Backbone(nn.Module):
    def __init__(self, model: dinov2.DinoV2):
        super().__init__()
        self.model = model


class Salad(Body):
    """SALAD, and CliqueMining (Izquierdo and Civera, ECCV 2024), which is the same network."""

    def __init__(self, weights: Weights):
        super().__init__()
        self.backbone = Backbone(dinov2.DinoV2(dinov2.shape_of(weights.tensors, "backbone.model.")))
        self.backbone_name = dinov2.name_of(self.backbone.model)
        self.aggregator = Aggregator(weights, "aggregator.", self.backbone.model.width)
        self.length = self.aggregator.length
        self.takes = Takes(multiple=dinov2.PATCH, cells=self.aggregator.clusters + 1)

    def forward(self, x: Tensor) -> Tensor:
        return _aggregated(self.backbone.model, self.aggregator, x)


class Projected(nn.Module):
    def __init__(self, weights: Weights, channels: int):
        super().__init__()
        self.agg = Aggregator(weights, "aggregator.agg.", channels)
        self.linear = nn.Linear(self.agg.length, len(weights.tensors["aggregator.linear.weight"]))


class MegaLoc(Body):
    """SALAD with longer local features and a projection; it rounds sides to multiples of 14."""

    def __init__(self, weights: Weights):
        super().__init__()
        self.backbone = dinov2.DinoV2(dinov2.shape_of(weights.tensors, "backbone."))
        self.backbone_name = dinov2.name_of(self.backbone)
        self.aggregator = Projected(weights, self.backbone.width)
        self.length = self.aggregator.linear.out_features
        cells = self.aggregator.agg.clusters + 1
        self.takes = Takes(multiple=dinov2.PATCH, rounds=True, cells=cells)

    def forward(self, x: Tensor) -> Tensor:
        x = resized(x, self.takes.rounded(*x.shape[2:]))
        return self.aggregator.linear(_aggregated(self.backbone, self.aggregator.agg, x))
