"""Published descriptor networks in plain torch, each from its own file of weights.

Backbones have a file each, and so have the heads with the networks that end with them; the table
of all published networks is in ``published/``.
"""

from gcsa.descriptors.networks.fusing import fused
from gcsa.descriptors.networks.loading import default_weights, load_network
from gcsa.descriptors.networks.network import Network
from gcsa.descriptors.networks.published import COLUMNS, listed

__all__ = ["COLUMNS", "Network", "default_weights", "fused", "listed", "load_network"]
