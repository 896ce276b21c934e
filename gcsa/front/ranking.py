"""Ranked lists from arrays, by a re-ranker or a trained model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from gcsa import rerankers
from gcsa.config import Config
from gcsa.errors import InputError, nearest
from gcsa.front.arrays import excluded, images, scene_of
from gcsa.models.checkpoint import Model, load_checkpoint
from gcsa.places.calibration import Calibration, read_calibration
from gcsa.ranking.lists import Ranking
from gcsa.ranking.refine import refine
from gcsa.ranking.retrieval import retrieve
from gcsa.scene import Scene
from gcsa.scoring.ranker import as_trained, pick_device
from gcsa.sideinfo.affinity import SideInformation
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.radio import Radio
from gcsa.sideinfo.rules import Rule

CANDIDATES = 255
SUFFIXES = (".tar", ".pth", ".pt")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained model, the kinds of side information that it reads, and how it reads them.

    fov: their field of view. unknown_radio: what an image is that heard nothing.

    ``model.K`` candidates are re-ranked, ``model.input_dim`` is the length of its descriptors.
    """

    model: Model
    kinds: list[str]
    fov: FovConfig
    unknown_radio: str = "zero"


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
    config = as_trained(Config(), str(path), ())
    return Checkpoint(model, kinds, config.fov, config.data.unknown_radio)


def rank(
    query_descriptors: ArrayLike,
    database_descriptors: ArrayLike,
    method: str | Path | Checkpoint | None = None,
    *,
    candidates: int | None = None,
    positions: ArrayLike | None = None,
    headings: ArrayLike | None = None,
    query_headings: ArrayLike | None = None,
    query_positions: ArrayLike | None = None,
    query_accuracy: ArrayLike | None = None,
    radio: ArrayLike | Radio | None = None,
    query_radio: ArrayLike | Radio | None = None,
    groups: ArrayLike | None = None,
    own: ArrayLike | None = None,
    exclude: ArrayLike | None = None,
    rule: str = "dist",
    objective: str | float = "precision",
    calibration: Calibration | str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    device: str = "auto",
) -> Ranking:
    """The database images of each query, best first: ``.indices`` and ``.scores``, both (Q, N).

    query_descriptors (Q, D), database_descriptors (n, D): of unit length.
    method: None, the first round; a re-ranker of :data:`gcsa.rerankers.NAMES` by name, with
        ``settings`` over its defaults; or a checkpoint, its file or what :func:`load` made of it.
        "posterior", and "place", which a trained network corrects, return a :class:`Located`:
        ``.position`` (Q, 2) and ``.radius`` (Q,) in metres, ``.confidence`` (Q,),
        ``.probability`` (Q, N), beside the lists. What is said of "posterior" below goes for both.
    candidates: how many are listed and re-ranked, 255 if not given, or as many as the checkpoint
        reads; N is that, or n where the database is smaller.
    positions (n, 2) or (n, 3), headings (n,), query_headings (Q,): read by checkpoints that were
        trained with them, by "posterior" and by "neighbours".
    query_positions (Q, 2), query_accuracy (Q,): where the queries' devices say they are, and the
        radius in metres that they give 68 %; read by "posterior".
    radio (n, T), query_radio (Q, T): signals of T transmitters in dBm, NaN where not heard.
    groups (n,): integers, equal for images that were taken together (a drive, a session, a day);
        self-calibration leaves them out of each other's lists; -1 for none.
    own (Q,): the row of the database that is the query itself, -1 where none is; it is no
        candidate. exclude (Q, n): True for images that are no candidates of a query.
    rule: of "posterior", when an image is relevant: "dist" (within 25 m), "dist@10", "pose@10,45"
        (within 10 m and 45 degrees), "fov" (fields of view overlap by a third).
    objective: of "posterior": "precision" fills lists for mAP, "recall" for one hit among the
        first; a weight between, 1 is precision.
    calibration: of "posterior", what :func:`fit` found, or a file of ``gcsa calibrate``; without it
        the database calibrates itself where it has enough images of known position, else the
        defaults are taken.

    Raises InputError, which names the argument and what was expected.

    >>> import gcsa, numpy as np
    >>> database = np.eye(4)[[0, 1, 2, 2]]
    >>> ranking = gcsa.rank(np.eye(4)[[2]], database, method="average-qe", candidates=3)
    >>> ranking.indices.tolist()
    [[2, 3, 0]]
    """
    scene = scene_of(
        images(
            "query",
            query_descriptors,
            query_positions,
            query_headings,
            query_radio,
            query_accuracy,
        ),
        images("database", database_descriptors, positions, headings, radio, groups=groups),
        own,
    )
    if candidates is not None and candidates < 1:
        raise InputError(f"candidates: {candidates} is less than 1")
    place = pick_device(device)
    if isinstance(calibration, str | Path):
        calibration = read_calibration(Path(calibration))
    if not isinstance(calibration, Calibration | None):
        raise InputError("calibration: expected what gcsa.fit found, or a file")
    if isinstance(method, Path) or (isinstance(method, str) and _is_file(method)):
        method = load(method, device)
    left_out = None if exclude is None else excluded(scene, exclude)
    if isinstance(method, Checkpoint):
        ranking, num = _by_checkpoint(scene, method, candidates, settings, left_out, place)
    else:
        num = candidates or CANDIDATES
        given = dict(settings or {})
        if method in rerankers.LOCATING:
            given |= {"objective": str(objective), "rule": rule}
        ranking = _by_method(
            scene, method, _first(scene, num, left_out, place), given, place, calibration, left_out
        )
    return ranking.first(min(num, len(scene.database)))


