"""A scene's database made ready once: where were these queries taken, asked again and again."""

from __future__ import annotations

import torch

from gcsa.config import Config
from gcsa.places.located import Located
from gcsa.places.locator import Locator
from gcsa.ranking.lists import Ranking
from gcsa.ranking.nearby import with_nearby
from gcsa.ranking.retrieval import Retrieval
from gcsa.rerankers import DEFAULT
from gcsa.rerankers.place import open_network
from gcsa.rerankers.posterior import PosteriorConfig, weighed
from gcsa.scene import Scene
from gcsa.scoring.calibration import calibration_for, network_for
from gcsa.sideinfo.rules import Rule


class Prepared:
    """What ``gcsa locate`` knows of a scene's database; of its queries it keeps nothing.

    method: of :data:`gcsa.rerankers.LOCATING`. Read and calibrated once; not for several threads at
    a time.
    """

    def __init__(self, scene: Scene, config: Config, device: torch.device, method: str = DEFAULT):
        self.scene = scene
        self._near = config.data.near_device
        self._settings = PosteriorConfig(**vars(config.posterior))
        network = None
        if method == "place":
            network = open_network(network_for(config, scene), str(device))
        self._settings.check()
        calibration, rule = calibration_for(config, scene), Rule.of(config.data.val_labels)
        self._retrieval = Retrieval(scene, config.model.K, device, config.data.searching)
        self._locator = Locator(scene, rule, config.fov, calibration, device, network)

    def locate(self, scene: Scene) -> tuple[Located, Ranking]:
        """The queries of ``scene``, which has this database, located; and their first round."""
        first = self._retrieval(scene)
        candidates = with_nearby(scene, first, self._near)
        return weighed(self._locator.asked(scene), candidates, self._settings), first
