"""The network that is trained: a head over a backbone, its first weights, and what stays frozen."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gcsa.config import Config
from gcsa.descriptors.networks import default_weights
from gcsa.descriptors.networks.heads import Sizes, new_body, start_from
from gcsa.descriptors.networks.netvlad import NetVlad
from gcsa.descriptors.networks.network import Network
from gcsa.descriptors.networks.preprocessing import IMAGENET, Resize
from gcsa.descriptors.networks.published import LITE
from gcsa.descriptors.networks.weights import read_weights
from gcsa.descriptors.settings import DescriptorConfig
from gcsa.errors import InputError, nearest
from gcsa.training.describing.clusters import kmeans, sharpness
from gcsa.training.describing.photos import Photos

logger = logging.getLogger(__name__)

SHIPPED = "shipped"  # descriptor.weights: EfficientNet-Lite0, which a package brings


def make_network(config: Config, fresh: bool) -> tuple[Network, bool]:
    """A network as section ``descriptor`` says; whether all its weights come from a file.

    fresh: False where a state will replace them.
    """
    settings = config.descriptor
    height, width = settings.pixels()
    sizes = Sizes(settings.length, settings.clusters, (height, width))
    body, prefix = new_body(settings.head, settings.backbone, sizes)
    whole = False
    if fresh and settings.weights:
        shipped = settings.weights == SHIPPED
        path = default_weights() if shipped else Path(settings.weights)
        taken = start_from(body, prefix, read_weights(path, whiten=False))
        whole = taken != "its backbone"
        logger.info("%s: starting from %s", path, taken)
    lite = settings.backbone == "efficientnet-lite0"
    trained_on = ", ".join(config.data.train_scenes) or "its training scenes"
    network = Network(
        body,
        f"{settings.head} over {body.backbone_name}, trained by gcsa",
        settings.head,
        f"that of the images: {config.data.dataset}, {trained_on}"
        + (f"; started from {settings.weights}" if settings.weights else ""),
        Resize(exactly=(height, width)),
        LITE.normalise if lite else IMAGENET,
    )
    network.check_size(height, width)
    return network, whole


def freeze(body: nn.Module, last: str) -> list[nn.Parameter]:
    """Freeze all parameters up to the last that begins with ``last``; the others, to train."""
    named = list(body.named_parameters())
    frozen = -1
    for place, (name, _) in enumerate(named):
        if last and f"{name}.".startswith(f"{last}."):
            frozen = place
    if last and frozen < 0:
        layers = {".".join(name.split(".")[:depth]) for name, _ in named for depth in (1, 2, 3)}
        raise InputError(f"descriptor.freeze: no layer '{last}'{nearest(last, layers)}")
    for place, (_, parameter) in enumerate(named):
        parameter.requires_grad_(place > frozen)
    trained = [parameter for _, parameter in named[frozen + 1 :]]
    if not trained:
        raise InputError(f"descriptor.freeze: nothing is left to train behind '{last}'")
    return trained


def to_train(network: Network, settings: DescriptorConfig) -> None:
    """Training mode, but for batch norms whose statistics are to stay."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            trained = settings.batch_norm == "train" and module.weight.requires_grad
            module.train(trained)


@torch.no_grad()
def find_centres(
    network: Network, photos: Photos, database: np.ndarray, config: Config, device: torch.device
) -> None:
    """Put NetVLAD's centres among local descriptors of the training database."""
    body, settings = network.body, config.descriptor
    if not isinstance(body, NetVlad):
        return
    random = np.random.default_rng([config.train.seed, settings.clusters])
    count = min(settings.sampled, len(database))
    found: list[Tensor] = []
    for row in random.choice(database, count, replace=False):
        x = network.normalise(photos.read(np.array([row])).to(device))
        local = functional.normalize(body.encoder(x)[0].flatten(1), dim=0).T.cpu()
        chosen = random.choice(len(local), min(settings.local, len(local)), replace=False)
        found.append(local[torch.from_numpy(chosen)])
    points = torch.cat(found)
    if len(points) < settings.clusters:
        raise InputError(
            f"descriptor.clusters: {settings.clusters}, but {len(points)} local descriptors are "
            "sampled (descriptor.sampled, .local)"
        )
    centres = kmeans(points, settings.clusters, random)
    alpha = sharpness(points, centres)
    body.pool.centroids.copy_(centres)
    body.pool.conv.weight.copy_(alpha * functional.normalize(centres, dim=1)[:, :, None, None])
    logger.info(
        "%d centres of %d local descriptors, alpha %.4g", settings.clusters, len(points), alpha
    )
