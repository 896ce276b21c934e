"""ResNet 18 to 152 (He et al., CVPR 2016) with the names of torchvision.

Its stride lies in the 3x3 convolution of a bottleneck, as in torchvision ("v1.5").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor, nn

WIDTHS = (64, 128, 256, 512)
# Blocks of the four layers, and whether they are bottlenecks.
DEPTHS = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}


class Block(nn.Module):
    """Two 3x3 convolutions, or 1x1, 3x3, 1x1 of a bottleneck, beside what they are added to."""

    def __init__(self, channels: int, width: int, stride: int, bottleneck: bool):
        super().__init__()
        out = width * (4 if bottleneck else 1)
        # Kernel, output channels and stride of each convolution.
        plan = [(3, width, stride), (3, width, 1)]
        if bottleneck:
            plan = [(1, width, 1), (3, width, stride), (1, out, 1)]
        self.depth = len(plan)
        inside = channels
        for number, (kernel, to, step) in enumerate(plan, 1):
            conv = nn.Conv2d(inside, to, kernel, step, kernel // 2, bias=False)
            self.add_module(f"conv{number}", conv)
            self.add_module(f"bn{number}", nn.BatchNorm2d(to))
            inside = to
        self.downsample = None
        if stride != 1 or channels != out:
            shrink = nn.Conv2d(channels, out, 1, stride, bias=False)
            self.downsample = nn.Sequential(shrink, nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, out, H / stride, W / stride)
        beside = x if self.downsample is None else self.downsample(x)
        for number in range(1, self.depth + 1):
            x = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(x))
            x = x + beside if number == self.depth else x
            x = x.relu_()
        return x


class ResNet(nn.Module):
    """The convolutions: (B, 3, H, W) -> (B, channels, H / 32, W / 32) with all four layers.

    blocks: of each layer; three of them leave the fourth layer out, as MixVPR does.
    """

    def __init__(self, blocks: Sequence[int], bottleneck: bool):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels, self.layers = 64, len(blocks)
        for number, (width, count) in enumerate(zip(WIDTHS, blocks, strict=False), 1):
            layer = nn.Sequential()
            for place in range(count):
                stride = 2 if place == 0 and number > 1 else 1
                layer.append(Block(channels, width, stride, bottleneck))
                channels = width * (4 if bottleneck else 1)
            self.add_module(f"layer{number}", layer)
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for number in range(1, self.layers + 1):
            x = getattr(self, f"layer{number}")(x)
        return x


def numbered(resnet: ResNet) -> nn.Sequential:
    """The same layers named by their places: 0 conv1, 1 bn1, 4 to 7 layer1 to layer4."""
    return nn.Sequential(*resnet.children())


def shape_of(names: Iterable[str], layers: Iterable[str]) -> tuple[tuple[int, ...], bool]:
    """Blocks of each layer, and whether they are bottlenecks, by the names of a file's tensors.

    layers: the prefixes of layer1 and so on ("backbone.4."); layers that the file lacks are left
    out.
    """
    names = list(names)
    blocks, bottleneck = [], False
    for prefix in layers:
        inside = [name[len(prefix) :] for name in names if name.startswith(prefix)]
        places = {int(name.split(".")[0]) for name in inside}
        bottleneck = bottleneck or any(".conv3." in name for name in inside)
        if places:
            blocks.append(len(places))
    return tuple(blocks), bottleneck


def name_of(blocks: tuple[int, ...], bottleneck: bool) -> str:
    """ "ResNet50" for its blocks, also where the last layers are left out."""
    for depth, (whole, kind) in DEPTHS.items():
        if kind == bottleneck and whole[: len(blocks)] == blocks:
            return f"ResNet{depth}"
    return f"ResNet of {blocks} blocks"
