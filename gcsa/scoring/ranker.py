"""What re-ranks the lists of a split: nothing, a checkpoint, or a method without training.

A checkpoint brings its own K, L and kinds of side information; ``model.K=...`` on the command line
has it re-rank another number of candidates than it was trained with. One that carries settings of
ours is scored with the field of view and the heading convention it was trained with; one of the
published code with the published behaviours. What the command line says of them goes before both.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from omegaconf import OmegaConf

from gcsa import rerankers
from gcsa.config import Config, check_choices, check_field, merge
from gcsa.datasets.settings import DataConfig
from gcsa.errors import InputError
from gcsa.files import reading
from gcsa.models.checkpoint import Model, load_checkpoint, read_settings
from gcsa.models.place_files import is_place
from gcsa.places.logits import Logits
from gcsa.ranking.batches import RankedScene
from gcsa.ranking.lists import Ranking
from gcsa.ranking.refine import refine, scored
from gcsa.rerankers.fusion import Fusion, fuse
from gcsa.scene import Scene
from gcsa.scoring.calibration import calibration_for, network_for
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import Rule

logger = logging.getLogger(__name__)

# By posterior.sequences, for the protocol: a query that knows its neighbours in time is another
# task than one photo.
SEQUENCE_WORDS = {
    "off": "",
    "both": ", queries help each other within their sequence (both ways)",
    "online": ", queries help each other within their sequence (past frames alone)",
}


def open_checkpoint(
    path: str, config: Config, overrides: Sequence[str], device: torch.device
) -> tuple[Model, list[str], Config]:
    """A checkpoint's model, its kinds, and the config with the geometry it was trained with.

    overrides: those of the command line; a ``model.K`` among them is how many candidates the model
    re-ranks; InputError where another setting of ``model`` is not what the checkpoint has.
    """
    model, kinds = load_checkpoint(path, device, config.model)
    for name in ("input_dim", "output_dim", "L", "num_layers", "num_heads", "affinity"):
        has = kinds if name == "affinity" else getattr(model, name)
        asked = getattr(config.model, name)
        if f"model.{name}" in _keys(overrides) and asked != has:
            raise InputError(f"model.{name}: {asked}, but {path} has {has}; train another")
    if "model.K" in _keys(overrides):
        model.K = config.model.K
    return model, kinds, as_trained(config, path, overrides)


def as_trained(config: Config, path: str, overrides: Sequence[str]) -> Config:
    """The config with the geometry that a checkpoint was trained with; see the module's text.

    overrides: those of the command line, which go before the checkpoint's own.
    """
    settings = read_settings(path)
    if settings is None:
        logger.info("%s: carries no settings, scored as the published code does", path)
        fov, convention = replace(config.fov, cutoff="published"), "published"
    else:
        fov, convention = _geometry(settings, path)
    asked = _keys(overrides)
    kept = {f.name for f in fields(FovConfig) if f"fov.{f.name}" in asked}
    fov = replace(fov, **{name: getattr(config.fov, name) for name in kept})
    if "data.heading_convention" in asked:
        convention = config.data.heading_convention
    if settings is None:
        # The published code does not retrieve, and knows no image without radio.
        own: dict[str, Any] = {"candidates": "published", "unknown_radio": "published"}
    else:
        own = {"unknown_radio": settings["config"]["data"].get("unknown_radio", "zero")}
    own = {name: value for name, value in own.items() if f"data.{name}" not in asked}
    return replace(config, fov=fov, data=replace(config.data, heading_convention=convention, **own))


def _geometry(settings: dict[str, Any], path: str) -> tuple[FovConfig, str]:
    """The field of view and the heading convention in a checkpoint's settings, of their types."""
    with reading(path, "the settings that it was trained with, config.fov and config.data"):
        # Checkpoints of before the setting existed were trained the correct way.
        convention = settings["config"]["data"].get("heading_convention", "correct")
        given = {"fov": settings["config"]["fov"], "data": {"heading_convention": convention}}
        config: Any = OmegaConf.to_object(merge(OmegaConf.structured(Config()), given, path))
        check_choices(config)
        check_field(config.fov)
    return config.fov, config.data.heading_convention


@dataclass(frozen=True, eq=False)
class Ranker:
    """What re-orders first-round lists.

    name: what it is called. config: the settings that it ranks by, with the geometry that a
    checkpoint was trained with. kinds: of side information that a scene needs columns of. depth:
    candidates that it reads, 0 for none. rank: the lists of a scene, re-ordered. located: whether
    they follow from a posterior over places.
    """

    name: str
    config: Config
    kinds: list[str]
    depth: int
    rank: Callable[[RankedScene], Ranking]
    located: bool = False

    @property
    def how(self) -> str:
        """What a protocol says of the ranking: whether queries help each other."""
        if not self.located:
            return ""
        return SEQUENCE_WORDS[self.config.posterior.sequences]

    def rank_all(self, scenes: Sequence[RankedScene]) -> list[Ranking]:
        """The ranked lists of each scene."""
        return [self.rank(scene) for scene in scenes]


