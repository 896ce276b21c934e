"""The networks of both systems: made as the settings say, and called with batches in training."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from gcsa import distributed
from gcsa.config import Config
from gcsa.config.train import TrainConfig
from gcsa.descriptors.pca import principal_axes
from gcsa.errors import InputError
from gcsa.models.checkpoint import Model, load_pretrained
from gcsa.models.csa import CSA
from gcsa.models.dropout import keep_out_of_graphs
from gcsa.models.gcsa import GCSA, scores
from gcsa.ranking.batches import RankedScene
from gcsa.ranking.refine import check_dimension
from gcsa.sideinfo.affinity import width

logger = logging.getLogger(__name__)


class Network(nn.Module):
    """A model as training calls it: from a batch to scores, and what it adds to their loss.

    shared: an image's descriptor is projected once, not once in each list. reconstruction: weight
    of CSA's reconstruction loss, 0 for a model without.
    """

    def __init__(self, model: Model, shared: bool, reconstruction: float):
        super().__init__()
        self.model, self.shared, self.reconstruction = model, shared, reconstruction

    def forward(
        self,
        place: Tensor,
        columns: Tensor,
        valid: Tensor | None,
        descriptors: Tensor | None,
        projected: Tensor | None,
    ) -> tuple[Tensor, Tensor | None]:
        """Fields of a Batch, and what its places number if not its descriptors.

        Returns scores (B, 1+K), see :func:`gcsa.models.gcsa.scores`, and the addition to the loss,
        () or None.
        """
        if projected is not None:
            listed = functional.embedding(place, projected)
        elif descriptors is None:
            raise ValueError("a batch needs descriptors, or what its places number")
        elif self.shared:
            listed = functional.embedding(place, self.model.project(descriptors.float()))
        else:
            listed = self.model.project(functional.embedding(place, descriptors).float())
        head = self.model.head
        if self.reconstruction == 0 or not isinstance(self.model, CSA):
            return scores(self.model.refine(listed, columns, valid), head, valid), None
        refined, distance = self.model.reconstruct(listed, valid)
        return scores(refined, head, valid), self.reconstruction * distance


def make_network(model: Model, config: Config) -> nn.Module:
    """The model for training: compiled, and shared with other processes, where that is asked."""
    settings = config.train
    reconstruction = config.csa.reconstruction if isinstance(model, CSA) else 0.0
    network: nn.Module = Network(model, settings.projection == "shared", reconstruction)
    if settings.compile:
        keep_out_of_graphs()
        network = cast(nn.Module, torch.compile(network))
    return DistributedDataParallel(network) if distributed.size() > 1 else network


def build_model(config: Config, scenes: Sequence[RankedScene], fresh: bool = True) -> Model:
    """A model as the settings say: random, or from a checkpoint; GCSA's projection also by PCA.

    fresh: False where its weights will be replaced, those of a resumed run: they stay random.
    """
    settings = config.train
    torch.manual_seed(settings.seed)
    model: Model = BUILDERS[settings.system](config)
    for ranked in scenes:
        check_dimension(model, ranked.scene)
    projection = model.input_proj
    if fresh and settings.init_proj == "pca" and isinstance(projection, nn.Linear):
        _project_by_pca(projection, scenes, settings)
    if fresh and settings.checkpoint:
        taken = load_pretrained(model, settings.checkpoint)
        logger.info("%s: starting from %s", settings.checkpoint, ", ".join(taken))
    if settings.freeze_input_proj:
        random = settings.init_proj == "random" and not settings.checkpoint
        if random and isinstance(projection, nn.Linear):
            raise InputError(
                "train.freeze_input_proj: the projection would stay random; "
                "give train.checkpoint, or train.init_proj=pca"
            )
        projection.requires_grad_(False)
    return model


def _gcsa(config: Config) -> GCSA:
    sizes = config.model
    return GCSA(
        sizes.input_dim,
        sizes.proj_dim,
        sizes.output_dim,
        sizes.K,
        sizes.L,
        sizes.num_layers,
        sizes.num_heads,
        aff_dim=sum(width(kind, sizes.L) for kind in sizes.affinity) if sizes.num_layers else 0,
        input_dropout_p=sizes.input_dropout,
        attn_dropout_p=sizes.attn_dropout,
        head=has_head(config),
    )


def _csa(config: Config) -> CSA:
    sizes, own = config.model, config.csa
    return CSA(
        sizes.input_dim,
        sizes.output_dim,
        sizes.K,
        sizes.L,
        sizes.num_layers,
        sizes.num_heads,
        mlp_dim=own.mlp_ratio * sizes.output_dim,
        qkv_bias=own.qkv_bias,
        reconstructs=own.reconstruction > 0,
        dropout_p=own.dropout,
        attn_dropout_p=sizes.attn_dropout,
        path_dropout_p=own.path_dropout,
        head=has_head(config),
    )


def has_head(config: Config) -> bool:
    """Whether the loss is of logits, not of cosines."""
    return config.train.loss == "place"


BUILDERS: dict[str, Callable[[Config], Model]] = {"gcsa": _gcsa, "csa": _csa}


def _project_by_pca(
    projection: nn.Linear, scenes: Sequence[RankedScene], settings: TrainConfig
) -> None:
    sets = [images for s in scenes for images in (s.scene.database, s.scene.queries)]
    generator = np.random.default_rng(settings.seed)
    mean, axes = principal_axes(sets, projection.out_features, generator)
    with torch.no_grad():
        projection.weight.copy_(torch.from_numpy(axes))
        projection.bias.copy_(torch.from_numpy(-axes @ mean))
