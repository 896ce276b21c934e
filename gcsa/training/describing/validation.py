"""How well a network's descriptors find places: the validation scenes described and searched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from gcsa.config import Config
from gcsa.datasets.images import ImageFile, image_path, missing
from gcsa.datasets.readers import reader, scene_names
from gcsa.errors import InputError
from gcsa.evaluation.listed import ListedTruth
from gcsa.evaluation.metrics import KS
from gcsa.evaluation.truth import Truth
from gcsa.ranking.lists import Ranking
from gcsa.ranking.retrieval import retrieve
from gcsa.scene import ImageSet, Scene
from gcsa.scoring.split import JudgedScene
from gcsa.sideinfo.affinity import SideInformation
from gcsa.training.describing.collection import without_descriptors

# Paths -> descriptors (n, D), float32 of unit length.
Describe = Callable[[list[ImageFile]], np.ndarray]


class Validation:
    """The validation scenes of the settings, or those of another split.

    They are without descriptors until a network makes them.
    """

    def __init__(self, config: Config, split: str = "val"):
        self.config, self.data = config, without_descriptors(config.data)
        self.scenes: dict[str, tuple[Scene, Truth | ListedTruth | None]] = {
            name: reader(self.data).read(self.data, name, split)
            for name in scene_names(self.data, split)
        }
        for name, (scene, _) in self.scenes.items():
            paths = [path for images in _roles(scene) for path in self._paths(name, images)]
            if lost := missing(paths):
                raise InputError(f"{lost[0]}: no such photo, nor {len(lost) - 1} others")

    def __len__(self) -> int:
        return sum(len(images) for scene, _ in self.scenes.values() for images in _roles(scene))

    def ranked(
        self, describe: Describe, device: torch.device, num: int = max(KS)
    ) -> tuple[list[JudgedScene], list[Ranking]]:
        """Each scene with descriptors, and the ``num`` database images most alike to each query."""
        scenes: list[JudgedScene] = []
        for name, (scene, truth) in self.scenes.items():
            database, queries = (
                replace(images, descriptors=describe(self._paths(name, images)).astype(np.float16))
                for images in _roles(scene)
            )
            described = replace(scene, database=database, queries=queries)
            candidates = retrieve(described, num, device, self.data.searching)
            side = SideInformation(described, [], self.config.fov, self.data.unknown_radio)
            scenes.append(JudgedScene(described, candidates, side, None, truth))
        return scenes, [scene.candidates for scene in scenes]

    def _paths(self, scene: str, images: ImageSet) -> list[ImageFile]:
        return [image_path(self.data, scene, str(name)) for name in images.names]


def _roles(scene: Scene) -> tuple[ImageSet, ImageSet]:
    return scene.database, scene.queries
