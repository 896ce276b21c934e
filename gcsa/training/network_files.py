"""Checkpoints of descriptor networks: files that ``load_network`` and gcsa extract read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from torch import Tensor

from gcsa.descriptors.networks.network import Network
from gcsa.descriptors.networks.trained import content_of
from gcsa.errors import InputError
from gcsa.models.checkpoint import SETTINGS_RECORD, read_torch, save_archive


def save_network(path: str | os.PathLike, network: Network, settings: dict[str, Any]) -> None:
    """Write a network under its published names, all or nothing; its settings lie beside."""
    content = {**content_of(network), "epoch": settings["epoch"]}
    save_archive(path, content, {SETTINGS_RECORD: json.dumps(settings)})


def network_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of such a file by their names in a :class:`Network`."""
    content = read_torch(path, "a checkpoint of a descriptor network")
    state = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise InputError(f"{path}: no checkpoint of a descriptor network, it has no 'state_dict'")
    return {f"body.{name}": tensor for name, tensor in state.items()}
