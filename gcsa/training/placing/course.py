"""One training of the network of places: its questions, gradients and epochs.

What is learned is the place loss of the corrected posterior; and, of queries that know no positions
of the database, which of the images are relevant, as no kernel says it there.
"""

from __future__ import annotations

import logging

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from gcsa import distributed
from gcsa.config import Config
from gcsa.errors import InputError
from gcsa.losses.place import place_loss
from gcsa.models.place import Correction, PlaceNet
from gcsa.models.place_files import load_place
from gcsa.places.calibrating import calibrated
from gcsa.places.calibration import Calibration
from gcsa.places.inputs import FEATURES, PAIRS
from gcsa.places.learned import FAINT
from gcsa.ranking.lists import Ranking
from gcsa.rerankers.posterior import PosteriorConfig, posterior
from gcsa.scoring.split import JudgedScene, prepare
from gcsa.sideinfo.rules import Rule
from gcsa.training.optimisation import Optimised, check_finite, epoch_bar
from gcsa.training.placing.augmentation import Prepared, Read, prepared
from gcsa.training.placing.batches import Group, drawn, joined, list_length
from gcsa.training.placing.questions import training_questions

logger = logging.getLogger(__name__)

# Of the loss of relevance, summed over a list, beside that of the place.
RELEVANCE = 0.1


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
        now = [prepared(q, self.config.place, random) for q in self.questions]
        batches = drawn([len(q) for q in self.questions], self.config.data.batch_size, random)
        self.model.train()
        total, count = 0.0, 0
        with epoch_bar(number, len(batches), "batch") as bar:
            for step, batch in enumerate(batches, start=1):
                K = list_length(self.config.place.shortest, self.config.model.K, random)
                loss, size = self._step(now, batch, K)
                check_finite(loss, number, step)
                total, count = total + loss * size, count + size
                bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
                bar.update()
        self.end_epoch()
        sums = distributed.sum_of(torch.tensor([total, count], dtype=torch.float64))
        return float(sums[0] / sums[1])

    def _step(self, now: list[Prepared], batch: list[Group], K: int) -> tuple[float, int]:
        """One step of the optimiser; returns this process's loss before it, and its queries."""
        own = batch[distributed.share(len(batch))] or batch[:1]
        size = sum(len(rows) for _, rows in batch)
        layers = self.model.pairs is not None
        parts = [now[scene].read(rows, K, self.model.keys, layers) for scene, rows in own]
        read = joined(parts)
        loss = loss_of(self._correction(read), read)
        share = len(read.weight) * distributed.size() / size
        if len(batch) < distributed.size() and distributed.rank() >= len(batch):
            share = 0.0
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss * share).backward()
        self.update()
        return loss.item(), len(read.weight) if share else 0

    def _correction(self, read: Read) -> Correction:
        given = (read.inputs.tokens, read.inputs.pairs, read.inputs.keys, read.inputs.seen)
        moved = (None if tensor is None else tensor.to(self.device) for tensor in given)
        found: Correction = self.network(*moved)
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


def loss_of(change: Correction, read: Read) -> Tensor:
    """The weighted mean of the place loss, and the loss of relevance of queries without positions.

    The latter is the cross-entropy of each listed image, from the probability that the query was
    taken there.
    """
    evidence, valid = read.evidence, read.evidence.valid
    logits, none = evidence.total + change.evidence, evidence.none + change.none
    weight = read.weight / read.weight.sum().clamp(min=FAINT)
    loss = (weight * place_loss(logits, none, read.relevant, valid)).sum()
    if not read.apart.any():
        return loss + 0 * change.relevance.sum()
    with torch.no_grad():
        chance = torch.softmax(torch.cat([logits, none[:, None]], dim=1), dim=1)[:, :-1]
        known = torch.logit(chance.clamp(FAINT, 1 - FAINT))
    each = functional.binary_cross_entropy_with_logits(
        known + change.relevance, read.relevant.float(), reduction="none"
    )
    return loss + RELEVANCE * (weight * read.apart * (each * valid).sum(1)).sum()


def make_place(config: Config, fresh: bool) -> PlaceNet:
    """The network as the settings say: of train.checkpoint, or one that changes nothing yet."""
    torch.manual_seed(config.train.seed)
    sizes = config.place
    made = PlaceNet(
        FEATURES, PAIRS, sizes.width, sizes.layers, sizes.heads, sizes.hidden, sizes.keys
    )
    if not fresh or not config.train.checkpoint:
        return made
    found = load_place(config.train.checkpoint, FEATURES, PAIRS)
    if found.sizes != made.sizes:
        raise InputError(
            f"{config.train.checkpoint}: has the sizes {found.sizes}, the settings of section "
            f"place say {made.sizes}"
        )
    return found.train()
