"""``place``: the posterior corrected by a trained network, :mod:`gcsa.models.place`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from gcsa.models.place import PlaceNet
from gcsa.models.place_files import load_place
from gcsa.places.calibration import Calibration
from gcsa.places.inputs import FEATURES, PAIRS
from gcsa.places.located import Located
from gcsa.ranking.lists import Ranking
from gcsa.rerankers import posterior as analytic
from gcsa.scene import Scene
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import Rule


@dataclass
class PlaceMethodConfig(analytic.PosteriorConfig):
    """Parameters of :func:`place`."""

    checkpoint: str = ""  # of the network; empty: the one that ships


def place(
    scene: Scene,
    candidates: Ranking,
    config: PlaceMethodConfig,
    rule: Rule,
    fov: FovConfig,
    calibration: Calibration | None = None,
    device: torch.device | str = "cpu",
    left_out: np.ndarray | None = None,
) -> Located:
    """As :func:`gcsa.rerankers.posterior.posterior`, with what the network adds to the evidence."""
    network = open_network(config.checkpoint, str(device))
    given = scene, candidates, config, rule, fov, calibration, device, left_out
    return analytic.posterior(*given, network=network)


@lru_cache(maxsize=4)
def open_network(file: str, device: str = "cpu") -> PlaceNet:
    """The network of a checkpoint, or the one that ships; read once."""
    return load_place(file or shipped(), FEATURES, PAIRS, device)


def shipped() -> Path:
    """The checkpoint that comes with the package, in it or beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "checkpoints" / SHIPPED
    return inside if inside.is_file() else package.parent / "checkpoints" / SHIPPED


SHIPPED = "place_universal.pth.tar"
