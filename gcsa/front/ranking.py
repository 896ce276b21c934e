"""Ranked lists from arrays, by a re-ranker or a trained model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from numpy.typing import ArrayLike

from gcsa import rerankers
from gcsa.config import Config
from gcsa.errors import InputError, nearest
from gcsa.front.arrays import images, scene_of
from gcsa.models.checkpoint import Model, load_checkpoint
from gcsa.ranking.lists import Ranking
from gcsa.ranking.refine import refine
from gcsa.ranking.retrieval import retrieve
from gcsa.rerankers.similarity import FromDescriptors
from gcsa.scene import Scene
from gcsa.scoring.ranker import as_trained, pick_device
from gcsa.sideinfo.affinity import SideInformation
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.radio import Radio

CANDIDATES = 255
SUFFIXES = (".tar", ".pth", ".pt")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained model, the kinds of side information that it reads, and their field of view.

    ``model.K`` candidates are re-ranked, ``model.input_dim`` is the length of its descriptors.
    """

    model: Model
    kinds: list[str]
    fov: FovConfig


def load(path: str | Path, device: str = "auto") -> Checkpoint:
    """A checkpoint of this package or of the published GCSA and CSA, ready for :func:`rank`.

    device: "cpu", "cuda", ...; "auto" is a GPU where there is one. Raises InputError, which names
    the file and what it lacks.

    >>> import gcsa
    >>> checkpoint = gcsa.load("checkpoints/miniworld_streets.pth.tar")
    >>> checkpoint.model.K, checkpoint.kinds
    (255, ['positional-db', 'heading'])
    """
    model, kinds = load_checkpoint(path, pick_device(device))
    return Checkpoint(model, kinds, as_trained(Config(), str(path), ()).fov)


def rank(
    query_descriptors: ArrayLike,
    database_descriptors: ArrayLike,
    method: str | Path | Checkpoint | None = None,
    *,
    candidates: int | None = None,
    positions: ArrayLike | None = None,
    headings: ArrayLike | None = None,
    query_headings: ArrayLike | None = None,
    radio: ArrayLike | Radio | None = None,
    query_radio: ArrayLike | Radio | None = None,
    own: ArrayLike | None = None,
    settings: Mapping[str, Any] | None = None,
    device: str = "auto",
) -> Ranking:
    """The database images of each query, best first: ``.indices`` and ``.scores``, both (Q, N).

    query_descriptors (Q, D), database_descriptors (n, D): of unit length.
    method: None, the first round; a re-ranker of :data:`gcsa.rerankers.RERANKERS` by name, with
        ``settings`` over its defaults; or a checkpoint, its file or what :func:`load` made of it.
    candidates: how many are listed and re-ranked, 255 if not given, or as many as the checkpoint
        reads; N is that, or n where the database is smaller.
    positions (n, 2) or (n, 3), headings (n,), query_headings (Q,): read by checkpoints that were
        trained with them.
    radio (n, T), query_radio (Q, T): signals of T transmitters in dBm, NaN where not heard.
    own (Q,): the row of the database that is the query itself, -1 where none is; it is no
        candidate.

    Raises InputError, which names the argument and what was expected.

    >>> import gcsa, numpy as np
    >>> database = np.eye(4)[[0, 1, 2, 2]]
    >>> ranking = gcsa.rank(np.eye(4)[[2]], database, method="average-qe", candidates=3)
    >>> ranking.indices.tolist()
    [[2, 3, 0]]
    """
    scene = scene_of(
        images("query", query_descriptors, None, query_headings, query_radio),
        images("database", database_descriptors, positions, headings, radio),
        own,
    )
    if candidates is not None and candidates < 1:
        raise InputError(f"candidates: {candidates} is less than 1")
    place = pick_device(device)
    if isinstance(method, Path) or (isinstance(method, str) and _is_file(method)):
        method = load(method, device)
    if isinstance(method, Checkpoint):
        ranking, num = _by_checkpoint(scene, method, candidates, settings, place)
    else:
        num = candidates or CANDIDATES
        first = retrieve(scene, num, place)
        ranking = _by_method(scene, method, first, settings, place)
    listed = min(num, len(scene.database))
    return Ranking(ranking.indices[:, :listed], ranking.scores[:, :listed])


def _is_file(method: str) -> bool:
    """Whether a method is meant as a file: it has the name of one, or is there."""
    named = method.endswith(SUFFIXES) or "/" in method
    return method not in rerankers.RERANKERS and (named or Path(method).is_file())


def _by_method(
    scene: Scene,
    name: str | None,
    first: Ranking,
    settings: Mapping[str, Any] | None,
    device: torch.device,
) -> Ranking:
    if name is None:
        if settings:
            raise InputError("settings: the first round has none, expected a method beside them")
        return first
    known = rerankers.method(name)
    for key in settings or {}:
        names = [field.name for field in fields(known.config)]
        if key not in names:
            hint = nearest(key, names)
            raise InputError(f"settings: {name} has no parameter '{key}'{hint}")
    return known.rerank(FromDescriptors(scene, device), first, known.config(**(settings or {})))


def _by_checkpoint(
    scene: Scene,
    checkpoint: Checkpoint,
    candidates: int | None,
    settings: Mapping[str, Any] | None,
    device: torch.device,
) -> tuple[Ranking, int]:
    """The lists of a checkpoint, and how many candidates it re-ranked."""
    if settings:
        raise InputError("settings: a checkpoint brings its own, expected none beside it")
    model = checkpoint.model.to(device)
    before, model.K = model.K, candidates or model.K
    try:
        first = retrieve(scene, max(model.K, model.L), device)
        side = SideInformation(scene, checkpoint.kinds, checkpoint.fov)
        return refine(model, scene, first, side), model.K
    finally:
        model.K = before
