"""One training of a descriptor network: its photos, batches, gradients and epochs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gcsa import distributed
from gcsa.config import Config
from gcsa.descriptors import whitening
from gcsa.descriptors.networks import load_network
from gcsa.descriptors.networks.network import Network
from gcsa.errors import InputError
from gcsa.files import reading
from gcsa.imaging import Source
from gcsa.losses import make_loss
from gcsa.ranking.lists import Ranking
from gcsa.scoring.split import JudgedScene
from gcsa.training.describing.augmentation import Augmentation
from gcsa.training.describing.batches import Batches, Step
from gcsa.training.describing.collection import collect
from gcsa.training.describing.frozen import Frozen, kept_frozen
from gcsa.training.describing.groups import Groups
from gcsa.training.describing.making import find_centres, freeze, make_network, to_train
from gcsa.training.describing.passes import backward, parts
from gcsa.training.describing.photos import Photos
from gcsa.training.describing.places import Places
from gcsa.training.describing.tuples import Tuples
from gcsa.training.describing.validation import Validation
from gcsa.training.optimisation import Optimised, check_finite, epoch_bar

logger = logging.getLogger(__name__)

AT_ONCE = 32  # photos that are described at once where nothing is trained
LEAST_VARIANCE = 1e-9  # what is added to the variances that a whitening divides by


class Describing(Optimised):
    """A descriptor network, its optimiser, and epochs over the photos of the training scenes."""

    words = "before training"
    model: Network

    def __init__(self, config: Config, device: torch.device, fresh: bool):
        self.config, self.device = config, device
        settings = config.descriptor
        torch.manual_seed(config.train.seed)
        network, whole = make_network(config, fresh)
        self.model = network.to(device)
        self.trained = freeze(network.body, settings.freeze)
        self.validation = Validation(config)
        self.collection = collect(config)
        augmentation = Augmentation.of(settings)
        workers = config.data.num_workers
        self.photos = Photos(self.collection.paths, network.resizing, augmentation, workers)
        self.batches = self._choose_batches()
        self._check_norms()
        self.prepare(self.trained, config.train, self.batches.steps, device, spared=False)
        if fresh and not whole:
            network.eval()
            find_centres(network, self.photos, self.collection.database, config, device)
        self.frozen = self._kept()

    def _choose_batches(self) -> Batches:
        config, collection = self.config, self.collection
        loss = make_loss(config.train.loss, config.loss, config.train.skip_empty)
        if config.descriptor.batches == "tuples":
            return Tuples(config, collection, loss)
        if config.descriptor.batches == "places":
            return Places(config, collection, loss)
        return Groups(config, collection, loss, self.model.length, self.device)

    def _kept(self) -> Frozen | None:
        if self.photos.augmentation != Augmentation():
            return None
        count = len(self.collection) + len(self.validation)
        data, last = self.config.data, self.config.descriptor.freeze
        return kept_frozen(self.model, last, count, data.memory, self.device)

    def _check_norms(self) -> None:
        settings = self.config.descriptor
        if settings.batch_norm == "train" and (settings.chunk or distributed.size() > 1):
            raise InputError(
                "descriptor.batch_norm=train: the statistics are of a batch, which neither "
                "descriptor.chunk nor several processes may divide"
            )

    def epoch(self, number: int) -> float:
        """Train on an epoch's batches; returns the mean loss.

        All chance of an epoch (batches, augmentation, dropout) follows from the seed and its
        number: a resumed run repeats what an uninterrupted one does.
        """
        self.model.whiten(None)
        total, count = 0.0, 0
        with epoch_bar(number, self.batches.steps, "batch") as bar:
            steps = self.batches.epoch(number, self._all)
            for place, step in enumerate(steps, start=1):
                to_train(self.model, self.config.descriptor)
                loss = float(self._step(step, (self.config.train.seed, number, place)))
                check_finite(loss, number, place)
                total, count = total + loss * step.size, count + step.size
                bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
                bar.update()
        self.end_epoch()
        if self.config.descriptor.whiten:
            self._whiten(number)
        return total / count

    def _step(self, step: Step, seed: Sequence[int]) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)

        def describe(share: slice) -> Tensor:
            # Dropout is drawn alike each time that these photos are described.
            torch.manual_seed(hash((*seed, share.start)) % 2**63)
            return self._described(self.photos, step.images[share], seed, share.start)

        shares = parts(len(step.images), self.config.descriptor.chunk)
        loss = backward(shares, describe, step.loss, self.scaler.scale, self.trained)
        self.update(*self.batches.optimizers)
        return loss

    def _described(
        self,
        photos: Photos,
        rows: np.ndarray,
        seed: Sequence[int] | None = None,
        first: int = 0,
    ) -> Tensor:
        """Descriptors (n, D) of photos; seed, first: of their augmentation, None for none."""
        network = self.model
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None):
            if self.frozen is None:
                x = network.normalise(photos.read(rows, seed, first).to(self.device))
            else:
                network, paths = self.frozen.network, [photos.paths[row] for row in rows]
                x = self.frozen.of(paths, lambda new: photos.read(rows[new]), AT_ONCE)
            described: Tensor = network(x)
        return described

    def _all(self) -> Tensor:
        """Descriptors (N, D) of all training photos, as the network is now, not augmented."""
        described = self.describe(self.collection.paths)
        return torch.from_numpy(described).to(self.device)

    @torch.no_grad()
    def describe(self, paths: Sequence[Source]) -> np.ndarray:
        """Descriptors (n, D) float32 of photos, of which each process describes a share."""
        self.model.eval()
        own = list(paths[distributed.share(len(paths))])
        photos = Photos(own, self.photos.resize, self.photos.augmentation, self.photos.workers)
        photos.pool = self.photos.pool
        rows = np.arange(len(own))
        found = [
            self._described(photos, rows[i : i + AT_ONCE]).float().cpu().numpy()
            for i in range(0, len(own), AT_ONCE)
        ]
        empty = np.empty((0, self.model.length), dtype=np.float32)
        return distributed.gathered(np.concatenate([empty, *found]))

    def _whiten(self, number: int) -> None:
        """End the network with a PCA whitening of the training database's descriptors."""
        settings, database = self.config.descriptor, self.collection.database
        random = np.random.default_rng([self.config.train.seed, number, settings.whiten])
        count = min(settings.whiten_images, len(database))
        rows = np.sort(random.choice(database, count, replace=False))
        if count <= settings.whiten:
            raise InputError(
                f"descriptor.whiten: {settings.whiten} numbers of {count} photos; expected fewer "
                "numbers than photos of the training databases"
            )
        described = self.describe([self.collection.paths[row] for row in rows])
        fitted = whitening.fit(described, settings.whiten)
        assert fitted.variances is not None
        axes = fitted.components / np.sqrt(fitted.variances + LEAST_VARIANCE)[:, None]
        found = torch.from_numpy(fitted.mean), torch.from_numpy(axes)
        self.model.whiten((found[0].to(self.device), found[1].to(self.device)))

    def load(self, path: Path) -> None:
        """Take the weights and the whitening of a checkpoint of this training."""
        trained = load_network(path)
        with reading(path, "a checkpoint of this run"):
            self.model.load_state_dict(trained.state_dict())
        mean, axes = trained.whitening_mean, trained.whitening_axes
        found = None if mean is None or axes is None else (mean, axes)
        self.model.whiten(found and (found[0].to(self.device), found[1].to(self.device)))

    def validate(self, before: bool = False) -> tuple[list[JudgedScene], list[Ranking]]:
        """The validation scenes as the network describes them now, and their ranked lists."""
        return self.validation.ranked(self.describe, self.device)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "tuples": self.batches.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        if "optimizer" in state:
            self.batches.load_state(state["tuples"])
