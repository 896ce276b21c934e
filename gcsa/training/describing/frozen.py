"""What frozen layers make of a photo, computed once: it never changes in a training.

Where a convolutional backbone is frozen up to one of its layers, and photos are not augmented, a
step begins at the first layer that is trained. Descriptors stay what they are without it.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gcsa.descriptors.networks.body import Body, Takes
from gcsa.descriptors.networks.efficientnet_lite import EfficientNetLite0
from gcsa.descriptors.networks.network import Network

logger = logging.getLogger(__name__)


class Cut(NamedTuple):
    """first: normalised photos (B, 3, h, w) -> what the frozen layers make of them. rest: a body
    that takes that, and shares the other layers with the whole one.
    """

    first: Callable[[Tensor], Tensor]
    rest: Body


class _Rest(nn.Module):
    """EfficientNet-Lite0 from one of its blocks on."""

    def __init__(self, whole: EfficientNetLite0, start: int):
        super().__init__()
        self.whole, self.start = whole, start

    def forward(self, x: Tensor) -> Tensor:
        return self.whole.head(self.whole.blocks(x, self.start, None))


def cut(body: Body, last: str) -> Cut | None:
    """A body in two behind the layer that ``descriptor.freeze`` names; None where it cannot be.

    It can be behind a numbered layer of VGG16 or a ResNet, and behind a block of
    EfficientNet-Lite0 ("backbone._blocks.14").
    """
    name, _, place = last.partition(".")
    backbone = getattr(body, name, None)
    *inner, number = place.split(".")
    if not number.isdigit():
        return None
    end = int(number) + 1
    if isinstance(backbone, nn.Sequential) and not inner:
        return Cut(backbone[:end], _with(body, name, backbone[end:]))
    if isinstance(backbone, EfficientNetLite0) and inner == ["_blocks"]:
        lite = backbone
        rest = _with(body, name, _Rest(lite, end))
        return Cut(lambda x: lite.blocks(lite.stem(x), 0, end), rest)
    return None


def _with(body: Body, name: str, backbone: nn.Module) -> Body:
    """The same body, its parameters shared, over another backbone."""
    other = copy.copy(body)
    other._modules = {**body._modules, name: backbone}
    other.takes = Takes()
    return other


class Frozen:
    """What the frozen layers make of photos, kept by their paths.

    network: as it is, and with the layers behind the cut in the place of its body.
    """

    def __init__(self, network: Network, made: Cut, device: torch.device):
        self.whole, self.first, self.device = network, made.first, device
        self.network = copy.copy(network)
        self.network._modules = {**network._modules, "body": made.rest}
        self.kept: dict[Path, Tensor] = {}

    def of(self, paths: Sequence[Path], read: Callable[[np.ndarray], Tensor], most: int) -> Tensor:
        """(n, C, h, w) of photos, those that are new by ``read``, ``most`` at a time.

        read: numbers in ``paths`` -> pixels.
        """
        new = [row for row, path in enumerate(paths) if path not in self.kept]
        for start in range(0, len(new), most):
            rows = new[start : start + most]
            with torch.no_grad():
                made = self.first(self.whole.normalise(read(np.array(rows)).to(self.device)))
            for row, features in zip(rows, made.cpu(), strict=True):
                self.kept[paths[row]] = features
        return torch.stack([self.kept[path] for path in paths]).to(self.device)


def kept_frozen(
    network: Network, last: str, photos: int, gigabytes: float, device: torch.device
) -> Frozen | None:
    """What keeps the frozen layers' work; None where they cannot be cut off, or it has no room.

    photos: how many there are. gigabytes: that it may take.
    """
    made = cut(network.body, last) if last else None
    if made is None:
        return None
    height, width = network.resizing.size(*network.resizing.exactly or (1, 1))
    with torch.no_grad():
        one = made.first(torch.zeros(1, 3, height, width, device=device))
    needed = one.numel() * one.element_size() * photos / 1e9
    if needed > gigabytes:
        logger.info(
            "what the frozen layers make of %d photos would take %.1f GB (data.memory: %g): it is "
            "computed at every step",
            *(photos, needed, gigabytes),
        )
        return None
    return Frozen(network, made, device)
