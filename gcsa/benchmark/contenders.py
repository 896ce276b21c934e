"""What is compared: re-rankers that need no training, checkpoints, and fusions with these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any

import torch

from gcsa.config import Config
from gcsa.errors import InputError
from gcsa.models.checkpoint import Model
from gcsa.places.calibrating import calibrated
from gcsa.ranking.lists import Ranking
from gcsa.rerankers import LOCATING, NAMES, PLACES, method
from gcsa.rerankers.fusion import NORMALISATIONS, fuse
from gcsa.rerankers.similarity import FromDescriptors
from gcsa.scoring.ranker import open_checkpoint, rerank
from gcsa.scoring.split import JudgedScene
from gcsa.sideinfo.affinity import SideInformation
from gcsa.sideinfo.rules import Rule

FIRST_ROUND = "no re-ranking"
FUSION_GRID: dict[str, list] = {
    "weight": [0.1, 0.3, 0.5, 0.7, 0.9],
    "normalise": list(NORMALISATIONS),
}
FUSION_DEFAULTS = {"weight": 0.5, "normalise": "min-max"}

# Settings by keyword -> re-ranked lists of the scene that it was started on.
Tried = Callable[..., Ranking]


@dataclass(frozen=True, eq=False)
class Trained:
    """A checkpoint. kinds: of side information. config: with the geometry it was trained with."""

    name: str
    model: Model
    kinds: Sequence[str]
    config: Config


@dataclass(frozen=True, eq=False)
class Contender:
    """One row of the comparison.

    start: what is common to all settings of a scene, and then each of them: ``start(scene)(k=3)``.
    settings: those of the defaults. grid: values worth trying of some of them; the first key is
    the outermost loop, as :class:`gcsa.rerankers.Method` asks for. shown: what is told of it
    beside. trained: the checkpoint whose side information it reads, if any.
    """

    name: str
    start: Callable[[JudgedScene], Tried]
    settings: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Sequence] = field(default_factory=dict)
    shown: Mapping[str, Any] = field(default_factory=dict)
    trained: Trained | None = None


class Views:
    """The scenes of a split as each contender reads them: one set of candidates for all.

    read: heading convention -> scenes, their candidates retrieved. A checkpoint reads the side
    information that it knows, with the geometry it was trained with.
    """

    def __init__(self, read: Callable[[str], list[JudgedScene]], convention: str):
        self._read, self._convention = cache(read), convention
        self._seen: dict[Trained | None, list[JudgedScene]] = {}

    def of(self, trained: Trained | None) -> list[JudgedScene]:
        """The scenes as a checkpoint reads them; without one, as the settings say."""
        if trained is None:
            return self._read(self._convention)
        if trained not in self._seen:
            data, fov = trained.config.data, trained.config.fov
            self._seen[trained] = [
                replace(s, side=SideInformation(s.scene, trained.kinds, fov, data.unknown_radio))
                for s in self._read(data.heading_convention)
            ]
        return self._seen[trained]


def open_checkpoints(
    files: Mapping[str, str], config: Config, overrides: Sequence[str], device: torch.device
) -> list[Trained]:
    """The checkpoints {name: file}; overrides: of the command line, which go before theirs."""
    found = []
    for name, file in files.items():
        model, kinds, trained = open_checkpoint(file, config, overrides, device)
        found.append(Trained(name, model, kinds, trained))
    return found


def contenders(
    names: Iterable[str] | None,
    checkpoints: Sequence[Trained],
    num: int,
    device: torch.device,
    config: Config,
) -> list[Contender]:
    """All that re-rank the first ``num`` candidates. names: of gcsa.rerankers; None takes all."""
    found = [
        _by_place(name, num, config) if name in PLACES else _training_free(name, num, device)
        for name in (_all(config) if names is None else names)
    ]
    found += [_checkpoint(t) for t in checkpoints] + [_fusion(t) for t in checkpoints]
    taken = [FIRST_ROUND, *(c.name for c in found)]
    for name in taken:
        if taken.count(name) > 1:
            raise InputError(f"two methods are called '{name}'; --checkpoint NAME=FILE names one")
    return found


def _all(config: Config) -> list[str]:
    """All methods that the settings give data for."""
    return [name for name in NAMES if name != "geometric" or config.data.local_fn]


def _by_place(name: str, num: int, config: Config) -> Contender:
    known, rule = PLACES[name], Rule.of(config.data.val_labels)
    settings = {k: v for k, v in vars(known.config()).items() if k not in ("K", "rule")}
    if name in LOCATING:
        settings |= vars(config.posterior)
    if name == "place":
        settings["checkpoint"] = config.place.checkpoint

    def start(scene: JudgedScene) -> Tried:
        # A scene calibrates itself once, whatever is tried on it.
        common = {}
        if name in LOCATING:
            common["calibration"] = calibrated(scene.scene, rule, config.fov, num)

        def tried(**settings: Any) -> Ranking:
            asked = known.config(**settings, K=num)
            return known.rerank(scene.scene, scene.candidates, asked, rule, config.fov, **common)

        return tried

    return Contender(name, start, settings, known.grid)


def _training_free(name: str, num: int, device: torch.device) -> Contender:
    known = method(name)
    settings = {key: value for key, value in asdict(known.config()).items() if key != "K"}

    def start(scene: JudgedScene) -> Tried:
        # One for all settings: neighbours in the database are looked for once.
        similarity = FromDescriptors(scene.scene, device)

        def tried(**settings: Any) -> Ranking:
            return known.rerank(similarity, scene.candidates, known.config(**settings, K=num))

        return tried

    return Contender(name, start, settings, known.grid)


def _checkpoint(trained: Trained) -> Contender:
    def start(scene: JudgedScene) -> Tried:
        return lambda: _refined(trained, scene)

    shown: dict[str, Any] = {"L": trained.model.L, "affinity": ",".join(["visual", *trained.kinds])}
    return Contender(trained.name, start, shown=shown, trained=trained)


def _fusion(trained: Trained) -> Contender:
    def start(scene: JudgedScene) -> Tried:
        refined = _refined(trained, scene)
        return lambda **settings: fuse(scene.candidates, refined, **settings)

    name = f"{trained.name} + first round"
    return Contender(name, start, FUSION_DEFAULTS, FUSION_GRID, trained=trained)


def _refined(trained: Trained, scene: JudgedScene) -> Ranking:
    return rerank(trained.model, [scene], trained.config.data)[0]