def _first(scene: Scene, num: int, left_out: np.ndarray | None, device: torch.device) -> Ranking:
    """The first round of ``num`` candidates, without those that are left out."""
    if left_out is None:
        return retrieve(scene, num, device)
    deep = min(num + int(left_out.sum(axis=1).max(initial=0)), len(scene.database))
    found = retrieve(scene, max(deep, num), device).without(left_out)
    return found.first(num)


def _is_file(method: str) -> bool:
    """Whether a method is meant as a file: it has the name of one, or is there."""
    named = method.endswith(SUFFIXES) or "/" in method
    return method not in rerankers.NAMES and (named or Path(method).is_file())


def _by_method(
    scene: Scene,
    name: str | None,
    first: Ranking,
    settings: Mapping[str, Any],
    device: torch.device,
    calibration: Calibration | None,
    left_out: np.ndarray | None,
) -> Ranking:
    if name is None:
        if settings:
            raise InputError("settings: the first round has none, expected a method beside them")
        return first
    known = rerankers.known(name)
    for key in settings:
        names = [field.name for field in fields(known.config)]
        if key not in names:
            hint = nearest(key, names)
            raise InputError(f"settings: {name} has no parameter '{key}'{hint}")
    config, by = known.config(**settings), Rule.of("dist")
    if name in rerankers.LOCATING:
        locate = rerankers.LOCATING[name].rerank
        return locate(scene, first, config, by, FovConfig(), calibration, device, left_out)
    return rerankers.apply(name, scene, first, config, by, FovConfig(), device)


def _by_checkpoint(
    scene: Scene,
    checkpoint: Checkpoint,
    candidates: int | None,
    settings: Mapping[str, Any] | None,
    left_out: np.ndarray | None,
    device: torch.device,
) -> tuple[Ranking, int]:
    """The lists of a checkpoint, and how many candidates it re-ranked."""
    if settings:
        raise InputError("settings: a checkpoint brings its own, expected none beside it")
    model = checkpoint.model.to(device)
    before, model.K = model.K, candidates or model.K
    try:
        first = _first(scene, max(model.K, model.L), left_out, device)
        side = SideInformation(scene, checkpoint.kinds, checkpoint.fov, checkpoint.unknown_radio)
        return refine(model, scene, first, side), model.K
    finally:
        model.K = before
