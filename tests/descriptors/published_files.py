"""Files of weights as they are published, filled by the formula; no real one is needed."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path

import torch
from formula import DATA, tensor


@cache
def shapes() -> dict[str, dict[str, tuple[int, ...]]]:
    """Names and shapes of the tensors of each project's own network, by the network."""
    networks = json.loads(gzip.decompress((DATA / "network_tensors.json.gz").read_bytes()))
    return {
        network: {name: tuple(shape) for name, shape in tensors.items()}
        for network, tensors in networks.items()
    }


def filled(network: str) -> dict[str, torch.Tensor]:
    """The tensors of a network, by the formula."""
    return {name: tensor(name, shape) for name, shape in shapes()[network].items()}


def giant(blocks: int) -> dict[str, torch.Tensor]:
    """DINOv2-g cut to its first blocks."""
    return {
        name: tensor(name, shape)
        for name, shape in shapes()["dinov2_vitg14"].items()
        if not name.startswith("blocks.") or int(name.split(".")[1]) < blocks
    }


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path
