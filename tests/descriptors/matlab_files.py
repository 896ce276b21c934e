"""NetVLAD networks as MATLAB files of the layout that hloc downloads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from scipy.io import savemat

LAYERS = 35
VLAD, WHITENING = 30, 33


def cells(*values) -> np.ndarray:
    found = np.empty((1, len(values)), dtype=object)
    for place, value in enumerate(values):
        found[0, place] = value
    return found


def write_netvlad(path: Path, tensors: Mapping[str, torch.Tensor], mean=(123.68, 116.779, 103.939)):
    """Write tensors of hloc's names as MatConvNet has them: transposed, the centres negated."""
    arrays = {name: value.numpy() for name, value in tensors.items()}
    weights: dict[int, np.ndarray] = {}
    for name in arrays:
        if name.startswith("backbone.") and name.endswith(".weight"):
            bias = arrays[name.replace("weight", "bias")]
            weights[int(name.split(".")[1])] = cells(arrays[name].transpose(2, 3, 1, 0), bias)
    assign = arrays["netvlad.score_proj.weight"][:, :, 0].T
    weights[VLAD] = cells(assign, -arrays["netvlad.centers"])
    if "whiten.weight" in arrays:
        axes = arrays["whiten.weight"].T[None, None]
        weights[WHITENING] = cells(axes, arrays["whiten.bias"])
    layers = [{"type": "conv", "weights": weights.get(n, cells())} for n in range(LAYERS)]
    image = np.broadcast_to(np.float32(mean), (4, 5, 3))
    net = {"layers": cells(*layers), "meta": {"normalization": {"averageImage": image}}}
    savemat(path, {"net": net})
