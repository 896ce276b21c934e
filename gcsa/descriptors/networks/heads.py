"""Networks that have no file yet: a head over a backbone, each by its name, with random weights.

A network is made to the shapes of a file's tensors. Here those shapes come from a head's sizes, so
that what is trained has the names of the published networks, and loads as they do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gcsa.descriptors.networks import boq, dinov2, efficientnet_lite, resnet, vgg16
from gcsa.descriptors.networks.body import Body, Weights
from gcsa.descriptors.networks.families import FAMILIES
from gcsa.errors import InputError, nearest

# Of DINOv2: width and depth. The position tables are those of the released files.
TRANSFORMERS = {"s": (384, 12), "b": (768, 12), "l": (1024, 24), "g": (1536, 40)}
CONVOLUTIONS = ("vgg16", *(f"resnet{depth}" for depth in resnet.DEPTHS), "efficientnet-lite0")
BACKBONES = (*CONVOLUTIONS, *(f"dinov2-{letter}" for letter in TRANSFORMERS))
RESNETS = CONVOLUTIONS[1:-1]
DINO = BACKBONES[len(CONVOLUTIONS) :]
TOKEN, HIDDEN = 256, 512  # of SALAD: numbers of its class token, and of its perceptrons
MIXERS, ROWS = 4, 4  # of MixVPR
BLOCKS, QUERIES, BOQ_ROWS = 2, 64, 32  # of BoQ


@dataclass(frozen=True)
class Sizes:
    """What a head can choose. length: numbers of a descriptor, where it is not what follows from
    the others; clusters: of NetVLAD and SALAD; size: (height, width) of the images.
    """

    length: int
    clusters: int
    size: tuple[int, int]


Shapes = Mapping[str, tuple[int, ...]]


class Head(NamedTuple):
    """family: of gcsa.descriptors.networks.families. prefix: of the backbone's tensors.
    numbered: whether a ResNet's layers are. layers: of a ResNet. shapes: the tensors that say how
    large the head is, by its sizes and the channels of the backbone.
    """

    family: str
    backbones: tuple[str, ...]
    prefix: str
    numbered: bool
    layers: int
    shapes: Callable[[Sizes, int], Shapes]


def _netvlad(sizes: Sizes, channels: int) -> Shapes:
    return {"pool.centroids": (sizes.clusters, channels)}


def _cosplace(sizes: Sizes, channels: int) -> Shapes:
    return {"aggregation.3.weight": (sizes.length, channels)}


def _cirtorch(sizes: Sizes, channels: int) -> Shapes:
    return {"whiten.weight": (sizes.length, channels)}


def _dir(sizes: Sizes, channels: int) -> Shapes:
    return {"adpool.p": (1,), "fc.weight": (sizes.length, channels)}


def _convap(sizes: Sizes, channels: int) -> Shapes:
    return {"aggregator.channel_pool.weight": (sizes.length // 4, channels)}


def _mixvpr(sizes: Sizes, channels: int) -> Shapes:
    places = (sizes.size[0] // 16) * (sizes.size[1] // 16)
    mixers = {f"aggregator.mix.{i}.mix.1.weight": (places, places) for i in range(MIXERS)}
    norms = {f"aggregator.mix.{i}.mix.0.weight": (places,) for i in range(MIXERS)}
    rows = {"aggregator.row_proj.weight": (ROWS, places)}
    return {
        **mixers,
        **norms,
        **rows,
        "aggregator.channel_proj.weight": (sizes.length // ROWS, channels),
    }


def _boq(sizes: Sizes, channels: int) -> Shapes:
    width = sizes.length // BOQ_ROWS // boq.HEAD * boq.HEAD
    queries = {f"aggregator.boqs.{i}.queries": (1, QUERIES, width) for i in range(BLOCKS)}
    return {**queries, "aggregator.fc.weight": (BOQ_ROWS, BLOCKS * QUERIES)}


def _salad(sizes: Sizes, channels: int) -> Shapes:
    local = (sizes.length - TOKEN) // sizes.clusters
    pairs = {
        "token_features.0": (HIDDEN, channels),
        "token_features.2": (TOKEN, HIDDEN),
        "cluster_features.0": (HIDDEN, channels),
        "cluster_features.3": (local, HIDDEN),
        "score.0": (HIDDEN, channels),
        "score.3": (sizes.clusters, HIDDEN),
    }
    return {f"aggregator.{name}.weight": shape for name, shape in pairs.items()}


HEADS = {
    "netvlad": Head("pytorch-netvlad", CONVOLUTIONS, "encoder.", True, 4, _netvlad),
    "cosplace": Head("cosplace", CONVOLUTIONS, "backbone.", True, 4, _cosplace),
    "cirtorch": Head("cirtorch", CONVOLUTIONS, "features.", True, 4, _cirtorch),
    "dir": Head("dir", RESNETS, "", False, 4, _dir),
    "convap": Head("convap", RESNETS, "backbone.model.", False, 4, _convap),
    "mixvpr": Head("mixvpr", RESNETS, "backbone.model.", False, 3, _mixvpr),
    "boq": Head("boq", (*RESNETS, *DINO), "backbone.net.", True, 3, _boq),
    "salad": Head("salad", DINO, "backbone.model.", False, 4, _salad),
}


def new_body(head: str, backbone: str, sizes: Sizes) -> tuple[Body, str]:
    """A network of random weights, by torch's own seed, and the prefix of its backbone's tensors.

    InputError, naming the setting, where there is no such head or backbone, or they do not go
    together.
    """
    for key, value, known in (("head", head, HEADS), ("backbone", backbone, BACKBONES)):
        if value not in known:
            raise InputError(f"descriptor.{key}: '{value}' is not a choice{nearest(value, known)}")
    made = HEADS[head]
    if backbone not in made.backbones:
        stands = ", ".join(made.backbones)
        raise InputError(f"descriptor.backbone: {head} stands on {stands}, not on {backbone}")
    prefix = made.prefix.replace("net.", "dino.") if backbone in DINO else made.prefix
    with torch.device("meta"):
        layers, channels = _backbone(backbone, made)
        shapes = made.shapes(sizes, channels)
        if min(min(shape) for shape in shapes.values()) < 1:
            raise InputError(f"descriptor.length: {sizes.length} is too short for {head}")
        tensors = {name: torch.empty(shape) for name, shape in shapes.items()}
        tensors |= {f"{prefix}{name}": t for name, t in layers.state_dict().items()}
        body = FAMILIES[made.family].body(Weights(Path(f"{head} over {backbone}"), tensors))
    if head != "netvlad" and body.length != sizes.length:
        raise InputError(
            f"descriptor.length: {sizes.length}, but {head} of these sizes has {body.length}"
        )
    body.to_empty(device="cpu")
    _randomise(body)
    return body, prefix


def _backbone(name: str, head: Head) -> tuple[nn.Module, int]:
    """A backbone and its channels."""
    if name == "vgg16":
        return vgg16.vgg16(), vgg16.CHANNELS
    if name == "efficientnet-lite0":
        return efficientnet_lite.EfficientNetLite0(), efficientnet_lite.CHANNELS
    if name in DINO:
        width, depth = TRANSFORMERS[name[-1]]
        shape = dinov2.Shape(width, depth, swiglu=name.endswith("g"))
        return dinov2.DinoV2(shape), width
    blocks, bottleneck = resnet.DEPTHS[int(name.removeprefix("resnet"))]
    whole = resnet.ResNet(blocks[: head.layers], bottleneck)
    return resnet.numbered(whole) if head.numbered else whole, whole.channels


# By the last part of their names: parameters that no layer of torch's own initialises.
CONSTANTS = {"p": 3.0, "dust_bin": 1.0, "gamma": 1e-5}  # gamma: DINOv2's scale of a new block
SPREADS = {"cls_token": 0.02, "pos_embed": 0.02, "mask_token": 0.02, "queries": 1.0}


@torch.no_grad()
def _randomise(body: nn.Module) -> None:
    for module in body.modules():
        for name in ("reset_parameters", "_reset_parameters"):
            if hasattr(module, name):
                getattr(module, name)()
        if isinstance(module, nn.Conv2d):  # as He et al. do before rectifiers
            fan = module.weight[0].numel() * module.out_channels / module.in_channels
            module.weight.normal_(0, math.sqrt(2 / fan))
    for name, parameter in body.named_parameters():
        leaf = name.split(".")[-1]
        if leaf in CONSTANTS:
            parameter.fill_(CONSTANTS[leaf])
        elif leaf in SPREADS:
            parameter.normal_(0, SPREADS[leaf])
        elif leaf == "centroids":  # until they are found among local descriptors
            parameter.uniform_(0, 1)


def start_from(body: Body, prefix: str, weights: Weights) -> str:
    """Give a body the weights of a file, all or those of its backbone; says which.

    The backbone may have another prefix in the file, and a ResNet's layers names for numbers.
    InputError, naming the file, where it holds neither.
    """
    own = {k: v for k, v in body.state_dict().items() if not k.endswith("num_batches_tracked")}
    if all(name in weights.tensors for name in own):
        _copy(own, {name: weights.tensors[name] for name in own}, weights.path)
        return "all its weights"
    parts = {k: k.removeprefix(prefix) for k in own if k.startswith(prefix)}
    if not prefix:  # a head beside a ResNet's layers
        parts = {k: k for k in parts if not k.startswith(("fc.", "adpool."))}
    for names in (parts, {k: _by_name(v) for k, v in parts.items()}, _by_number(parts)):
        first = next(iter(names.values()))
        for found in [name for name in weights.tensors if name.endswith(first)]:
            before = found.removesuffix(first)
            if all(before + name in weights.tensors for name in names.values()):
                taken = {k: weights.tensors[before + name] for k, name in names.items()}
                _copy(own, taken, weights.path)
                return "its backbone"
    raise InputError(
        f"{weights.path}: neither this network nor its backbone ({body.backbone_name}); it has "
        f"{', '.join(list(weights.tensors)[:3])} ..."
    )


NAMED = {"0": "conv1", "1": "bn1", **{str(3 + n): f"layer{n}" for n in range(1, 5)}}


def _by_name(name: str) -> str:
    """A numbered ResNet's tensor by torchvision's name."""
    place, _, rest = name.partition(".")
    return f"{NAMED.get(place, place)}.{rest}"


def _by_number(parts: Mapping[str, str]) -> dict[str, str]:
    numbers = {name: number for number, name in NAMED.items()}
    split = {k: v.partition(".") for k, v in parts.items()}
    return {k: f"{numbers.get(first, first)}.{rest}" for k, (first, _, rest) in split.items()}


def _copy(own: Mapping[str, Tensor], taken: Mapping[str, Tensor], path: Path) -> None:
    for name, tensor in taken.items():
        if tensor.shape != own[name].shape:
            raise InputError(
                f"{path}: {name} has shape {tuple(tensor.shape)}, not {tuple(own[name].shape)}"
            )
    with torch.no_grad():
        for name, tensor in taken.items():
            own[name].copy_(tensor)
