"""What heads stand on: VGG16, a ResNet or EfficientNet-Lite0, by a file's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

from gcsa.descriptors.networks import efficientnet_lite, resnet, vgg16
from gcsa.descriptors.networks.body import Takes


class Convolutions(NamedTuple):
    layers: nn.Module
    name: str
    channels: int
    takes: Takes


def convolutions(tensors: Mapping[str, Tensor], prefix: str, last: int) -> Convolutions:
    """The convolutions whose tensors a file has behind a prefix.

    VGG16 to its layer ``last``, a ResNet by numbered layers, or EfficientNet-Lite0.
    """
    if f"{prefix}28.bias" in tensors:
        takes = Takes(least=vgg16.STRIDE)
        return Convolutions(vgg16.vgg16(last), "VGG16", vgg16.CHANNELS, takes)
    if f"{prefix}_conv_stem.weight" in tensors:
        lite = efficientnet_lite.EfficientNetLite0()
        return Convolutions(lite, efficientnet_lite.NAME, efficientnet_lite.CHANNELS, Takes())
    shape = resnet.shape_of(tensors, [f"{prefix}{place}." for place in range(4, 8)])
    whole = resnet.ResNet(*shape)
    return Convolutions(resnet.numbered(whole), resnet.name_of(*shape), whole.channels, Takes())
