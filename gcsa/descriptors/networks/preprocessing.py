"""From an image's pixels to what a network takes: sizes, resizing, normalisation, as data.

One function resizes for all networks, on tensors: with antialias, which equals what Pillow and
torchvision do up to their rounding to bytes; OpenCV's box averaging for hloc's networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Filter = Literal["bilinear", "bicubic", "lanczos", "area"]
LANCZOS = 3  # lobes


@dataclass(frozen=True)
class Resize:
    """How a project resizes images before its network.

    exactly: (height, width), whatever the image's shape. longest: pixels that the longer side may
    have; smaller images are not enlarged. multiple: both sides become multiples of it, the nearest
    ones by resizing, or where the project ``cuts`` (AnyLoc), by cutting at the rim. Without all
    of them the image stays as it is.
    """

    exactly: tuple[int, int] | None = None
    longest: int | None = None
    multiple: int = 1
    cuts: bool = False
    filter: Filter = "bilinear"

    def size(self, height: int, width: int) -> tuple[int, int]:
        """The (height, width) that an image's become."""
        height, width = self._before_cutting(height, width)
        return height - height % self.multiple, width - width % self.multiple

    def _before_cutting(self, height: int, width: int) -> tuple[int, int]:
        if self.exactly is not None:
            return self.exactly
        longer = max(height, width)
        scale = 1.0 if self.longest is None else min(1.0, self.longest / longer)
        step = 1 if self.cuts else self.multiple
        high, wide = (max(1, round(side * scale / step)) * step for side in (height, width))
        return high, wide

    def __call__(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) of any one size, resized and cut."""
        high, wide = self.size(*images.shape[2:])
        images = resized(images, self._before_cutting(*images.shape[2:]), self.filter)
        top, left = (images.shape[2] - high) // 2, (images.shape[3] - wide) // 2
        return images[:, :, top : top + high, left : left + wide]

    def __str__(self) -> str:
        parts = ["as they are"]
        if self.exactly is not None:
            parts = [f"{self.exactly[1]} x {self.exactly[0]}, {self.filter}"]
        elif self.longest is not None:
            parts = [f"longer side at most {self.longest}, {self.filter}"]
        if self.multiple > 1:
            parts.append(f"{'cut' if self.cuts else 'rounded'} to multiples of {self.multiple}")
        return ", ".join(parts)


@dataclass(frozen=True)
class Normalise:
    """x = (scale * rgb - mean) / std, of RGB in [0, 1]; clamped: scale * rgb kept in [0, scale]."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    scale: float = 1.0
    clamped: bool = False

    def __call__(self, images: Tensor) -> Tensor:
        mean, std = (images.new_tensor(v)[:, None, None] for v in (self.mean, self.std))
        x = images * self.scale
        return ((x.clamp(0, self.scale) if self.clamped else x) - mean) / std


IMAGENET = Normalise((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CAFFE_MEAN = (123.68, 116.779, 103.939)
CAFFE = Normalise(CAFFE_MEAN, (1.0, 1.0, 1.0), 255.0, clamped=True)


def resized(images: Tensor, size: tuple[int, int], how: Filter = "bilinear") -> Tensor:
    """Images (B, C, H, W) at another size (height, width), antialiased; float, not clamped.

    "area" averages boxes as OpenCV's INTER_AREA where both sides shrink, and is bilinear without
    antialias where one grows, as hloc then does.
    """
    if tuple(images.shape[2:]) == tuple(size):
        return images
    if how == "lanczos":
        return _by_rows(images, size, _lanczos)
    if how == "area":
        if size[0] > images.shape[2] or size[1] > images.shape[3]:
            return functional.interpolate(images, size, mode="bilinear")
        return _by_rows(images, size, _area)
    return functional.interpolate(images, size, mode=how, antialias=True)


def _by_rows(images: Tensor, size: tuple[int, int], weights) -> Tensor:
    """Each side through its matrix of weights (new, old)."""
    down, across = (
        weights(old, new).to(images) for old, new in zip(images.shape[2:], size, strict=True)
    )
    return down @ images @ across.T


def _area(old: int, new: int) -> Tensor:
    """What share of a new pixel's box each old pixel covers."""
    edges = torch.arange(new + 1, dtype=torch.float64) * (old / new)
    start = torch.arange(old, dtype=torch.float64)
    covered = torch.minimum(edges[1:, None], start + 1) - torch.maximum(edges[:-1, None], start)
    return covered.clamp(min=0) * (new / old)


def _lanczos(old: int, new: int) -> Tensor:
    """Lanczos's windowed sinc with three lobes, stretched where the side shrinks, as Pillow's."""
    scale = max(old / new, 1.0)
    centres = (torch.arange(new, dtype=torch.float64) + 0.5) * (old / new)
    off = (torch.arange(old, dtype=torch.float64) + 0.5 - centres[:, None]) / scale
    weights = torch.sinc(off) * torch.sinc(off / LANCZOS) * (off.abs() < LANCZOS)
    return weights / weights.sum(dim=1, keepdim=True)
