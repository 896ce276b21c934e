"""One re-ranking: files read, a first round, a method or a checkpoint, files written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

import torch
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gcsa import rerankers
from gcsa.config import load_config
from gcsa.datasets.settings import check_own_retrieval
from gcsa.errors import InputError, nearest
from gcsa.ranking.lists import Ranking
from gcsa.ranking.refine import refine
from gcsa.ranking.retrieval import retrieve
from gcsa.ranking.search import own_rows
from gcsa.rerank import CANDIDATES, NUM
from gcsa.rerank.files import Inputs, read
from gcsa.rerank.matrices import Matrices
from gcsa.rerank.outputs import Outputs, write
from gcsa.rerankers.fusion import Fusion
from gcsa.scene import Scene
from gcsa.scoring.ranker import fused, open_checkpoint, pick_device
from gcsa.sideinfo.affinity import SideInformation
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import Rule
from gcsa.written import from_command_line, typed

# Images, their matrices if given, the first round -> re-ranked lists.
Apply = Callable[[Scene, Matrices | None, Ranking], Ranking]


@dataclass(frozen=True, eq=False)
class Reranked:
    """The images, the first round and the re-ranked lists, row by row of ``scene.queries``."""

    scene: Scene
    first: Ranking
    ranking: Ranking


def rerank(
    inputs: Inputs,
    outputs: Outputs | None = None,
    method: str | None = None,
    checkpoint: str | None = None,
    settings: Sequence[str] = (),
    candidates: int | None = None,
    num: int = NUM,
    device: str = "auto",
    fusion: Fusion | None = None,
) -> Reranked:
    """Re-rank the first candidates of every query, by a method or by a checkpoint.

    method: of :data:`gcsa.rerankers.NAMES`, with parameters ``settings``, "k=10". checkpoint:
    a file, with ``settings`` like "fov.radius=30" over what it was trained with. candidates: how
    many are re-ranked; None takes as many as the checkpoint does, else 100. num: database images
    of each query that are written. fusion: of the new scores with those of the first round.
    """
    for option, value in (("--candidates", candidates), ("--num", num)):
        if value is not None and value < 1:
            raise InputError(f"{option}: {value} is less than 1")
    place = pick_device(device)
    if method is not None and checkpoint is None:
        depth, least, apply = _by_method(method, settings, candidates, place)
    elif checkpoint is not None and method is None:
        depth, least, apply = _by_checkpoint(checkpoint, settings, candidates, place)
    else:
        raise InputError("expected either --method or --checkpoint")
    scene, matrices = read(inputs)
    # More candidates than there are images would be padding.
    depth = max(least, min(max(depth, num), len(scene.database)))
    first = _first_round(scene, matrices, depth, place)
    ranking = fused(first, apply(scene, matrices, first), fusion)
    if outputs is not None:
        write(outputs, scene, first, ranking, num)
    return Reranked(scene, first, ranking)


def method_settings(name: str, entries: Sequence[str]) -> Any:
    """The config of a re-ranker with "parameter=value" strings over its defaults."""
    if name not in rerankers.NAMES:
        raise InputError(f"--method: no '{name}'{nearest(name, rerankers.NAMES)}")
    config = rerankers.known(name).config
    known, changes = get_type_hints(config), {}
    for entry in entries:
        key, equals, text = entry.partition("=")
        if not equals:
            raise InputError(f"'{entry}': expected parameter=value")
        if key not in known:
            raise InputError(f"{name}: no parameter '{key}'{nearest(key, known)}")
        value = from_command_line(text, known[key])
        changes[key] = typed(value, known[key], f"{name}.{key}")
    try:
        return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(config), changes))
    except OmegaConfBaseException as error:
        raise InputError(f"{name}.{error.full_key}: {str(error).splitlines()[0]}") from error


def _by_method(
    name: str, entries: Sequence[str], candidates: int | None, device: torch.device
) -> tuple[int, int, Apply]:
    """How long the lists should be, how long they must be, and what re-ranks them."""
    config = method_settings(name, entries)
    config.K, rule = config.K or candidates or CANDIDATES, Rule("dist")

    def apply(scene: Scene, matrices: Matrices | None, first: Ranking) -> Ranking:
        if matrices is None or name in rerankers.PLACES:
            return rerankers.apply(name, scene, first, config, rule, FovConfig(), device)
        return rerankers.method(name).rerank(matrices.similarity(device), first, config)

    return max(config.K, candidates or 0), 1, apply


def _by_checkpoint(
    file: str, overrides: Sequence[str], candidates: int | None, device: torch.device
) -> tuple[int, int, Apply]:
    """As :func:`_by_method`; a network reads lists of L candidates, padded where need be."""
    config = load_config(None, overrides)
    if config.data.normalise:  # of the files of a data set; here they are read as they are named
        raise InputError("data.normalise: expected the option --normalise in its place")
    model, kinds, config = open_checkpoint(file, config, overrides, device)
    check_own_retrieval(config.data, "rerank")
    model.K = candidates or model.K

    def apply(scene: Scene, matrices: Matrices | None, first: Ranking) -> Ranking:
        if matrices is not None:
            raise InputError("--checkpoint: a network reads descriptors, matrices do not do")
        length = scene.database.descriptors.shape[1]
        if length != model.input_dim:
            raise InputError(
                f"--database: its descriptors have length {length}, --checkpoint {file} reads "
                f"{model.input_dim}"
            )
        model.K = min(model.K, first.indices.shape[1])
        side = SideInformation(scene, kinds, config.fov, config.data.unknown_radio)
        return refine(model, scene, first, side, config.data.batch_size, config.data.num_workers)

    return max(model.K, model.L), model.L, apply


def _first_round(
    scene: Scene, matrices: Matrices | None, num: int, device: torch.device
) -> Ranking:
    if matrices is None:
        return retrieve(scene, num, device)
    return matrices.best(num, own_rows(scene), device)
