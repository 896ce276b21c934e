"""How much there is to compute in a network: what its speed on a machine is measured against."""

from __future__ import annotations

import torch
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from gcsa.descriptors.networks.network import Network


def flops(network: Network, height: int, width: int) -> int:
    """Floating-point operations for one normalised image of a size: 2 for a multiply-add.

    Those of convolutions and matrix products; all else is small beside them. Nothing is computed:
    the network runs on shapes alone. InputError where it cannot take the size.
    """
    network.check_size(height, width)
    shapes = {name: value.to("meta") for name, value in network.body.state_dict().items()}
    image = torch.empty(1, 3, height, width, device="meta")
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its one operation is not counted
    try:
        with FlopCounterMode(display=False) as counter:
            functional_call(network.body, shapes, image)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return counter.get_total_flops()
