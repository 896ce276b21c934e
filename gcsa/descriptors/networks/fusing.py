"""A network made ready to describe many images: the same numbers to rounding, in less time."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gcsa.descriptors.networks.network import Network

# A normalisation follows the convolution before it; by the names that the originals gave them.
FOLLOWS = {
    "bn1": ("conv1",),
    "bn2": ("conv2",),
    "bn3": ("conv3",),
    "1": ("0",),  # of a downsample, and of CosPlace's and cirtorch's first layers
    "_bn0": ("_conv_stem", "_expand_conv"),
    "_bn1": ("_depthwise_conv", "_conv_head"),
    "_bn2": ("_project_conv",),
}


def fused(network: Network) -> Network:
    """The network itself, batch normalisations within the convolutions before them.

    Feature maps lie with their channels last. It can be trained no more.
    """
    for module in list(network.body.modules()):
        layers = dict(module.named_children())
        for name, before in FOLLOWS.items():
            norm = layers.get(name)
            if not isinstance(norm, nn.BatchNorm2d):
                continue
            for own in before:
                convolution = layers.get(own)
                if isinstance(convolution, nn.Conv2d):
                    setattr(module, own, fuse_conv_bn_eval(convolution, norm))
                    setattr(module, name, nn.Identity())
    for weight in network.parameters():
        if weight.dim() == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return network
