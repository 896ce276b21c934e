"""What a checkpoint does to every query: its list before, and the one after.

Before is the first round and after re-ranked, or, of a run that trains a descriptor, the first
rounds before and after training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gcsa.config import Config
from gcsa.errors import InputError
from gcsa.evaluation import metrics
from gcsa.evaluation.listed import ListedTruth
from gcsa.evaluation.truth import Truth, num_relevant
from gcsa.places.located import Located
from gcsa.plots.pictures import Top, top
from gcsa.ranking.lists import Ranking
from gcsa.rerankers import apply, known
from gcsa.scene import Scene
from gcsa.scoring.confidence import Answers, answers_of
from gcsa.scoring.evaluation import full_report, list_depth
from gcsa.scoring.ranker import open_ranker, pick_device, plain_rule
from gcsa.scoring.report import Report, judging
from gcsa.scoring.split import JudgedScene, prepare
from gcsa.sideinfo.rules import Rule

DEPTH = max(metrics.KS)
RERANKED = ("first round", "re-ranked")
# The measure that decides which queries gained and which lost: AP@10, as mAP@10 selects epochs.
CUT = 10


@dataclass(frozen=True, eq=False)
class SceneOutcome:
    """A scene with both lists of its queries, the first 20 of each.

    num_relevant: (Q,) int64 of the whole database. before, after: (Q,) AP@10 in [0, 1]. located:
    the re-ranked lists where they come with an answer. words: what the two lists are called.
    """

    scene: Scene
    truth: Truth
    first: Top
    reranked: Top
    num_relevant: np.ndarray
    before: np.ndarray
    after: np.ndarray
    located: Located | None = None
    words: tuple[str, str] = RERANKED


@dataclass(frozen=True, eq=False)
class Outcome:
    """All scenes of a split. config: with the geometry that the checkpoint was trained with.

    first, reranked: reports as of :mod:`gcsa.evaluate`. plain: (name, report) of the rule that any
    list must be held against, :func:`gcsa.scoring.ranker.plain_rule`. answers: of lists that come
    with them.
    """

    config: Config
    scenes: list[SceneOutcome]
    first: Report
    reranked: Report
    plain: tuple[str, Report] | None = None
    answers: Answers | None = None

    @property
    def words(self) -> tuple[str, str]:
        """What the two lists of a query are called."""
        return self.scenes[0].words


@dataclass(frozen=True)
class Change:
    """One query that has a relevant image: its scene's number, its row, AP@10 before and after."""

    scene: int
    query: int
    before: float
    after: float

    @property
    def gain(self) -> float:
        """What re-ranking adds to AP@10, in [-1, 1]."""
        return self.after - self.before

    @property
    def kind(self) -> str:
        """gained, lost or unchanged."""
        if abs(self.gain) < 1e-9:
            return "unchanged"
        return "gained" if self.gain > 0 else "lost"


def study(
    config: Config,
    checkpoint: str | None,
    split: str,
    overrides: Sequence[str] = (),
    method: str | None = None,
) -> Outcome:
    """Evaluate the first round and a checkpoint, or a method, on a split, query by query."""
    ranker = open_ranker(config, checkpoint, method, overrides)
    depth, config = list_depth(ranker), judging(ranker.config, split)
    device = pick_device(config.train.device)
    scenes = prepare(config.data, config.fov, ranker.kinds, split, depth, device, ranker.depth)
    if any(isinstance(s.truth, ListedTruth) for s in scenes):
        raise InputError(
            f"data.dataset: {config.data.dataset} is judged by protocols of its own, which "
            "gcsa evaluate prints; there is no report of it"
        )
    rankings = ranker.rank_all(scenes)
    first = full_report(config, split, scenes, [s.candidates for s in scenes])
    if not first["counts"]["with_positives"]:
        raise InputError(f"split '{split}': no query has a relevant image, nothing can be shown")
    return Outcome(
        config,
        first=first,
        reranked=full_report(config, split, scenes, rankings, ranker.how),
        plain=_plain(config, split, scenes, ranker.depth),
        answers=answers_of(config, scenes, rankings),
        scenes=[outcome_of(config, s, r) for s, r in zip(scenes, rankings, strict=True)],
    )


def _plain(
    config: Config, split: str, scenes: Sequence[JudgedScene], depth: int
) -> tuple[str, Report] | None:
    """The rule without a network on the candidates that were re-ranked, and what it finds."""
    name = plain_rule(config, scenes)
    if name is None:
        return None
    rule, settings = Rule.of(config.data.val_labels), known(name).config(K=depth)
    lists = [apply(name, s.scene, s.candidates, settings, rule, config.fov) for s in scenes]
    return name, full_report(config, split, scenes, lists)


def outcome_of(
    config: Config, judged: JudgedScene, ranking: Ranking, words: tuple[str, str] = RERANKED
) -> SceneOutcome:
    """A scene with its candidates, and with the lists that came of them."""
    rule, scene, truth = config.data.val_labels, judged.scene, judged.judged
    first = top(scene, truth, judged.candidates, rule, config.fov, DEPTH)
    reranked = top(scene, truth, ranking, rule, config.fov, DEPTH)
    numbers = num_relevant(rule, scene, truth, config.fov)
    before, after = (
        metrics.average_precision_at_k(t.judged, numbers, CUT) for t in (first, reranked)
    )
    located = ranking if isinstance(ranking, Located) else None
    return SceneOutcome(scene, truth, first, reranked, numbers, before, after, located, words)


def changes(scenes: Sequence[SceneOutcome]) -> list[Change]:
    """Every query that has a relevant image, the most changed first; ties in their order."""
    found = [
        Change(number, int(query), float(s.before[query]), float(s.after[query]))
        for number, s in enumerate(scenes)
        for query in np.flatnonzero(s.num_relevant > 0)
    ]
    return sorted(found, key=lambda change: -abs(change.gain))


def by_k(scenes: Sequence[SceneOutcome]) -> dict[str, dict[str, float]]:
    """{"first round": {"recall@1": ...}, "re-ranked": ...} for every k from 1 to 20."""
    first, reranked = scenes[0].words
    ks, numbers = tuple(range(1, DEPTH + 1)), np.concatenate([s.num_relevant for s in scenes])
    lists = {first: [s.first for s in scenes], reranked: [s.reranked for s in scenes]}
    return {
        name: metrics.evaluate(np.concatenate([t.relevant for t in tops]), numbers, ks)
        for name, tops in lists.items()
    }
