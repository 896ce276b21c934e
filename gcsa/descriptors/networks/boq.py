"""Bag-of-Queries (Ali-bey et al., CVPR 2024): learned queries look at the places of an image."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gcsa.descriptors.networks import dinov2, resnet
from gcsa.descriptors.networks.body import Body, Takes, Weights

HEAD = 64  # channels of an attention head


class Net(nn.Module):
    """A ResNet to its third layer: (B, 3, H, W) -> (B, C, H / 16, W / 16)."""

    def __init__(self, tensors: Mapping[str, Tensor]):
        super().__init__()
        shape = resnet.shape_of(tensors, [f"backbone.net.{place}." for place in range(4, 8)])
        whole = resnet.ResNet(*shape)
        self.net = resnet.numbered(whole)
        self.name, self.channels, self.takes = resnet.name_of(*shape), whole.channels, Takes()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Dino(nn.Module):
    """DINOv2's patches before its last norm, which the file has and BoQ leaves out."""

    def __init__(self, tensors: Mapping[str, Tensor]):
        super().__init__()
        self.dino = dinov2.DinoV2(dinov2.shape_of(tensors, "backbone.dino."))
        self.name, self.channels = dinov2.name_of(self.dino), self.dino.width
        self.takes = Takes(multiple=dinov2.PATCH)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.dino.before_norm(x)[:, 1 + self.dino.registers :]
        size = (x.shape[2] // dinov2.PATCH, x.shape[3] // dinov2.PATCH)
        return patches.transpose(1, 2).unflatten(2, size)


class Block(nn.Module):
    """Places refined by an encoder layer; what the learned queries, refined too, see in them."""

    def __init__(self, width: int, queries: int):
        super().__init__()
        heads = width // HEAD
        self.encoder = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, batch_first=True
        )
        self.queries = nn.Parameter(torch.empty(1, queries, width))
        self.self_attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm_q = nn.LayerNorm(width)
        self.cross_attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm_out = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # (B, N, d) -> the same, (B, queries, d)
        x = self.encoder(x)
        # The queries see only each other: they are the same for every image.
        q = self.queries
        q = self.norm_q(q + self.self_attn(q, q, q, need_weights=False)[0])
        seen = self.cross_attn(q.expand(len(x), -1, -1), x, x, need_weights=False)[0]
        return x, self.norm_out(seen)


class Aggregator(nn.Module):
    def __init__(self, weights: Weights, channels: int):
        super().__init__()
        names = {name.split(".")[2] for name in weights.tensors if ".boqs." in name}
        _, queries, width = weights.tensors["aggregator.boqs.0.queries"].shape
        rows, seen = weights.tensors["aggregator.fc.weight"].shape
        self.proj_c = nn.Conv2d(channels, width, 3, padding=1)
        self.norm_input = nn.LayerNorm(width)
        self.boqs = nn.ModuleList(Block(width, queries) for _ in names)
        self.fc = nn.Linear(seen, rows)
        self.length = width * rows

    def forward(self, x: Tensor) -> Tensor:  # (B, C, h, w) -> (B, d * rows), rows fastest
        x = self.norm_input(self.proj_c(x).flatten(2).transpose(1, 2))
        found = []
        for block in self.boqs:
            x, seen = block(x)
            found.append(seen)
        return self.fc(torch.cat(found, dim=1).transpose(1, 2)).flatten(1)


class Boq(Body):
    def __init__(self, weights: Weights):
        super().__init__()
        kind = Dino if "backbone.dino.cls_token" in weights.tensors else Net
        self.backbone = kind(weights.tensors)
        self.backbone_name, self.takes = self.backbone.name, self.backbone.takes
        self.aggregator = Aggregator(weights, self.backbone.channels)
        self.length = self.aggregator.length

    def forward(self, x: Tensor) -> Tensor:
        return self.aggregator(self.backbone(x))
