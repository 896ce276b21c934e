"""Conv-AP (Ali-bey et al., Neurocomputing 2022): a 1x1 convolution, averaged in 2 x 2 quarters."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from gcsa.descriptors.networks import resnet
from gcsa.descriptors.networks.body import Body, Weights

QUARTERS = (2, 2)


class Backbone(nn.Module):
    """The ResNet of GSV-Cities' projects, under the name ``model``."""

    def __init__(self, weights: Weights):
        super().__init__()
        shape = resnet.shape_of(weights.tensors, [f"backbone.model.layer{n}." for n in range(1, 5)])
        self.model = resnet.ResNet(*shape)
        self.name = resnet.name_of(*shape)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Aggregator(nn.Module):
    def __init__(self, channels: int, out: int):
        super().__init__()
        self.channel_pool = nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.adaptive_avg_pool2d(self.channel_pool(x), QUARTERS).flatten(1)


class ConvAp(Body):
    def __init__(self, weights: Weights):
        super().__init__()
        self.backbone = Backbone(weights)
        self.backbone_name = self.backbone.name
        out = len(weights.tensors["aggregator.channel_pool.weight"])
        self.aggregator = Aggregator(self.backbone.model.channels, out)
        self.length = out * QUARTERS[0] * QUARTERS[1]

    def forward(self, x: Tensor) -> Tensor:
        return self.aggregator(self.backbone(x))
