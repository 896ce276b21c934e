"""MixVPR (Ali-bey et al., WACV 2023): the places of a feature map mixed by small MLPs."""

from __future__ import annotations

import math

from torch import Tensor, nn

from gcsa.descriptors.networks.body import Body, Takes, Weights
from gcsa.descriptors.networks.convap import Backbone

STRIDE = 16  # of a ResNet that ends with its third layer


class Mixer(nn.Module):
    """(B, C, N) -> the same: every channel's N places through one MLP, added to them."""

    def __init__(self, places: int, hidden: int):
        super().__init__()
        self.mix = nn.Sequential(
            nn.LayerNorm(places), nn.Linear(places, hidden), nn.ReLU(), nn.Linear(hidden, places)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mix(x)


class Aggregator(nn.Module):
    def __init__(self, weights: Weights, channels: int):
        super().__init__()
        shapes = {
            name.removeprefix("aggregator."): tensor.shape
            for name, tensor in weights.tensors.items()
        }
        hidden, places = shapes["mix.0.mix.1.weight"]
        depth = sum(name.endswith("mix.0.weight") for name in shapes)
        self.mix = nn.Sequential(*(Mixer(places, hidden) for _ in range(depth)))
        self.channel_proj = nn.Linear(channels, shapes["channel_proj.weight"][0])
        self.row_proj = nn.Linear(places, shapes["row_proj.weight"][0])
        self.places = places

    def forward(self, x: Tensor) -> Tensor:  # (B, C, h, w) -> (B, out * rows), rows fastest
        x = self.mix(x.flatten(2))
        x = self.channel_proj(x.transpose(1, 2)).transpose(1, 2)
        return self.row_proj(x).flatten(1)


class MixVpr(Body):
    """It takes images of the one size that its MLPs were trained for, 320 x 320."""

    def __init__(self, weights: Weights):
        super().__init__()
        self.backbone = Backbone(weights)
        self.backbone_name = self.backbone.name
        self.aggregator = Aggregator(weights, self.backbone.model.channels)
        side = STRIDE * math.isqrt(self.aggregator.places)
        self.takes = Takes(exactly=(side, side))
        projections = (self.aggregator.channel_proj, self.aggregator.row_proj)
        self.length = math.prod(layer.out_features for layer in projections)

    def forward(self, x: Tensor) -> Tensor:
        return self.aggregator(self.backbone(x))
