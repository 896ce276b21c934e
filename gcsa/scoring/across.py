"""All scenes of a split as one: which of them a photo is of is not told to who ranks."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from gcsa.config import Config
from gcsa.datasets.readers import scene_names
from gcsa.descriptors.hdf5 import RESIDENT
from gcsa.errors import InputError
from gcsa.evaluation.truth import Truth, labels
from gcsa.places.located import Located
from gcsa.ranking.batches import RankedScene
from gcsa.ranking.lists import Ranking
from gcsa.ranking.nearby import with_nearby
from gcsa.ranking.retrieval import retrieve
from gcsa.ranking.union import Union, joined_rows, retrieve_in_all
from gcsa.scene import Scene
from gcsa.scoring.confidence import confidence_figures, show_confidence
from gcsa.scoring.ranker import Ranker, pick_device
from gcsa.scoring.reading import read_scene
from gcsa.scoring.report import Report, aligned, gist, judging, report
from gcsa.scoring.split import JudgedScene
from gcsa.sideinfo.affinity import SideInformation, check_kinds
from gcsa.sideinfo.rules import Rule

logger = logging.getLogger(__name__)

FIRST, RULE = "first round", "scene of the first image, then"
JUDGES = ("dist", "pose", "fov")


@dataclass(frozen=True, eq=False)
class RankedUnion:
    """A union with its first round; ranked: as any ranker takes it. truths: scene by scene."""

    union: Union
    ranked: RankedScene
    truths: list[Any]


def read_union(ranker: Ranker, split: str, num: int) -> RankedUnion:
    """All scenes of a split read, joined, and ``num`` images retrieved of them together."""
    config = ranker.config
    check_kinds(ranker.kinds)
    if "geometric" in ranker.kinds or ranker.name == "geometric":
        raise InputError("--across: local features are of one scene's files; nothing matches two")
    RESIDENT.limit = int(config.data.memory * 1e9)
    read = [read_scene(config.data, n, split) for n in scene_names(config.data, split)]
    if config.posterior.verify and any(scene.local is not None for scene, _ in read):
        logger.info("--across: local features are of one scene's files, and not asked")
    union = Union.of([scene for scene, _ in read])
    device = pick_device(config.train.device)
    found = retrieve_in_all(union, num, device, config.data.searching)
    found = with_nearby(union.scene, found, config.data.near_device)
    return RankedUnion(union, _ranked(ranker, union.scene, found), [truth for _, truth in read])


def evaluate_across(ranker: Ranker, split: str, num: int) -> Report:
    """{"protocol", "rows"}: of the first round, the ranker, and the rule that needs no union.

    The rule: the scene of the first image, then the ranker's lists of that scene alone, by what is
    known of it alone. Each row has "metrics", "counts", "right scene" (the share of queries whose
    first image is of their scene), and of located lists "confidence".
    """
    config = judging(ranker.config, split)
    if Rule.of(config.data.val_labels).kind not in JUDGES:
        raise InputError(
            f"--across: data.val_labels={config.data.val_labels} is of one scene's lists; "
            "expected dist@..., pose@... or fov"
        )
    read = read_union(ranker, split, num)
    judged = _judged(config, read)
    lists = {FIRST: read.ranked.candidates}
    if ranker.name != "no re-ranking":
        lists[ranker.name] = ranker.rank(read.ranked)
        lists[f"{RULE} {ranker.name}"] = by_first_image(ranker, read, num)
    rows = {name: _measured(config, split, read.union, judged, r) for name, r in lists.items()}
    protocol = report(config, split, [judged], [read.ranked.candidates], ranker.how)["protocol"]
    names = ", ".join(scene.name for scene in read.union.scenes)
    return {"protocol": f"all scenes as one ({names}): {protocol}", "rows": rows}


def by_first_image(ranker: Ranker, read: RankedUnion, num: int) -> Ranking:
    """Each query ranked in the scene of its first image alone: rows of the union."""
    union, first = read.union, read.union.scene_of(read.ranked.candidates.indices[:, 0])
    device, searching = pick_device(ranker.config.train.device), ranker.config.data.searching
    parts = []
    for number in np.unique(first):
        queries = np.flatnonzero(first == number)
        scene = union.asked_of(int(number), queries)
        found = retrieve(scene, num, device, searching)
        ranking = ranker.rank(_ranked(ranker, scene, found))
        parts.append((queries, _in_union(union, int(number), ranking)))
    back = np.argsort(np.concatenate([queries for queries, _ in parts]))
    rankings = [ranking for _, ranking in parts]
    joined: dict[str, Any] = {
        f.name: np.concatenate([getattr(r, f.name) for r in rankings])[back]
        for f in fields(rankings[0])
        if f.name != "calibration"
    }
    if not isinstance(rankings[0], Located):
        return Ranking(**joined)
    return Located(**joined, calibration=rankings[0].calibration)


def _in_union(union: Union, number: int, ranking: Ranking) -> Ranking:
    changed: dict[str, Any] = dict(vars(ranking))
    start = int(union.images[number])
    changed["indices"] = np.where(ranking.valid, ranking.indices + start, -1)
    if isinstance(ranking, Located):
        changed["position"] = ranking.position + union.offsets[number]
    return type(ranking)(**changed)


def _ranked(ranker: Ranker, scene: Scene, candidates: Ranking) -> RankedScene:
    config = ranker.config
    side = SideInformation(scene, ranker.kinds, config.fov, config.data.unknown_radio)
    return RankedScene(scene, candidates, side)


def _judged(config: Config, read: RankedUnion) -> JudgedScene:
    """The union and where its queries were taken, in its frame."""
    positions: list[np.ndarray] = []
    for scene, truth, offset in zip(
        read.union.scenes, read.truths, read.union.offsets, strict=True
    ):
        if not isinstance(truth, Truth):
            raise InputError(f"--across: {scene.name} has no true positions of its queries")
        own = truth.positions
        positions.append(own + np.pad(offset, (0, own.shape[1] - 2)))
    sets = [scene.queries for scene in read.union.scenes]
    headings = joined_rows([truth.headings for truth in read.truths], sets)
    places = joined_rows(positions, sets)
    assert places is not None  # every truth has them
    truth, ranked = Truth(places, headings), read.ranked
    rule, listed = config.data.val_labels, ranked.candidates.indices
    relevant = labels(rule, ranked.scene, truth, listed, config.fov)
    return JudgedScene(ranked.scene, ranked.candidates, ranked.side, relevant, truth)


def _measured(
    config: Config, split: str, union: Union, judged: JudgedScene, ranking: Ranking
) -> Report:
    """The report of one way of ranking, and how often the right scene stands first."""
    found = report(config, split, [judged], [ranking])
    right = union.scene_of(ranking.indices[:, 0]) == union.own
    sure = confidence_figures(config, [judged], [ranking])
    return {
        "metrics": found["metrics"],
        "counts": found["counts"],
        "right scene": float(right.mean()),
        **({"confidence": sure} if sure else {}),
    }


def show_across(result: Report, verbose: bool = False) -> str:
    """A table, a row for each way of ranking, and how sure the located ones are."""
    rows = result["rows"]
    names = list(rows[FIRST]["metrics"])
    lines = [["", "scene", *(n.replace("recall", "R") for n in names), "queries", "database"]]
    for label, row in rows.items():
        counts = row["counts"]
        cells = [row["right scene"], *(row["metrics"][n] for n in names)]
        told = f"{counts['with_positives']} of {counts['queries']}", str(counts["database"])
        lines.append([label, *(f"{100 * value:.2f}" for value in cells), *told])
    text = f"{result['protocol'] if verbose else gist(result)}\n\n{aligned(lines)}"
    text += "\n\nscene: of how many queries the first image is of the right scene"
    for label, row in rows.items():
        if "confidence" in row:
            text += f"\n{label}: {show_confidence(row['confidence'])}"
    return text
