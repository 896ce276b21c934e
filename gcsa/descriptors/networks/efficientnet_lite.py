"""EfficientNet-Lite0 (Tan and Le, ICML 2019; Lite: no squeeze, ReLU6), names of its PyTorch port.

The weights come from TensorFlow, whose convolutions of stride 2 pad at the right and below first.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

# Stages: blocks, kernel, stride of the first block, expansion, output channels.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, CHANNELS = 32, 1280
NAME = "EfficientNet-Lite0"


class SameConv(nn.Conv2d):
    """A convolution whose output has ceil(side / stride) pixels, padded as TensorFlow does."""

    def forward(self, x: Tensor) -> Tensor:
        lacking = [
            max((-(-side // step) - 1) * step + kernel - side, 0)
            for side, kernel, step in zip(x.shape[2:], self.kernel_size, self.stride, strict=True)
        ]
        even = [pixels // 2 for pixels in lacking]
        if lacking != [2 * pixels for pixels in even]:  # one more at the right and below
            x, even = functional.pad(x, _sides(lacking)), [0, 0]
        return functional.conv2d(
            x, self.weight, self.bias, self.stride, even, self.dilation, self.groups
        )


def _sides(lacking: list[int]) -> list[int]:
    """Pixels to pad left, right, above and below."""
    return [part for pixels in lacking[::-1] for part in (pixels // 2, pixels - pixels // 2)]


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class Block(nn.Module):
    """Expanded by 1x1, filtered per channel, projected; added to its input where shapes allow."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = channels * expansion
        if expansion != 1:
            self._expand_conv = SameConv(channels, wide, 1, bias=False)
            self._bn0 = norm(wide)
        self._depthwise_conv = SameConv(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = norm(wide)
        self._project_conv = SameConv(wide, out, 1, bias=False)
        self._bn2 = norm(out)
        self.expands = expansion != 1
        self.adds = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        beside = x
        if self.expands:
            x = functional.relu6(self._bn0(self._expand_conv(x)), inplace=True)
        x = functional.relu6(self._bn1(self._depthwise_conv(x)), inplace=True)
        x = self._bn2(self._project_conv(x))
        return x + beside if self.adds else x


class EfficientNetLite0(nn.Module):
    """The last feature map: (B, 3, H, W) -> (B, 1280, ceil(H / 32), ceil(W / 32))."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv(3, STEM, 3, 2, bias=False)
        self._bn0 = norm(STEM)
        self._blocks = nn.ModuleList()
        channels = STEM
        for count, kernel, stride, expansion, out in STAGES:
            for place in range(count):
                step = stride if place == 0 else 1
                self._blocks.append(Block(channels, out, kernel, step, expansion))
                channels = out
        self._conv_head = SameConv(channels, CHANNELS, 1, bias=False)
        self._bn1 = norm(CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x), 0, None))

    def stem(self, x: Tensor) -> Tensor:
        return functional.relu6(self._bn0(self._conv_stem(x)))

    def blocks(self, x: Tensor, start: int, end: int | None) -> Tensor:
        for block in self._blocks[start:end]:
            x = block(x)
        return x

    def head(self, x: Tensor) -> Tensor:
        return functional.relu6(self._bn1(self._conv_head(x)))
