"""DINOv2 as it is, and AnyLoc (Keetha et al., RA-L 2024): VLAD over what one of its layers says."""

from __future__ import annotations

import re
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from gcsa.descriptors.networks import dinov2
from gcsa.descriptors.networks.body import Body, Takes, Weights
from gcsa.descriptors.networks.netvlad import residuals
from gcsa.errors import InputError

FACETS = ("query", "key", "value")
# AnyLoc's choice for the giant, which the folders of its vocabularies are named after.
LAYER, FACET = 31, "value"


class ClassToken(dinov2.DinoV2, Body):
    """DINOv2's class token, after its last norm."""

    def __init__(self, weights: Weights):
        super().__init__(dinov2.shape_of(weights.tensors))
        self.backbone_name = dinov2.name_of(self)
        self.length = self.width
        self.takes = Takes(multiple=dinov2.PATCH)

    def forward(self, x: Tensor) -> Tensor:
        return self.tokens(x)[:, 0]


class AnyLoc(Body):
    """Hard VLAD of a facet of a layer's attention, by the vocabulary of a domain.

    centers: (K, D), the vocabulary. Which layer and facet it is of is in its path
    (``l31_value_c32``); layers after it are not kept.
    """

    def __init__(self, weights: Weights):
        super().__init__()
        self.dino = dinov2.DinoV2(dinov2.shape_of(weights.tensors, "dino."))
        self.backbone_name = dinov2.name_of(self.dino)
        clusters, width = weights.tensors["centers"].shape
        self.centers = nn.Parameter(torch.empty(clusters, width))
        self.length = clusters * width
        self.takes = Takes(multiple=dinov2.PATCH)
        self.layer, self.facet = named_layer(str(weights.path))
        if not self.layer < len(self.dino.blocks):
            raise InputError(
                f"{weights.path}: a vocabulary of layer {self.layer}, but {self.backbone_name} "
                f"has layers 0 to {len(self.dino.blocks) - 1}"
            )

    def take(self, weights: Weights) -> None:
        del self.dino.blocks[self.layer + 1 :]

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.dino.embed(x)
        for block in self.dino.blocks[: self.layer]:
            tokens = block(tokens)
        facets = cast(dinov2.Block, self.dino.blocks[self.layer]).facets(tokens)
        split = facets[FACETS.index(self.facet)]
        local = functional.normalize(split[:, 1 + self.dino.registers :].float(), dim=2)
        nearest = (local @ functional.normalize(self.centers, dim=1).T).argmax(dim=2)
        share = functional.one_hot(nearest, len(self.centers)).to(local).transpose(1, 2)
        return residuals(local.transpose(1, 2), share, self.centers).flatten(1)


def named_layer(path: str) -> tuple[int, str]:
    """Layer and facet that the path of a vocabulary names, else AnyLoc's own for the giant."""
    found = re.findall(rf"l(\d+)_({'|'.join(FACETS)})", path)
    return (int(found[-1][0]), found[-1][1]) if found else (LAYER, FACET)
