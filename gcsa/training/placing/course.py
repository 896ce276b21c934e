"""One training of the network of places: its questions, gradients and epochs.

What is learned is the place loss of the corrected posterior; and, of queries that know no positions
of the database, which of the images are relevant, as no kernel says it there.
"""

from __future__ import annotations

import logging

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from gcsa import distributed
from gcsa.config import Config
from gcsa.errors import InputError
from gcsa.models.place import Correction, PlaceNet
from gcsa.models.place_files import load_place
from gcsa.places.calibrating import calibrated
from gcsa.places.calibration import Calibration
from gcsa.places.inputs import FEATURES, OF_KINDS, PAIRS
from gcsa.ranking.lists import Ranking
from gcsa.rerankers.posterior import PosteriorConfig, posterior
from gcsa.scoring.split import JudgedScene, prepare
from gcsa.sideinfo.rules import Rule
from gcsa.training.optimisation import Optimised, check_finite, epoch_bar
from gcsa.training.placing.augmentation import Read
from gcsa.training.placing.batches import drawn, reads
from gcsa.training.placing.objective import loss_of
from gcsa.training.placing.questions import training_questions

logger = logging.getLogger(__name__)


class Placing(Optimised):
    """The network of places, its optimiser, and epochs over the questions of the scenes."""

    words = "the posterior, before training"
    model: PlaceNet

    def __init__(self, config: Config, device: torch.device, fresh: bool):
        self.config, self.device = config, device
        self.model = make_place(config, fresh).to(device)
        self.validation = prepare(config.data, config.fov, [], "val", config.model.K, device)
        self.questions = training_questions(config, device)
        lengths = [len(q) for q in self.questions]
        logger.info("%d training queries in %d lists of questions", sum(lengths), len(lengths))
        steps = len(drawn(lengths, config.data.batch_size, np.random.default_rng(0)))
        self.prepare(self.model.parameters(), config.train, steps, device)
        self.network: nn.Module = self.model
        if distributed.size() > 1:
            self.network = DistributedDataParallel(self.model)
        self._calibrations: dict[str, Calibration] = {}

    def epoch(self, number: int) -> float:
        """Train on every question once; returns the mean loss.

        All chance of an epoch (order, noise, what is unknown, lengths of lists) follows from the
        seed and its number: a resumed run repeats what an uninterrupted one does.
        """
        random = np.random.default_rng([self.config.train.seed, number])
        place, K = self.config.place, self.config.model.K
        batches = reads(self.questions, place, self.model, K, self.config.data.batch_size, random)
        self.model.train()
        total, count = 0.0, 0.0
        with epoch_bar(number, self.steps, "batch") as bar:
            for step, (read, share) in enumerate(batches, start=1):
                loss = loss_of(self._correction(read), read, self.model.residual)
                self.optimizer.zero_grad(set_to_none=True)
                self.scaler.scale(loss * share).backward()
                self.update()
                check_finite(loss.item(), number, step)
                size = len(read.weight) if share else 0
                total, count = total + loss.item() * size, count + size
                bar.set_postfix(loss=f"{loss.item():.4f}", refresh=False)
                bar.update()
        self.end_epoch()
        sums = distributed.sum_of(torch.tensor([total, count], dtype=torch.float64))
        return float(sums[0] / sums[1])

    def _correction(self, read: Read) -> Correction:
        found: Correction = self.network(*read.inputs.to(self.device))
        return Correction(*(tensor.float().cpu() for tensor in found))

    def validate(self, before: bool = False) -> tuple[list[JudgedScene], list[Ranking]]:
        """The validation scenes and their lists, by the posterior alone before training."""
        network = None if before else self.model
        return self.validation, [self._ranked(judged, network) for judged in self.validation]

    def _ranked(self, judged: JudgedScene, network: PlaceNet | None) -> Ranking:
        config, scene = self.config, judged.scene
        rule = Rule.of(config.data.val_labels)
        if scene.name not in self._calibrations:
            found = calibrated(scene, rule, config.fov, config.model.K)
            self._calibrations[scene.name] = found
        settings = PosteriorConfig(**vars(config.posterior), K=config.model.K)
        given = scene, judged.candidates, settings, rule, config.fov
        calibration = self._calibrations[scene.name]
        return posterior(*given, calibration, self.device, network=network)


def make_place(config: Config, fresh: bool) -> PlaceNet:
    """The network as the settings say: of train.checkpoint, or one that changes nothing yet."""
    torch.manual_seed(config.train.seed)
    sizes = config.place
    inside = sizes.width, sizes.layers, sizes.heads, sizes.hidden, sizes.keys, sizes.residual
    made = PlaceNet(FEATURES, PAIRS, *inside)
    # What training never sees (a device's position, say) must say nothing of itself afterwards.
    with torch.no_grad():
        next(made.embed.parameters())[:, OF_KINDS] = 0
    if not fresh or not config.train.checkpoint:
        return made
    found = load_place(config.train.checkpoint, FEATURES, PAIRS)
    if found.sizes != made.sizes:
        raise InputError(
            f"{config.train.checkpoint}: has the sizes {found.sizes}, the settings of section "
            f"place say {made.sizes}"
        )
    return found.train()
