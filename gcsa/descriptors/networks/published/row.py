"""One row of the table, and what several rows name."""

from __future__ import annotations

from dataclasses import dataclass

from gcsa.descriptors.networks.preprocessing import IMAGENET, Normalise, Resize

GITHUB = "https://github.com"
HUGGING = "https://huggingface.co"
DRIVE = "https://drive.google.com/file/d"
MEGALOC = "MegaLoc's table 1"
README = "its README"
GSV = "GSV-Cities (CC BY-NC-ND, not for commercial use)"
SFXL = "SF-XL (not for commercial use)"
MSLS = "MSLS (CC BY-NC-SA, not for commercial use)"
LVD = "LVD-142M"


@dataclass(frozen=True)
class Published:
    """One network, or the same one at several lengths.

    family: the key of gcsa.descriptors.networks.families. lengths: of the descriptors.
    file: its name as published; {length} stands for the length, and a word of ``hints`` in a
    file's name tells it from another network of the same tensors. where: it is published.
    licence: of the code and weights; data: the images it was trained on, and theirs.
    """

    name: str
    family: str
    backbone: str
    lengths: tuple[int, ...]
    file: str
    where: str
    licence: str
    data: str
    resize: Resize = Resize()
    normalise: Normalise = IMAGENET
    figures: str = ""
    hints: tuple[str, ...] = ()
