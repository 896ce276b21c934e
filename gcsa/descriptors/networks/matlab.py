"""NetVLAD's networks as MATLAB files (Arandjelovic et al., CVPR 2016), as hloc reads them.

MatConvNet's layers, turned into plain structs: the convolutions of VGG16 at the places that
torchvision gives them, then vlad:core, and with whitening a last convolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gcsa.descriptors.networks.preprocessing import CAFFE_MEAN
from gcsa.descriptors.networks.vgg16 import CONV5_3
from gcsa.errors import InputError
from gcsa.files import reading
from gcsa.files.mat_files import Foreign, load_mat

UNREADABLE = (
    "holds objects of MATLAB classes, which only MATLAB can read; expected plain structs, as in "
    "Pitts30K_struct.mat and TokyoTM_struct.mat of https://cvg-data.inf.ethz.ch/hloc/netvlad/"
)
EXPECTED = "a NetVLAD network of MatConvNet"


def read(path: Path) -> tuple[dict[str, Tensor], Mapping[str, Any]]:
    """The tensors under hloc's names, and the mean colour ("mean", RGB of 0 to 255).

    backbone.N.weight (out, in, 3, 3); netvlad.score_proj.weight (K, D, 1); netvlad.centers (D, K),
    which the file has negated; whiten.weight (n, D K), its columns with k fastest.
    """
    with reading(path, EXPECTED):
        net = load_mat(path, EXPECTED, ("net",))["net"]
        layers = [] if isinstance(net, Foreign) else [_single(cell) for cell in net["layers"].flat]
        if isinstance(net, Foreign) or any(isinstance(layer, Foreign) for layer in layers):
            raise InputError(f"{path}: {UNREADABLE}")
        return _tensors(layers), {"mean": _mean(net)}


def _single(cell: Any) -> Any:
    """What a cell holds, which may stand in a cell of its own."""
    while isinstance(cell, np.ndarray) and cell.dtype == object and cell.size == 1:
        cell = cell.item()
    return cell


def _weights(layer: Mapping[str, Any]) -> list[np.ndarray]:
    """A layer's arrays, none where it learns nothing."""
    found = layer.get("weights", np.empty(0))
    return list(found.ravel(order="F") if found.dtype == object else found)


def _tensors(layers: list[Mapping[str, Any]]) -> dict[str, Tensor]:
    found: dict[str, np.ndarray] = {}
    for number, layer in enumerate(layers[: CONV5_3 + 1]):
        for name, array in zip(("weight", "bias"), _weights(layer), strict=False):
            shaped = array.transpose(3, 2, 0, 1) if name == "weight" else array.ravel()
            found[f"backbone.{number}.{name}"] = shaped
    rest = [_weights(layer) for layer in layers[CONV5_3 + 1 :]]
    vlad, *whitening = [arrays for arrays in rest if arrays]
    assign, centres = (array.reshape(array.shape[-2:]) for array in vlad)  # (D, K)
    found["netvlad.score_proj.weight"] = assign.T[:, :, None]
    found["netvlad.centers"] = -centres
    for axes, offset in whitening:
        found["whiten.weight"] = axes.reshape(-1, offset.size).T
        found["whiten.bias"] = offset.ravel()
    return {
        name: torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
        for name, array in found.items()
    }


def _mean(net: Mapping[str, Any]) -> tuple[float, ...]:
    """The mean colour that the network was trained with."""
    try:
        image = net["meta"]["normalization"]["averageImage"]
    except KeyError:  # it does not say
        return CAFFE_MEAN
    return tuple(float(v) for v in image.reshape(-1, 3)[0])
