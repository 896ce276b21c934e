"""NetVLAD (Arandjelovic et al., CVPR 2016) over VGG16, as four projects publish it.

They differ in names, and in the order of the numbers: MATLAB's and hloc's has the clusters
fastest, (D, K), that of pytorch-NetVlad, OpenIBL and Patch-NetVLAD the channels, (K, D).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gcsa.descriptors.networks import vgg16
from gcsa.descriptors.networks.body import Body, Takes, Weights
from gcsa.descriptors.networks.convolutions import convolutions

TAKES = Takes(least=vgg16.STRIDE)


def residuals(x: Tensor, share: Tensor, centres: Tensor) -> Tensor:
    """Sums of what local descriptors differ from centres by, each cluster's of unit length.

    x: (B, D, N); share: (B, K, N), of each descriptor in each cluster; centres: (K, D).
    -> (B, K, D). The sum of the differences is the difference of the sums, which needs no
    (B, K, D, N): at 1024 x 768 pixels that were 400 MB.
    """
    sums = share @ x.transpose(1, 2) - share.sum(dim=2)[:, :, None] * centres
    return functional.normalize(sums, dim=2)


class HlocCore(nn.Module):
    """(B, D, h, w) -> (B, D K), the clusters fastest."""

    def __init__(self, channels: int, clusters: int):
        super().__init__()
        self.score_proj = nn.Conv1d(channels, clusters, 1, bias=False)
        self.centers = nn.Parameter(torch.empty(channels, clusters))

    def forward(self, x: Tensor) -> Tensor:
        x = functional.normalize(x.flatten(2), dim=1)
        share = self.score_proj(x).softmax(dim=1)
        vlad = residuals(x, share, self.centers.T).transpose(1, 2)
        return functional.normalize(vlad.flatten(1), dim=1)


class HlocNetVlad(Body):
    """The MATLAB network, with the names that hloc gives its tensors."""

    backbone_name = "VGG16"
    takes = TAKES

    def __init__(self, weights: Weights):
        super().__init__()
        channels, clusters = weights.tensors["netvlad.centers"].shape
        self.backbone = vgg16.vgg16()
        self.netvlad = HlocCore(channels, clusters)
        self.length = channels * clusters
        self.whiten = None
        if "whiten.weight" in weights.tensors and weights.whiten:
            self.whiten = nn.Linear(self.length, len(weights.tensors["whiten.weight"]))
            self.length = self.whiten.out_features
        self.unused = () if weights.whiten else ("whiten.",)

    def forward(self, x: Tensor) -> Tensor:
        vlad = self.netvlad(self.backbone(x))
        return vlad if self.whiten is None else self.whiten(vlad)


class Core(nn.Module):
    """(B, D, h, w) -> (B, K D), the channels fastest."""

    def __init__(self, channels: int, clusters: int, bias: bool):
        super().__init__()
        self.conv = nn.Conv2d(channels, clusters, 1, bias=bias)
        self.centroids = nn.Parameter(torch.empty(clusters, channels))

    def forward(self, x: Tensor) -> Tensor:
        x = functional.normalize(x, dim=1)
        share = self.conv(x).flatten(2).softmax(dim=1)
        vlad = residuals(x.flatten(2), share, self.centroids)
        return functional.normalize(vlad.flatten(1), dim=1)


def _core(weights: Weights, name: str) -> Core:
    clusters, channels = weights.tensors[f"{name}.centroids"].shape
    return Core(channels, clusters, f"{name}.conv.bias" in weights.tensors)


class NetVlad(Body):
    """pytorch-NetVlad's, and the global part of Patch-NetVLAD (Hausler et al., CVPR 2021).

    Both are over VGG16; other convolutions can be trained.
    """

    def __init__(self, weights: Weights):
        super().__init__()
        found = convolutions(weights.tensors, "encoder.", vgg16.CONV5_3)
        self.encoder, self.backbone_name, _, self.takes = found
        self.pool = _core(weights, "pool")
        self.length = self.pool.centroids.numel()
        axes = weights.tensors.get("WPCA.0.weight")
        self.WPCA = None
        if axes is not None and weights.whiten:
            self.WPCA = nn.Sequential(nn.Conv2d(self.length, len(axes), 1))
            self.length = len(axes)
        self.unused = () if weights.whiten else ("WPCA.",)

    def forward(self, x: Tensor) -> Tensor:
        vlad = self.pool(self.encoder(x))
        return vlad if self.WPCA is None else self.WPCA(vlad[:, :, None, None]).flatten(1)


class BaseModel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.base = vgg16.vgg16()


class OpenIbl(Body):
    """OpenIBL's NetVLAD, SARE and SFRS (Ge et al., ECCV 2020), with PCA in the published file."""

    backbone_name = "VGG16"
    takes = TAKES

    def __init__(self, weights: Weights):
        super().__init__()
        self.base_model = BaseModel()
        self.net_vlad = _core(weights, "net_vlad")
        self.length = self.net_vlad.centroids.numel()
        axes = weights.tensors.get("pca_layer.weight")
        self.pca_layer = None
        if axes is not None and weights.whiten:
            self.pca_layer = nn.Conv2d(self.length, len(axes), 1)
            self.length = len(axes)
        self.unused = () if weights.whiten else ("pca_layer.",)

    def forward(self, x: Tensor) -> Tensor:
        vlad = self.net_vlad(self.base_model.base(x))
        return vlad if self.pca_layer is None else self.pca_layer(vlad[:, :, None, None]).flatten(1)
