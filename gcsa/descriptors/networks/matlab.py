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
from scipy.io import loadmat
from scipy.io.matlab import MatlabFunction, MatlabOpaque
from torch import Tensor

from gcsa.descriptors.networks.preprocessing import CAFFE_MEAN
from gcsa.descriptors.networks.vgg16 import CONV5_3
from gcsa.errors import InputError
from gcsa.files import reading

OBJECTS = (
    "holds MATLAB class objects, which only MATLAB can read; expected the file with plain structs: "
    "Pitts30K_struct.mat or TokyoTM_struct.mat of https://cvg-data.inf.ethz.ch/hloc/netvlad/"
)
EXPECTED = "a NetVLAD network of MatConvNet"


def read(path: Path) -> tuple[dict[str, Tensor], Mapping[str, Any]]:
    """The tensors under hloc's names, and the mean colour ("mean", RGB of 0 to 255).

    backbone.N.weight (out, in, 3, 3); netvlad.score_proj.weight (K, D, 1); netvlad.centers (D, K),
    which the file has negated; whiten.weight (n, D K), its columns with k fastest.
    """
    with reading(path, EXPECTED):
        content = loadmat(path, struct_as_record=False, squeeze_me=True)
        if _opaque(content):
            raise InputError(f"{path}: {OBJECTS}")
        layers = np.atleast_1d(content["net"].layers)
    if any(_opaque(vars(layer) if hasattr(layer, "_fieldnames") else layer) for layer in layers):
        raise InputError(f"{path}: {OBJECTS}")
    with reading(path, EXPECTED):
        return _tensors(layers), {"mean": _mean(content["net"])}


def _opaque(value: Any) -> bool:
    """Whether there is an object of a MATLAB class in a file's content, or in a layer."""
    if isinstance(value, (MatlabOpaque, MatlabFunction)):
        return True
    if isinstance(value, Mapping):
        return any(_opaque(v) for v in value.values())
    return False


def _tensors(layers: np.ndarray) -> dict[str, Tensor]:
    found: dict[str, np.ndarray] = {}
    for number, layer in enumerate(layers[: CONV5_3 + 1]):
        if np.size(getattr(layer, "weights", ())):
            kernel, bias = layer.weights[0], layer.weights[1]
            found[f"backbone.{number}.weight"] = kernel.transpose(3, 2, 0, 1)
            found[f"backbone.{number}.bias"] = np.atleast_1d(bias)
    rest = [x for x in layers[CONV5_3 + 1 :] if np.size(getattr(x, "weights", ()))]
    vlad, *whitening = rest
    found["netvlad.score_proj.weight"] = vlad.weights[0].T[:, :, None]
    found["netvlad.centers"] = -vlad.weights[1]
    for layer in whitening:
        axes, offset = layer.weights[0], layer.weights[1]
        found["whiten.weight"] = axes.reshape(-1, np.size(offset)).T
        found["whiten.bias"] = np.atleast_1d(offset)
    return {
        name: torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
        for name, array in found.items()
    }


def _mean(net: Any) -> tuple[float, ...]:
    """The mean colour that the network was trained with."""
    normalization = getattr(getattr(net, "meta", None), "normalization", None)
    image = np.asarray(getattr(normalization, "averageImage", CAFFE_MEAN), dtype=np.float32)
    return tuple(float(v) for v in image.reshape(-1, 3)[0])
