"""Checkpoints of the network of places: its sizes and tensors, strictly read and written whole."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch

from gcsa.errors import InputError, MissingFileError
from gcsa.files import reading
from gcsa.models.checkpoint import SETTINGS_RECORD, read_torch, save_archive
from gcsa.models.place import PlaceNet

# The key that tells a checkpoint of places from others; it holds the sizes.
MARK = "place"
# Tensors are no larger than this many numbers: a file does not ask for memory without end.
LARGEST = 1 << 24


def save_place(
    path: str | os.PathLike, network: PlaceNet, settings: dict[str, Any] | None = None
) -> None:
    """Write a network, all or nothing; settings: what JSON holds, as of other checkpoints."""
    state = {name: tensor.cpu() for name, tensor in network.state_dict().items()}
    records = {} if settings is None else {SETTINGS_RECORD: json.dumps(settings)}
    save_archive(path, {MARK: dict(network.sizes), "model": state}, records)


def is_place(path: str | os.PathLike) -> bool:
    """Whether a file is a checkpoint of places; InputError where it is none of any kind."""
    if not Path(path).is_file():
        raise MissingFileError(f"{path}: no such checkpoint")
    content = read_torch(path, "a checkpoint")
    return isinstance(content, dict) and MARK in content


def load_place(
    path: str | os.PathLike, features: int, affinities: int, device: torch.device | str = "cpu"
) -> PlaceNet:
    """The network of a checkpoint, on ``device`` and in evaluation mode.

    features, affinities: of the inputs as this version makes them, which the file must fit.
    InputError names the file and what is wrong in it.
    """
    if not Path(path).is_file():
        raise MissingFileError(f"{path}: no such checkpoint of the network of places")
    content = read_torch(path, "a checkpoint of the network of places")
    if not isinstance(content, dict) or not isinstance(content.get(MARK), dict):
        raise InputError(f"{path}: no checkpoint of the network of places, it has no '{MARK}'")
    with reading(path, "a checkpoint of the network of places with its sizes and tensors"):
        sizes, state = content[MARK], content["model"]
        with torch.device("meta"):
            empty = PlaceNet(**sizes)
        if any(tensor.numel() > LARGEST for tensor in empty.state_dict().values()):
            raise InputError(f"{path}: sizes {sizes} are beyond what a network of places has")
        network = PlaceNet(**sizes)
        network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    made = network.sizes["features"], network.sizes["affinities"]
    if made != (features, affinities):
        raise InputError(
            f"{path}: reads {made[0]} features and {made[1]} affinities, this version makes "
            f"{features} and {affinities}; train it anew"
        )
    return network.to(device).eval()
