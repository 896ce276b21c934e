"""Weights and images by a formula, so that known answers need no file of weights."""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import numpy as np
import torch

DATA = Path(__file__).parents[1] / "data"
IMAGENET = np.array([(0.485, 0.456, 0.406), (0.229, 0.224, 0.225)], dtype=np.float32)
SMALL = {"cls_token", "pos_embed", "mask_token", "register_tokens", "queries", "centroids"}
SMALL |= {"centers"}


def tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The tensor of a name: random numbers seeded by it, of a size that suits what it is."""
    leaf = name.split(".")[-1]
    if leaf == "num_batches_tracked":
        return torch.tensor(0)
    if leaf in ("p", "dust_bin"):
        return torch.full(shape, 3.0 if leaf == "p" else 1.0)
    z = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if leaf == "running_var":
        z = 1 + 0.1 * np.abs(z)
    elif leaf == "gamma":
        z = 0.2 + 0.05 * z
    elif leaf in SMALL or leaf == "running_mean":
        z = 0.1 * z
    elif leaf in ("bias", "in_proj_bias"):
        z = 0.05 * z
    elif len(shape) == 1:
        z = 1 + 0.1 * z
    else:
        z *= math.sqrt(2 / math.prod(shape[1:]))
    return torch.from_numpy(z.astype(np.float32))


def image(height: int, width: int) -> torch.Tensor:
    """(1, 3, H, W), waves of colour, in [0, 1] for the most part."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    channels = [
        0.5
        + 0.3 * np.sin(0.11 * (c + 1) * x + 0.07 * y)
        + 0.2 * np.cos(0.05 * (c + 1) * y - 0.013 * x * (c + 2))
        for c in range(3)
    ]
    return torch.from_numpy(np.stack(channels).astype(np.float32))[None]
