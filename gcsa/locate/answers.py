"""Queries located: settings and names go in, answers scene by scene come out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from gcsa.config import Config
from gcsa.datasets.readers import scene_names
from gcsa.datasets.settings import check_own_retrieval
from gcsa.descriptors.hdf5 import RESIDENT
from gcsa.errors import InputError, nearest
from gcsa.locate.prepared import Prepared
from gcsa.places.located import Located
from gcsa.rerankers import DEFAULT, LOCATING
from gcsa.scene import Scene
from gcsa.scoring.ranker import pick_device
from gcsa.scoring.reading import read_scene

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Answers:
    """The located queries of a scene.

    scene: with those queries alone that were asked for. ranking: theirs.
    """

    scene: Scene
    ranking: Located

    @property
    def placed(self) -> np.ndarray:
        """Which queries have a position, (Q,) bool."""
        return np.isfinite(self.ranking.position).all(axis=1)

    def degrees(self, positions: np.ndarray) -> np.ndarray:
        """Latitude and longitude (n, 2) of positions (n, 2) metres; NaN where nobody knows."""
        if self.scene.frame is None:
            return np.full(positions.shape, np.nan)
        return self.scene.frame.to_degrees(positions)

    def device(self) -> tuple[np.ndarray, np.ndarray]:
        """What the devices report: positions (Q, 2) metres, accuracies (Q,) metres; NaN."""
        queries = self.scene.queries
        unknown = np.full((len(queries), 2), np.nan)
        position = unknown if queries.positions is None else queries.positions[:, :2]
        accuracy = unknown[:, 0] if queries.accuracy is None else queries.accuracy
        return position, accuracy


def locate(
    config: Config,
    split: str = "val",
    names: Sequence[str] = (),
    overrides: Sequence[str] = (),
    method: str = DEFAULT,
) -> list[Answers]:
    """Locate the queries of a split, or those that are named.

    method: of :data:`gcsa.rerankers.LOCATING`. names: of queries; their last part, or that without
    suffix, is enough. The devices' own readings are evidence (``data.query_gps``) where the data
    set has them, unless ``overrides``, the command line's, say otherwise: then none is. The truth
    is read by nobody.
    """
    check_own_retrieval(config.data, "locate")
    if method not in LOCATING:
        raise InputError(f"--method: '{method}' is not one of {', '.join(LOCATING)}")
    RESIDENT.limit = int(config.data.memory * 1e9)
    device = pick_device(config.train.device)
    asked = any(word.startswith("data.query_gps=") for word in overrides)
    scenes = [read(config, name, split, asked) for name in scene_names(config.data, split)]
    found = [
        _answers(scene, rows, config, device, method)
        for scene, rows in zip(scenes, _chosen(scenes, names), strict=True)
        if len(rows)
    ]
    _report(found)
    return found


def summary(found: Sequence[Answers]) -> str:
    """How many queries were located, and how sure that is."""
    placed = sum(int(a.placed.sum()) for a in found)
    total = sum(len(a.placed) for a in found)
    if not placed:
        return f"0 of {total:,} queries located"
    radius = np.median(np.concatenate([a.ranking.radius[a.placed] for a in found]))
    sure = np.mean(np.concatenate([a.ranking.confidence[a.placed] for a in found]))
    return (
        f"{placed:,} of {total:,} queries located, radius {radius:.0f} m (median), "
        f"confidence {sure:.2f} (mean)"
    )


def read(config: Config, name: str, split: str, asked: bool) -> Scene:
    """A scene with what its devices report; without, where its files do not have that.

    asked: the command line says whether to read that.
    """
    # No label files: what is relevant is nobody's question here.
    data = replace(config.data, train_labels="dist", val_labels="dist")
    if asked:
        scene = read_scene(data, name, split)[0]
        # What is left out here is left out altogether, also what is no copy of the truth.
        return scene if data.query_gps else _unreported(scene)
    try:
        return read_scene(replace(data, query_gps=True), name, split)[0]
    except InputError as error:
        # Another fault comes again.
        scene = read_scene(replace(data, query_gps=False), name, split)[0]
        logger.info("%s; located without", error)
        return scene


def _unreported(scene: Scene) -> Scene:
    return replace(scene, queries=replace(scene.queries, positions=None, accuracy=None))


def _chosen(scenes: Sequence[Scene], names: Sequence[str]) -> list[np.ndarray]:
    """The rows of the queries to locate, scene by scene; InputError for a name of none."""
    if not names:
        return [np.arange(len(scene.queries)) for scene in scenes]
    wanted, seen = set(names), set()
    chosen = []
    for scene in scenes:
        called = [_called(str(name)) & wanted for name in scene.queries.names]
        seen |= set().union(*called)
        chosen.append(np.flatnonzero([len(own) > 0 for own in called]))
    for name in names:
        if name not in seen:
            known = [str(n) for scene in scenes for n in scene.queries.names]
            hint = nearest(name, known) if len(known) < 20 else ""
            raise InputError(f"--query: no query '{name}' in {_listed(scenes)}{hint}")
    return chosen


def _called(name: str) -> set[str]:
    """What a query may be called by."""
    last = name.rsplit("/", 1)[-1]
    return {name, last, last.rsplit(".", 1)[0]}


def _listed(scenes: Sequence[Scene]) -> str:
    return ", ".join(scene.name for scene in scenes)


def _answers(
    scene: Scene, rows: np.ndarray, config: Config, device: torch.device, method: str
) -> Answers:
    """The queries of ``rows`` located; frames of their sequences help where settings say so."""
    needed, queries = rows, scene.queries
    if config.posterior.sequences != "off" and queries.sequences is not None:
        own = queries.sequences[rows]
        needed = np.union1d(rows, np.flatnonzero(np.isin(queries.sequences, own[own >= 0])))
    part = replace(scene, queries=queries.of_rows(needed))
    ranking, _ = Prepared(part, config, device, method).locate(part)
    kept = ranking.of_rows(np.searchsorted(needed, rows))
    return Answers(replace(scene, queries=queries.of_rows(rows)), kept)


def _report(found: Sequence[Answers]) -> None:
    """What evidence there was, and what could not be located: nothing is passed over silently."""
    total = sum(len(a.placed) for a in found)
    known = sum(int(np.isfinite(a.device()[0]).all(axis=1).sum()) for a in found)
    hint = " (data.query_gps=false leaves it out)" if known else ""
    logger.info(
        "%d of %d queries bring their device's own position, which is evidence%s",
        *(known, total, hint),
    )
    for answers in found:
        lost = int((~answers.placed).sum())
        if lost:
            why = "the database has no positions"
            if answers.scene.database.positions is not None:
                why = "their best image has no position"
            logger.warning(
                "%s: %d of %d queries cannot be located: %s",
                *(answers.scene.name, lost, len(answers.placed), why),
            )
        if answers.scene.frame is None and answers.placed.any():
            logger.warning(
                "%s: nobody knows where on the Earth its positions are: metres, not degrees",
                answers.scene.name,
            )
