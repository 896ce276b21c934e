"""NetVLAD's centres before training: k-means of local descriptors, and how sharply they divide.

Arandjelovic et al.: "NetVLAD", CVPR 2016, and its MATLAB code: assignment by the direction of a
centre times alpha, without a bias, so that the nearest centre weighs a hundred times the second.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

ITERATIONS = 100
SHARPNESS = -math.log(0.01)  # the log of what the second best weighs of the best


def kmeans(
    points: Tensor, count: int, random: np.random.Generator, iterations: int = ITERATIONS
) -> Tensor:
    """``count`` centres (K, D) of points (n, D), n >= K, from as many points drawn by k-means++.

    Lloyd's iterations, until no point changes; a centre that loses all its points stays.
    """
    centres = points[_spread(points, count, random)]
    nearest = torch.full((len(points),), -1)
    for _ in range(iterations):
        now = torch.cdist(points, centres).argmin(dim=1)
        if torch.equal(now, nearest):
            break
        nearest = now
        sizes = torch.bincount(nearest, minlength=count)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        filled = sizes > 0
        centres = torch.where(filled[:, None], sums / sizes.clamp(min=1)[:, None], centres)
    return centres


def _spread(points: Tensor, count: int, random: np.random.Generator) -> list[int]:
    """Rows of first centres, each drawn by its squared distance from those before."""
    rows = [int(random.integers(len(points)))]
    squared = (points - points[rows[0]]).square().sum(dim=1)
    while len(rows) < count:
        shares = squared.double().cumsum(0)
        if shares[-1] <= 0:  # fewer different points than centres
            rows.append(int(random.integers(len(points))))
        else:
            drawn = torch.searchsorted(shares, random.random() * shares[-1])
            rows.append(min(int(drawn), len(points) - 1))
        squared = torch.minimum(squared, (points - points[rows[-1]]).square().sum(dim=1))
    return rows


def sharpness(points: Tensor, centres: Tensor) -> float:
    """alpha, ln(100) over the mean gap of a point's two best cosines with the centres."""
    directions = torch.nn.functional.normalize(centres, dim=1)
    best = (points @ directions.T).topk(2, dim=1).values
    gap = float((best[:, 0] - best[:, 1]).mean())
    return SHARPNESS / max(gap, 1e-6)
