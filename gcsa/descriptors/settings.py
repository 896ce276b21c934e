"""Section ``descriptor`` of the settings: the network that is trained to describe photos."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import inf

from gcsa.errors import InputError, nearest

BATCHES = ("tuples", "places", "groups")
NORMS = ("frozen", "train")
AUGMENTATIONS = 4  # brightness, contrast, saturation, hue
METRICS = ("recall@1", "recall@5", "recall@10", "mAP@10")


@dataclass
class DescriptorConfig:
    """Section ``descriptor``: train.system=descriptor, a network from photos to descriptors."""

    head: str = "netvlad"  # netvlad | cosplace | cirtorch | dir | convap | mixvpr | boq | salad
    backbone: str = "resnet18"  # vgg16 | resnet18 to 152 | efficientnet-lite0 | dinov2-s to -g
    weights: str = ""  # file to start from, of the network or its backbone; empty: random; shipped
    length: int = 512  # numbers of a descriptor; netvlad: clusters times channels, whatever this is
    clusters: int = 64  # of netvlad and salad
    freeze: str = ""  # the last layer that is not trained, by its tensors' prefix; empty: none is
    batch_norm: str = "frozen"  # frozen: with the statistics that it has | train: of each batch
    size: str = "480x640"  # HEIGHTxWIDTH of the images in training, and when the network is used
    batches: str = "tuples"  # tuples: mined | places: some images of some | groups: CosPlace's
    places: int = 60  # batches of places: how many there are
    images: int = 4  # batches of places: images of each; a place with fewer is left out
    chunk: int = 0  # images that go through at once, gradients cached by descriptor; 0: a batch
    steps: int = 0  # of an epoch; 0: until each query, place or image was there once
    cell: float = 10.0  # groups, and places where a data set names none: metres of a class
    sector: float = 30.0  # likewise: degrees of a class
    groups: int = 8  # of CosPlace's, how many take turns, one an epoch
    apart: int = 5  # groups: cells of one are so many apart, each way
    turned: int = 2  # groups: sectors of one are so many apart
    least: int = 10  # groups: images of a class; one with fewer is left out
    classes_rate: float = 0.01  # groups: learning rate of what stands for the classes (Adam)
    sampled: int = 500  # netvlad: images whose local descriptors its centres are found among
    local: int = 100  # netvlad: local descriptors of each of them
    whiten: int = 0  # numbers of a PCA whitening, fitted after each epoch; 0: none
    whiten_images: int = 10000  # photos that the whitening is fitted on, at most
    jitter: list[float] = field(default_factory=list)  # brightness, contrast, saturation, hue
    crop: float = 1.0  # the least share of an image's area that a random crop keeps
    flip: float = 0.0  # share of the images that are mirrored
    randaugment: int = 0  # random operations on each image (RandAugment)
    best: str = "recall@1"  # what train.keep_best goes by, of validation

    def check(self) -> None:
        """Raise InputError, naming the key, where a value is not one that training can take."""
        choices = {"batches": BATCHES, "batch_norm": NORMS, "best": METRICS}
        for key, allowed in choices.items():
            if (word := getattr(self, key)) not in allowed:
                hint = nearest(word, allowed)
                raise InputError(f"descriptor.{key}: '{word}' is not a choice{hint}")
        least = dict.fromkeys("chunk steps whiten randaugment".split(), 0)
        least |= dict.fromkeys("length clusters places groups apart turned least".split(), 1)
        least |= {"images": 2, "sampled": 1, "local": 1, "whiten_images": 2}
        for key, minimum in least.items():
            if (number := getattr(self, key)) < minimum:
                raise InputError(f"descriptor.{key}: {number} is less than {minimum}")
        for key, most in (("cell", inf), ("sector", 360.0), ("classes_rate", inf), ("crop", 1.0)):
            if not 0 < (value := getattr(self, key)) <= most or value == inf:
                raise InputError(f"descriptor.{key}: {value} is not above 0 and up to {most:g}")
        if not 0 <= self.flip <= 1:
            raise InputError(f"descriptor.flip: {self.flip} is not a share from 0 to 1")
        if self.jitter and (len(self.jitter) != AUGMENTATIONS or not 0 <= min(self.jitter) < inf):
            raise InputError(
                f"descriptor.jitter: {self.jitter}, expected four numbers from 0: brightness, "
                "contrast, saturation, hue"
            )
        self.pixels()

    def pixels(self) -> tuple[int, int]:
        """Height and width of ``size``."""
        found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", self.size)
        if found is None or not int(found[1]) or not int(found[2]):
            raise InputError(f"descriptor.size: '{self.size}', expected HEIGHTxWIDTH in pixels")
        return int(found[1]), int(found[2])
