"""What a run trains, whatever it is: an epoch of it, how well it does, what it goes on from."""

from __future__ import annotations

from typing import Any, Protocol

import torch

from gcsa.config import Config
from gcsa.descriptors.networks.network import Network
from gcsa.evaluation.metrics import KS
from gcsa.models.checkpoint import Model
from gcsa.models.place import PlaceNet
from gcsa.ranking.lists import Ranking
from gcsa.scoring.ranker import rerank
from gcsa.scoring.split import JudgedScene, prepare
from gcsa.training.describing.describing import Describing
from gcsa.training.placing.course import Placing
from gcsa.training.trainer import Trainer

Validated = tuple[list[JudgedScene], list[Ranking]]


class Course(Protocol):
    """words: what is measured before training. model: what checkpoints are of."""

    @property
    def words(self) -> str: ...

    @property
    def model(self) -> Model | Network | PlaceNet: ...

    @property
    def learning_rate(self) -> float: ...

    def epoch(self, number: int) -> float:
        """Train an epoch; returns its mean loss."""

    def validate(self, before: bool = False) -> Validated:
        """The validation scenes and their ranked lists, now or before training."""

    def state(self) -> dict[str, Any]:
        """What another one needs to go on from here, the model's tensors left out."""

    def load_state(self, state: dict[str, Any]) -> None: ...


class Reranking(Trainer):
    """GCSA or CSA on the scenes of the settings."""

    words = "without re-ranking"

    def __init__(self, config: Config, device: torch.device, fresh: bool):
        depth, kinds = max(config.model.K, config.model.L), config.model.affinity
        deepest = max(depth, max(KS))
        self.validation = prepare(config.data, config.fov, kinds, "val", deepest, device)
        scenes = prepare(config.data, config.fov, kinds, "train", depth, device)
        super().__init__(config, scenes, device, fresh)

    def validate(self, before: bool = False) -> Validated:
        model = None if before else self.model
        return self.validation, rerank(model, self.validation, self.config.data)


def open_course(config: Config, device: torch.device, fresh: bool) -> Course:
    """What the settings train. fresh: False where a state will replace its weights."""
    if config.train.system == "descriptor":
        return Describing(config, device, fresh)
    if config.train.system == "place":
        return Placing(config, device, fresh)
    return Reranking(config, device, fresh)
