"""VGG16's convolutions (Simonyan and Zisserman, ICLR 2015) with the numbers of torchvision."""

from __future__ import annotations

from torch import nn

# Output channels of the convolutions; after each block a pool halves both sides, rounding down.
BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
# Places in the whole list: the last convolution, conv5_3, and the ReLU after it.
CONV5_3, RELU5_3 = 28, 29
CHANNELS = 512
STRIDE = 16


def vgg16(last: int = CONV5_3) -> nn.Sequential:
    """Layers 0 to ``last``: (B, 3, H, W) -> (B, 512, H // 16, W // 16).

    The NetVLAD family ends with conv5_3 without its ReLU, cirtorch with it.
    """
    layers: list[nn.Module] = []
    channels = 3
    for block in BLOCKS:
        for width in block:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers[: last + 1])
