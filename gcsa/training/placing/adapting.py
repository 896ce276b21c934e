"""The network of places adapted to one database by its own images, and kept where that helps.

A part of the database is held out: its drives (sessions) are queries of neither training nor the
calibration of what is compared. What is kept must have the lower place loss there, and find no
fewer places, than the posterior alone and than the network that it started from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from gcsa.errors import InputError
from gcsa.losses.place import place_loss
from gcsa.models.place import PlaceConfig, PlaceNet
from gcsa.places.calibrating import LEAST, calibrated
from gcsa.places.settings import PosteriorConfig
from gcsa.scene import Scene
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import Rule
from gcsa.training.placing.augmentation import prepared
from gcsa.training.placing.batches import GROUP, reads
from gcsa.training.placing.objective import loss_of
from gcsa.training.placing.questions import Questions, own_questions

HELD = 0.3  # share of the queries that is held out
EPOCHS, RATE, SIZE = 4, 3e-4, 16


@dataclass(frozen=True)
class Held:
    """On the held-out part: the place loss, nats; recall@1 of the most probable candidate."""

    loss: float
    recall: float


@dataclass(frozen=True, eq=False)
class Adapted:
    """An adapted network, and what was found on the held-out part. better: whether to keep it."""

    network: PlaceNet
    posterior: Held
    before: Held
    after: Held
    queries: int

    @property
    def better(self) -> bool:
        others = (self.posterior, self.before)
        return all(self.after.loss < o.loss and self.after.recall >= o.recall for o in others)


def adapted(
    scene: Scene,
    rule: Rule,
    fov: FovConfig,
    start: PlaceNet,
    num: int,
    seed: int = 0,
    verify: int = PosteriorConfig.verify,
) -> Adapted:
    """``start`` adapted to the database of a scene, for lists of ``num`` candidates.

    verify: candidates whose local features are matched, at most, where the scene has any.
    """
    known = scene.database.positions
    if known is None or int(np.isfinite(known).all(1).sum()) < LEAST:
        raise InputError(f"{scene.name}: --learn needs the positions of {LEAST} database images")
    calibration = calibrated(scene, rule, fov, num)
    every = replace(own_questions(scene, rule, fov, calibration, num), verify=verify)
    held = held_out(every, seed)
    if not every.relevant[held].any() or held.all():
        raise InputError(
            f"{scene.name}: --learn needs places that were photographed on several occasions"
        )
    train, test = (every.of_rows(np.flatnonzero(part)) for part in (~held, held))
    network = PlaceNet(**start.sizes)
    network.load_state_dict(start.state_dict())
    _train(network, train, num, seed)
    bare, before, after = (measured(net, test, num) for net in (None, start, network))
    return Adapted(network.eval(), bare, before, after, len(every))


def held_out(questions: Questions, seed: int) -> np.ndarray:
    """Which queries are held out, (Q,) bool: whole drives, or a stretch where there is one."""
    names = questions.scene.database.names.tolist()
    groups = questions.scene.database.sequences
    rows = np.array([names.index(name) for name in questions.scene.queries.names])
    if groups is None or len(np.unique(groups[rows])) < 4:
        return np.arange(len(rows)) >= (1 - HELD) * len(rows)
    each, number = np.unique(groups[rows], return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(each))
    return order[number] < HELD * len(each)


def _train(network: PlaceNet, questions: Questions, num: int, seed: int) -> None:
    config = PlaceConfig(shortest=min(31, num))
    torch.manual_seed(seed)
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.05)
    for epoch in range(EPOCHS):
        random = np.random.default_rng([seed, epoch])
        for read, _ in reads([questions], config, network, num, SIZE, random):
            optimizer.zero_grad(set_to_none=True)
            loss_of(network(*read.inputs), read, network.residual).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()


@torch.no_grad()
def measured(network: PlaceNet | None, questions: Questions, num: int) -> Held:
    """What a network, or the posterior alone, finds of queries, each by its weight."""
    bare = PlaceConfig(drop=0.0, compass_noise=0.0, position_noise=0.0)
    now = prepared(questions, bare, np.random.default_rng(0))
    layers, keys = network is not None and network.pairs is not None, bare.keys
    losses, hits = [], []
    for start in range(0, len(questions), GROUP):
        rows = np.arange(start, min(start + GROUP, len(questions)))
        read = now.read(rows, num, keys if network is None else network.keys, layers)
        logits, none = read.evidence.total, read.evidence.none
        if network is not None:
            change = network.eval()(*read.inputs)
            logits, none = read.evidence.corrected(change, network.residual)
        losses.append(place_loss(logits, none, read.relevant, read.evidence.valid))
        best = logits.argmax(1, keepdim=True)
        hits.append(read.relevant.gather(1, best)[:, 0].float())
    weight = torch.from_numpy(questions.weight).float()
    known = weight * torch.from_numpy(questions.relevant.any(1)).float()
    loss = (weight * torch.cat(losses)).sum() / weight.sum()
    recall = (known * torch.cat(hits)).sum() / known.sum().clamp(min=1e-9)
    return Held(float(loss), float(recall))


def words(found: Adapted) -> str:
    """What was found, in plain sentences."""
    lines = [
        f"{name}: place loss {held.loss:.3f}, recall@1 {100 * held.recall:.1f}"
        for name, held in (
            ("the posterior alone", found.posterior),
            ("the network as it was", found.before),
            ("adapted", found.after),
        )
    ]
    kept = "kept" if found.better else "not kept: it is not better than both"
    return "\n".join([f"On the held-out part of {found.queries} own images:", *lines, kept + "."])
