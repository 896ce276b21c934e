"""What a file of weights that was trained here says of its network, beside the tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from gcsa.descriptors.networks.network import Network
from gcsa.descriptors.networks.preprocessing import Normalise, Resize
from gcsa.descriptors.networks.published.row import Published
from gcsa.errors import InputError
from gcsa.files import reading

NETWORK, WHITENING = "gcsa_network", "gcsa_whitening"
EXPECTED = "what a training of gcsa says of its network"


def content_of(network: Network) -> dict[str, Any]:
    """What a file holds of a network: its tensors, and beside them all that describing needs."""
    content: dict[str, Any] = {
        "state_dict": {name: t.detach().cpu() for name, t in network.body.state_dict().items()},
        NETWORK: {
            "name": network.name,
            "licence": network.licence,
            "resize": asdict(network.resizing),
            "normalise": asdict(network.normalising),
        },
    }
    mean, axes = network.whitening_mean, network.whitening_axes
    if mean is not None and axes is not None:
        content[WHITENING] = {"mean": mean.cpu(), "axes": axes.cpu()}
    return content


def row_of(beside: Mapping[str, Any], row: Published, path: Path) -> Published:
    """The row of a file that was trained here: what it says of itself; else ``row``."""
    said = beside.get(NETWORK)
    if said is None:
        return row
    with reading(path, EXPECTED):
        resize, normalise = dict(said["resize"]), dict(said["normalise"])
        if resize["exactly"] is not None:
            resize["exactly"] = tuple(map(int, resize["exactly"]))
        for name in ("mean", "std"):
            normalise[name] = tuple(map(float, normalise[name]))
        return replace(
            row,
            name=str(said["name"]),
            licence=str(said["licence"]),
            data="",
            resize=Resize(**resize),
            normalise=Normalise(**normalise),
        )


def whitening_of(
    beside: Mapping[str, Any], length: int, path: Path
) -> tuple[Tensor, Tensor] | None:
    """Mean (D,) and axes (n, D) of the whitening that a file has beside its network; else None."""
    said = beside.get(WHITENING)
    if said is None:
        return None
    with reading(path, EXPECTED):
        mean, axes = said["mean"].float(), said["axes"].float()
        if mean.shape != (length,) or axes.shape[1:] != (length,) or not len(axes):
            raise InputError(
                f"{path}: its whitening takes {tuple(axes.shape)}, its descriptors have {length}"
            )
    return mean, axes
