"""Scenes read by several processes: their descriptors packed by all of them, once."""

from __future__ import annotations

from gcsa import distributed
from gcsa.datasets.reader import descriptor_file
from gcsa.datasets.readers import reader
from gcsa.datasets.settings import DataConfig
from gcsa.descriptors.together import pack_together
from gcsa.evaluation.listed import ListedTruth
from gcsa.evaluation.truth import Truth
from gcsa.scene import Scene


def read_scene(data: DataConfig, name: str, split: str) -> tuple[Scene, Truth | ListedTruth | None]:
    """A scene and its truth, as the data set's reader gives them."""
    file = descriptor_file(data, name)
    if file is not None:
        pack_together(file)
    with distributed.first_alone():  # what else it makes on first use the others find
        return reader(data).read(data, name, split)
