"""Photos changed at random, as the published trainings change them.

CosPlace and EigenPlaces: colours jittered, then a random crop of at least half the area. GSV-Cities
and what followed it: RandAugment (Cubuk et al., CVPRW 2020) of three operations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from gcsa.descriptors.settings import DescriptorConfig

GREY = (0.299, 0.587, 0.114)
RATIOS = (3 / 4, 4 / 3)  # of a crop's width to its height
STRENGTH = 9 / 30  # of RandAugment's operations, of the most that each may be


@dataclass(frozen=True)
class Augmentation:
    """jitter: brightness, contrast, saturation, hue, or nothing; crop: the least share of the area;
    flip: share of mirrored images; operations: of RandAugment. All as of section ``descriptor``.
    """

    jitter: tuple[float, ...] = ()
    crop: float = 1.0
    flip: float = 0.0
    operations: int = 0

    @classmethod
    def of(cls, settings: DescriptorConfig) -> Augmentation:
        return cls(tuple(settings.jitter), settings.crop, settings.flip, settings.randaugment)

    def __call__(
        self,
        image: Image.Image,
        resized: Callable[[Image.Image], Tensor],
        random: np.random.Generator,
    ) -> Tensor:
        """Pixels (3, h, w) in [0, 1] of an image, cropped, ``resized`` and changed."""
        if self.crop < 1:
            image = image.crop(crop_box(image.size, self.crop, random))
        if self.flip and random.random() < self.flip:
            image = ImageOps.mirror(image)
        pixels = resized(image)
        if self.operations:
            small = (pixels.clamp(0, 1).permute(1, 2, 0) * 255).round().byte().numpy()
            changed = randaugment(Image.fromarray(small), self.operations, random)
            pixels = torch.from_numpy(np.array(changed)).permute(2, 0, 1).float() / 255
        return jittered(pixels, self.jitter, random) if self.jitter else pixels


def crop_box(
    size: tuple[int, int], least: float, random: np.random.Generator
) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a crop of at least a share of the area, or of the whole.

    Area and aspect are drawn, the aspect evenly in its logarithm; ten times at most until it fits.
    """
    width, height = size
    for _ in range(10):
        area = random.uniform(least, 1.0) * width * height
        ratio = math.exp(random.uniform(math.log(RATIOS[0]), math.log(RATIOS[1])))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(random.integers(width - w + 1)), int(random.integers(height - h + 1))
            return left, top, left + w, top + h
    return 0, 0, width, height


def jittered(pixels: Tensor, strengths: tuple[float, ...], random: np.random.Generator) -> Tensor:
    """Pixels (3, h, w) in [0, 1] with other colours; what is changed first is drawn, too."""
    low = [max(0.0, 1 - s) for s in strengths[:3]]
    factors = [random.uniform(a, 1 + s) for a, s in zip(low, strengths[:3], strict=True)]
    turn = random.uniform(-strengths[3], strengths[3])
    weights = pixels.new_tensor(GREY)[:, None, None]
    for change in random.permutation(4):
        if change == 3:
            pixels = hue_turned(pixels, turn)
            continue
        grey = (pixels * weights).sum(dim=0, keepdim=True)
        other = (torch.zeros_like(grey), grey.mean(), grey)[change]
        pixels = (factors[change] * pixels + (1 - factors[change]) * other).clamp(0, 1)
    return pixels


def hue_turned(pixels: Tensor, turn: float) -> Tensor:
    """Pixels (3, h, w) with their hue turned by a share of the circle; value and chroma stay."""
    most, least = pixels.amax(dim=0), pixels.amin(dim=0)
    chroma = most - least
    red, green, blue = pixels
    safe = chroma.clamp(min=1e-12)
    hue = torch.where(
        most == red,
        (green - blue) / safe % 6,
        torch.where(most == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    hue = (hue + 6 * turn) % 6
    # Each channel is the value, less the chroma where its colour is away by more than a sixth.
    away = (torch.stack([hue, hue + 4, hue + 2]) % 6 - 3).abs()
    return most - chroma * (2 - away).clamp(0, 1)


def _affine(*terms: float) -> Callable[[Image.Image, float], Image.Image]:
    """Shift or shear by a strength: terms a to f of Pillow, of the identity but for the given."""

    def changed(image: Image.Image, strength: float) -> Image.Image:
        shifts = [strength * t for t in terms]
        a, b, c, d, e, f = shifts
        scaled = (1 + a, b, c * image.width, d, 1 + e, f * image.height)
        return image.transform(image.size, Image.Transform.AFFINE, scaled)

    return changed


def _enhanced(kind: Callable) -> Callable[[Image.Image, float], Image.Image]:
    return lambda image, strength: kind(image).enhance(1 + strength)


# What RandAugment draws from: the most of each operation, whether its sign is drawn, and the
# operation of a strength.
OPERATIONS: dict[str, tuple[float, bool, Callable[[Image.Image, float], Image.Image]]] = {
    "identity": (0, False, lambda image, _: image),
    "shear x": (0.3, True, _affine(0, 1, 0, 0, 0, 0)),
    "shear y": (0.3, True, _affine(0, 0, 0, 1, 0, 0)),
    "shift x": (150 / 331, True, _affine(0, 0, 1, 0, 0, 0)),
    "shift y": (150 / 331, True, _affine(0, 0, 0, 0, 0, 1)),
    "turn": (30, True, lambda image, s: image.rotate(s)),
    "brightness": (0.9, True, _enhanced(ImageEnhance.Brightness)),
    "colour": (0.9, True, _enhanced(ImageEnhance.Color)),
    "contrast": (0.9, True, _enhanced(ImageEnhance.Contrast)),
    "sharpness": (0.9, True, _enhanced(ImageEnhance.Sharpness)),
    "posterise": (4, False, lambda image, s: ImageOps.posterize(image, 8 - round(s))),
    "solarise": (255, False, lambda image, s: ImageOps.solarize(image, round(255 - s))),
    "autocontrast": (0, False, lambda image, _: ImageOps.autocontrast(image)),
    "equalise": (0, False, lambda image, _: ImageOps.equalize(image)),
}


def randaugment(image: Image.Image, count: int, random: np.random.Generator) -> Image.Image:
    """An RGB image after ``count`` operations drawn from OPERATIONS."""
    for name in random.choice(list(OPERATIONS), count):
        most, signed, operation = OPERATIONS[name]
        sign = -1 if signed and random.random() < 0.5 else 1
        image = operation(image, sign * STRENGTH * most)
    return image
