"""``posterior``: all evidence for where a query was taken, weighed; see :mod:`gcsa.places`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gcsa.places import locator as locating
from gcsa.places.calibrating import calibrated
from gcsa.places.calibration import Calibration, read_calibration
from gcsa.places.located import Located, located
from gcsa.places.locator import Locator
from gcsa.places.logits import Logits
from gcsa.ranking.lists import Ranking
from gcsa.scene import Scene
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import Rule


@dataclass
class PosteriorConfig(locating.PosteriorConfig):
    """Parameters of :func:`posterior`."""

    rule: str = ""  # what is relevant, like dist@10; empty: what the data set's labels say
    K: int = 0  # candidates re-ranked; 0, or where devices report positions: all listed


def posterior(
    scene: Scene,
    candidates: Ranking,
    config: PosteriorConfig,
    rule: Rule,
    fov: FovConfig,
    calibration: Calibration | None = None,
    device: torch.device | str = "cpu",
    left_out: np.ndarray | None = None,
    logits: Logits | None = None,
) -> Located:
    """The candidates by the posterior over places, with position, radius and confidence.

    rule: what is relevant, where the config says nothing else. calibration: None reads the file
    that the config names, or calibrates on the scene's own database. logits: what a network says
    of the first candidates, in the place of evidence that it has read; only these are re-ranked.
    """
    config.check()
    rule = Rule.of(config.rule) if config.rule else rule
    if calibration is None and config.calibration:
        calibration = read_calibration(Path(config.calibration))
    if calibration is None:
        calibration = calibrated(scene, rule, fov, candidates.indices.shape[1])
    locator = Locator(scene, rule, fov, calibration, device)
    return weighed(locator, candidates, config, left_out, logits)


def weighed(
    locator: Locator,
    candidates: Ranking,
    config: PosteriorConfig,
    left_out: np.ndarray | None = None,
    logits: Logits | None = None,
) -> Located:
    """:func:`posterior` by a locator that is made ready already."""
    # What joined a list because it is near the device's position is least alike, and stands last.
    K = config.K if locator.scene.queries.positions is None else 0
    if logits is not None:
        K = logits.values.shape[1]
    return located(locator, candidates, config, K, left_out, logits)
