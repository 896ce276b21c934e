"""``posterior``: all evidence for where a query was taken, weighed; see :mod:`gcsa.places`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from gcsa.distributed import from_first
from gcsa.distributed.work import Arrays, divided, pieces_of, pieces_of_groups
from gcsa.models.place import PlaceNet
from gcsa.places import settings as locating
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
    network: PlaceNet | None = None,
) -> Located:
    """The candidates by the posterior over places, with position, radius and confidence.

    rule: what is relevant, where the config says nothing else. calibration: None reads the file
    that the config names, or calibrates on the scene's own database. logits: what a network says
    of the first candidates, in the place of evidence that it has read; only these are re-ranked.
    network: what corrects the evidence.
    Several processes divide the queries, sequences as a whole where their frames help each other.
    """
    config.check()
    rule = Rule.of(config.rule) if config.rule else rule
    if calibration is None and config.calibration:
        calibration = read_calibration(Path(config.calibration))
    if calibration is None:
        listed = candidates.indices.shape[1]
        calibration = from_first(lambda: calibrated(scene, rule, fov, listed))
    locator = Locator(scene, rule, fov, calibration, device, network)
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
    scene = locator.scene
    K = config.K if scene.queries.positions is None else 0
    if logits is not None:
        K = logits.values.shape[1]

    def work(rows: np.ndarray) -> Arrays:
        gone = None if left_out is None else left_out[rows]
        said = None if logits is None else replace(logits, values=logits.values[rows])
        asked = locator.of_queries(rows), candidates.of_rows(rows)
        found = vars(located(*asked, config, K, gone, said)).items()
        return {name: values for name, values in found if name != "calibration"}

    def about() -> object:
        return "posterior", scene, candidates, config, locator.about, left_out, logits

    pieces, sequences = pieces_of(len(candidates)), scene.queries.sequences
    if config.sequences != "off" and sequences is not None:
        pieces = pieces_of_groups(sequences)
    return Located(**divided(pieces, work, about), calibration=locator.calibration)
