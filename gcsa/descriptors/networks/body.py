"""What every descriptor network is: layers with the names of its file, and what it can take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gcsa.errors import InputError


@dataclass(frozen=True)
class Takes:
    """Sizes of images, in pixels, that a network can take.

    least: of the shorter side. exactly: (height, width). multiple: of both sides; where the
    network ``rounds``, it resizes to the nearest multiples by itself. cells: of multiple x
    multiple pixels, of which there must be so many or more.
    """

    least: int = 1
    exactly: tuple[int, int] | None = None
    multiple: int = 1
    rounds: bool = False
    cells: int = 0

    def rounded(self, height: float, width: float) -> tuple[int, int]:
        """The nearest sides that are multiples; a half goes to the even multiple."""
        return (
            round(height / self.multiple) * self.multiple,
            round(width / self.multiple) * self.multiple,
        )

    def why_not(self, height: int, width: int) -> str:
        """What is wrong with a size, or nothing."""
        if self.exactly is not None and (height, width) != self.exactly:
            return f"only {self.exactly[1]} x {self.exactly[0]}"
        if self.rounds:
            height, width = self.rounded(height, width)
        elif height % self.multiple or width % self.multiple:
            return f"both sides must be multiples of {self.multiple}"
        least = max(self.least, self.multiple)
        if min(height, width) < least:
            return f"both sides must be {least} or more"
        cells = height // self.multiple * (width // self.multiple)
        if cells < self.cells:
            return f"{cells} patches of {self.multiple} pixels, it needs {self.cells} or more"
        return ""


@dataclass(frozen=True)
class Weights:
    """What is in a file of weights.

    tensors: by the names of the originals, float32. beside: the file's other content.
    remarks: what is worth saying of it. whiten: whether a projection that the file has is used.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    beside: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    whiten: bool = True


class Body(nn.Module):
    """The layers of a network, made to the shapes of a file's tensors, whose names they have.

    ``forward`` describes images of one size, (B, 3, H, W) -> (B, n); ``finish`` is what follows
    when descriptors of several scales have become one. Lengths are made 1 by the caller.
    """

    length: int
    backbone_name: str
    takes = Takes()
    # Prefixes of tensors that the descriptor has no use for.
    unused: tuple[str, ...] = ()

    def take(self, weights: Weights) -> None:
        """Take what lies beside the tensors, once they are in place."""

    def scale_power(self) -> Tensor | float:
        """Descriptors of several scales become one by a mean of this power."""
        return 1.0

    def finish(self, x: Tensor, scales: int) -> Tensor:
        return x


def place(body: Body, weights: Weights) -> None:
    """Give a body its tensors, every one of the file; InputError names what does not fit."""
    tensors = {k: v for k, v in weights.tensors.items() if not k.startswith(body.unused)}
    own = body.state_dict()
    # Files of before torch 0.4.1 do not count batches, which only training asks for.
    counts = {k for k in own if k.endswith("num_batches_tracked")}
    tensors |= {k: torch.tensor(0) for k in counts - tensors.keys()}
    wrong = [
        f"{name} has shape {tuple(tensors[name].shape)}, not {tuple(own[name].shape)}"
        for name in own
        if name in tensors and tensors[name].shape != own[name].shape
    ]
    for reason, names in (
        ("it lacks", own.keys() - tensors),
        ("there is no place for", tensors.keys() - own),
    ):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            wrong.append(f"{reason} {', '.join(sorted(names)[:3])}{more}")
    if wrong:
        raise InputError(
            f"{weights.path}: does not fit {type(body).__name__}: {'; '.join(wrong[:3])}"
        )
    body.load_state_dict(tensors, strict=True, assign=True)
