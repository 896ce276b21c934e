"""A descriptor network: what a file of weights becomes, and what images go through."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from gcsa.descriptors.networks.body import Body
from gcsa.descriptors.networks.preprocessing import Normalise, Resize
from gcsa.errors import InputError


class Network(nn.Module):
    """Images to descriptors of unit length, with the preprocessing that the network was made for.

    A batch of images goes through ``resize``, ``normalise`` and the network itself:

        x = network.normalise(network.resize(images))  # (B, 3, H, W) RGB in [0, 1]
        descriptors = network(x)  # (B, network.length)

    name: as published. family, backbone: what it is made of. licence: of its weights, and of the
    images that they were trained on. remarks: what is worth knowing of the file. whitening: mean
    (D,) and axes (n, D) of one that was fitted after training, which ends the network.
    """

    whitening_mean: Tensor | None
    whitening_axes: Tensor | None

    def __init__(
        self,
        body: Body,
        name: str,
        family: str,
        licence: str,
        resize: Resize,
        normalise: Normalise,
        remarks: Sequence[str] = (),
        whitening: tuple[Tensor, Tensor] | None = None,
    ):
        super().__init__()
        self.body = body
        self.name, self.family, self.licence = name, family, licence
        self.backbone = body.backbone_name
        self.resizing, self.normalising = resize, normalise
        self.remarks = tuple(remarks)
        self.whiten(whitening)

    def whiten(self, whitening: tuple[Tensor, Tensor] | None) -> None:
        """End with a whitening, mean (D,) and axes (n, D), or with none."""
        mean, axes = whitening or (None, None)
        self.register_buffer("whitening_mean", mean, persistent=False)
        self.register_buffer("whitening_axes", axes, persistent=False)
        self.length = self.body.length if axes is None else len(axes)

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """The (height, width) at which an image of that size enters the network.

        InputError where the network cannot take it.
        """
        size = self.resizing.size(height, width)
        self.check_size(*size)
        return size

    def check_size(self, height: int, width: int) -> None:
        """InputError where the network cannot take images of that size, which are resized."""
        reason = self.body.takes.why_not(height, width)
        if reason:
            raise InputError(
                f"{self.name} cannot take an image of {width} x {height} pixels: {reason}"
            )

    def resize(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), of any one size, as the network's project resizes them."""
        return self.resizing(images)

    def normalise(self, images: Tensor) -> Tensor:
        """What the network takes of images (B, 3, H, W), float32 RGB in [0, 1]."""
        return self.normalising(images)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) -> descriptors (B, D) of unit length, float32."""
        return self.multiscale(x, (1.0,))

    def multiscale(self, x: Tensor, scales: Sequence[float]) -> Tensor:
        """One descriptor of several scales of normalised images: (B, 3, H, W) -> (B, D).

        Unit descriptors of all scales become one by a mean whose power is the network's own (1,
        or GeM's p), as cirtorch and DIR do, and what is learned follows it.
        """
        power = self.body.scale_power() if len(scales) > 1 else 1.0
        total: Tensor | float = 0.0
        for scale in scales:
            x_scaled = self._scaled(x, scale)
            self.check_size(*x_scaled.shape[2:])
            described = functional.normalize(self.body(x_scaled).float(), dim=1)
            total = total + _power(described, power) / len(scales)
        pooled = functional.normalize(_power(torch.as_tensor(total), 1 / power), dim=1)
        described = functional.normalize(self.body.finish(pooled, len(scales)), dim=1)
        if self.whitening_mean is None or self.whitening_axes is None:
            return described
        whitened = (described - self.whitening_mean) @ self.whitening_axes.T
        return functional.normalize(whitened, dim=1)

    def _scaled(self, x: Tensor, scale: float) -> Tensor:
        """As cirtorch: bilinear, not antialiased; where sides must be multiples, the nearest."""
        if scale == 1:
            return x
        takes = self.body.takes
        if takes.multiple == 1:
            return functional.interpolate(x, scale_factor=scale, mode="bilinear")
        size = takes.rounded(x.shape[2] * scale, x.shape[3] * scale)
        return functional.interpolate(x, size, mode="bilinear")


def _power(x: Tensor, power: Tensor | float) -> Tensor:
    """Signs stay; nothing happens with 1, exactly."""
    if isinstance(power, float) and power == 1:
        return x
    return x.sign() * x.abs().pow(power)