def open_ranker(
    config: Config,
    checkpoint: str | None = None,
    method: str | None = None,
    overrides: Sequence[str] = (),
    fusion: Fusion | None = None,
) -> Ranker:
    """A ranker by the file of a checkpoint, or by the name of a method; without both, none.

    A method re-ranks ``model.K`` candidates, with its default parameters; those that locate read
    sections posterior and place, and what is relevant from ``data.val_labels``. With a checkpoint
    that gives logits (``train.loss=place``) these are its evidence. overrides: the command line's
    ``section.key=value``, which the config holds already. fusion: with the first round's scores.
    """
    both = checkpoint is not None and method is not None
    if both and method != "posterior":
        raise InputError("--checkpoint and --method: only one of them, unless it is posterior")
    if fusion is not None and checkpoint is None and method is None:
        raise InputError(
            "--fusion: of the first round and a re-ranking; --checkpoint or --method is missing"
        )
    device = pick_device(config.train.device)
    if checkpoint is not None and is_place(checkpoint):
        trained = replace(config, place=replace(config.place, checkpoint=checkpoint))
        return _of_method(trained, "place", fusion, device)
    if checkpoint is not None:
        opened = open_checkpoint(checkpoint, config, overrides, device)
        by = _of_both if both else _of_checkpoint
        return by(checkpoint, *opened, fusion, device)
    if method is not None:
        return _of_method(config, method, fusion, device)
    return Ranker("no re-ranking", config, [], 0, lambda scene: scene.candidates)


def _of_checkpoint(
    file: str,
    model: Model,
    kinds: list[str],
    config: Config,
    fusion: Fusion | None,
    device: torch.device,
) -> Ranker:
    def rank(scene: RankedScene) -> Ranking:
        return rerank(model, [scene], config.data, fusion)[0]

    return Ranker(file, config, kinds, max(model.K, model.L), rank)


def _of_both(
    file: str,
    model: Model,
    kinds: list[str],
    config: Config,
    fusion: Fusion | None,
    device: torch.device,
) -> Ranker:
    """The posterior over places, by the logits of a checkpoint."""
    if model.head is None:
        raise InputError(
            f"{file}: gives cosines, and --method posterior with a checkpoint needs logits; train "
            "one with train.loss=place, or leave one of the two out"
        )
    located = _locating(config, "posterior", device)

    def rank(scene: RankedScene) -> Ranking:
        ahead = config.data.batch_size, config.data.num_workers
        found = scored(model, scene.scene, scene.candidates, scene.side, *ahead)
        return fused(scene.candidates, located(scene, Logits.of(found, kinds)), fusion)

    depth = max(model.K, model.L)
    return Ranker(f"posterior by {file}", config, kinds, depth, rank, located=True)


def _of_method(config: Config, name: str, fusion: Fusion | None, device: torch.device) -> Ranker:
    settings = rerankers.known(name).config(K=config.model.K)
    rule = Rule.of(config.data.val_labels)

    def by_name(scene: RankedScene) -> Ranking:
        given = scene.scene, scene.candidates, settings, rule, config.fov
        return rerankers.apply(name, *given, device)

    located = name in rerankers.LOCATING
    order = _locating(config, name, device) if located else by_name

    def rank(scene: RankedScene) -> Ranking:
        return fused(scene.candidates, order(scene), fusion)

    return Ranker(name, config, [], config.model.K, rank, located=located)


def _locating(config: Config, name: str, device: torch.device) -> Callable[..., Ranking]:
    """A method that locates, by the settings: (scene, what a network says) -> lists."""
    by, rule = rerankers.LOCATING[name], Rule.of(config.data.val_labels)

    def order(scene: RankedScene, logits: Logits | None = None) -> Ranking:
        settings = by.config(**located_by(config, name, scene.scene), K=config.model.K)
        calibration = calibration_for(config, scene.scene)
        given = scene.scene, scene.candidates, settings, rule, config.fov
        beside = {} if logits is None else {"logits": logits}
        return by.rerank(*given, calibration, device, **beside)

    return order


def located_by(config: Config, name: str, scene: Scene) -> dict[str, Any]:
    """What the settings say of a method that locates a scene's queries."""
    beside = {"checkpoint": network_for(config, scene)} if name == "place" else {}
    return vars(config.posterior) | beside


def plain_rule(config: Config, scenes: Sequence[RankedScene]) -> str | None:
    """The rule without a network that any list must be held against: by the neighbours of its
    first image, as the labels say what a neighbour is. None where the database has no poses.
    """
    databases = [scene.scene.database for scene in scenes]
    if any(database.positions is None for database in databases):
        return None
    by_distance = Rule.of(config.data.val_labels).kind in ("dist", "pose", "cluster")
    if by_distance or any(database.headings is None for database in databases):
        return "neighbours"
    return "neighbours-overlap"


def _keys(overrides: Sequence[str]) -> set[str]:
    return {override.split("=")[0] for override in overrides}


def rerank(
    model: Model | None,
    scenes: Sequence[RankedScene],
    data: DataConfig,
    fusion: Fusion | None = None,
) -> list[Ranking]:
    """The ranked lists of each scene: the model's, or without one the first-round ones.

    fusion: of the model's scores with those of the first round.
    """
    if model is None:
        return [s.candidates for s in scenes]
    ahead = data.batch_size, data.num_workers
    if fusion is not None:
        logger.info("%s", fusion)
    refined = [refine(model, s.scene, s.candidates, s.side, *ahead) for s in scenes]
    return [fused(s.candidates, r, fusion) for s, r in zip(scenes, refined, strict=True)]


def fused(first: Ranking, refined: Ranking, fusion: Fusion | None) -> Ranking:
    """Re-ranked lists fused with those of the first round; without a fusion as they are."""
    return refined if fusion is None else fuse(first, refined, fusion.weight, fusion.normalise)


def pick_device(name: str) -> torch.device:
    """The device of a name: "auto" is a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--device: '{name}' cannot be used here ({error})") from error
    if device.type == "cuda" and device.index is None:
        # By number: "cuda" alone means another device in the threads that prepare batches.
        device = torch.device("cuda", torch.cuda.current_device())
    return device
