"""Generalised-mean pooling (Radenovic et al., TPAMI 2019) and the networks that end with it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gcsa.descriptors.networks import resnet, vgg16
from gcsa.descriptors.networks.body import Body, Weights
from gcsa.descriptors.networks.convolutions import convolutions
from gcsa.descriptors.networks.efficientnet_lite import CHANNELS, NAME, EfficientNetLite0
from gcsa.descriptors.whitening import read_dir
from gcsa.errors import InputError

LEAST = 1e-6  # what activations are raised to before the power
DIR_POWER = 0.25  # of the variances, as DIR's test and hloc divide by
DIR_WHITENING = "Landmarks_clean"


def gem(x: Tensor, p: Tensor | float) -> Tensor:
    """(B, C, H, W) -> (B, C): the p-mean over the places, of activations of 1e-6 or more."""
    return x.float().clamp(min=LEAST).pow(p).mean(dim=(2, 3)).pow(1 / p)


class GeM(nn.Module):
    """:func:`gem` with a learned p."""

    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.empty(1))

    def forward(self, x: Tensor) -> Tensor:
        return gem(x, self.p)


class L2Norm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return functional.normalize(x, dim=1)


class CosPlace(Body):
    """CosPlace (Berton et al., CVPR 2022) and EigenPlaces (ICCV 2023), which are one network.

    Every place's activations get unit length before GeM, and a linear layer follows it.
    """

    def __init__(self, weights: Weights):
        super().__init__()
        found = convolutions(weights.tensors, "backbone.", vgg16.CONV5_3)
        self.backbone, self.backbone_name, channels, self.takes = found
        self.length = len(weights.tensors["aggregation.3.weight"])
        self.aggregation = nn.Sequential(
            L2Norm(), GeM(), nn.Flatten(), nn.Linear(channels, self.length)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.aggregation(self.backbone(x))


class Cirtorch(Body):
    """cnnimageretrieval-pytorch (Radenovic et al.): GeM, and a learned whitening.

    It is a layer (``whiten``), or in older files an ``Lw`` beside the weights: projections learned
    for one scale ("ss") and for several ("ms").
    """

    learned = False

    def __init__(self, weights: Weights):
        super().__init__()
        meta = weights.beside.get("meta") or {}
        for option in ("regional", "local_whitening"):
            if meta.get(option):
                raise InputError(f"a network of cirtorch with {option}, which is not supported")
        if meta.get("pooling", "gem") != "gem":
            raise InputError(f"cirtorch's pooling '{meta['pooling']}': only gem is supported")
        found = convolutions(weights.tensors, "features.", vgg16.RELU5_3)
        self.features, self.backbone_name, self.length, self.takes = found
        self.pool = GeM()
        self.whiten = None
        if "whiten.weight" in weights.tensors:
            self.whiten = nn.Linear(self.length, len(weights.tensors["whiten.weight"]))
            self.length = self.whiten.out_features

    def take(self, weights: Weights) -> None:
        learned = (weights.beside.get("meta") or {}).get("Lw")
        if self.whiten is not None or not learned or not weights.whiten:
            return
        # Of the training sets that it was learned on, the first.
        learned = learned if "ss" in learned else next(iter(learned.values()))
        for kind in ("ss", "ms"):
            for name in "mP":
                value = np.array(learned[kind][name], dtype=np.float32)  # what was read is locked
                self.register_buffer(f"{kind}_{name}", torch.from_numpy(value), persistent=False)
        self.length = len(self.get_buffer("ss_P"))
        self.learned = True

    def scale_power(self) -> Tensor | float:
        return self.pool.p if self.whiten is None else 1.0

    def forward(self, x: Tensor) -> Tensor:
        pooled = functional.normalize(self.pool(self.features(x)), dim=1)
        return pooled if self.whiten is None else functional.normalize(self.whiten(pooled), dim=1)

    def finish(self, x: Tensor, scales: int) -> Tensor:
        if not self.learned:
            return x
        kind = "ms" if scales > 1 else "ss"
        mean, axes = self.get_buffer(f"{kind}_m").ravel(), self.get_buffer(f"{kind}_P")
        return (x - mean) @ axes.T


class Dir(resnet.ResNet, Body):
    """Deep Image Retrieval (Revaud et al., ICCV 2019): GeM or max, a linear layer, then a PCA.

    The PCA lies beside the weights; DIR's test and hloc divide by its variances to the power of
    0.25.
    """

    learned = False

    def __init__(self, weights: Weights):
        shape = resnet.shape_of(weights.tensors, [f"layer{n}." for n in range(1, 5)])
        super().__init__(*shape)
        if "adpool.p" not in weights.tensors and "model_options" not in weights.beside:
            raise InputError(f"{weights.path}: a classifier of images, not a descriptor network")
        self.options = weights.beside.get("model_options") or {}
        self.adpool = GeM() if "adpool.p" in weights.tensors else nn.AdaptiveMaxPool2d(1)
        self.length = self.channels
        if "fc.weight" in weights.tensors:
            self.length = len(weights.tensors["fc.weight"])
            self.fc = nn.Linear(self.channels, self.length)
        self.backbone_name = resnet.name_of(*shape)

    def take(self, weights: Weights) -> None:
        if not weights.whiten or "pca" not in weights.beside:
            return
        pca = read_dir(weights.path, DIR_WHITENING)
        self.register_buffer("mean", torch.from_numpy(pca.mean), persistent=False)
        axes = torch.from_numpy(pca.axes(0 if pca.variances is None else DIR_POWER))
        self.register_buffer("axes", axes, persistent=False)
        self.length = len(axes)
        self.learned = True

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.adpool(super().forward(x)).flatten(1)
        if self.options.get("norm_features"):
            pooled = functional.normalize(pooled, dim=1)
        described = self.fc(pooled) if hasattr(self, "fc") else pooled
        return functional.normalize(described, dim=1)

    def finish(self, x: Tensor, scales: int) -> Tensor:
        if not self.learned:
            return x
        return (x - self.get_buffer("mean")) @ self.get_buffer("axes").T

    def scale_power(self) -> float:
        return 3.0  # of DIR's extraction


class EfficientGeM(EfficientNetLite0, Body):
    """EfficientNet-Lite0, trained on ImageNet, with GeM of p = 3 over its last feature map."""

    backbone_name = NAME
    unused = ("_fc.",)  # the classifier of ImageNet

    def __init__(self, weights: Weights):
        super().__init__()
        self.length = CHANNELS

    def forward(self, x: Tensor) -> Tensor:
        return gem(super().forward(x), 3.0)
