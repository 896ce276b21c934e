"""A split read, ranked by whatever ranks, and measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from gcsa.config import Config
from gcsa.evaluation import metrics
from gcsa.ranking.lists import Ranking
from gcsa.rerankers import NAMES
from gcsa.rerankers.fusion import Fusion
from gcsa.scoring import comparison
from gcsa.scoring.comparison import Measured
from gcsa.scoring.confidence import confidence_figures
from gcsa.scoring.places import place_figures
from gcsa.scoring.ranker import Ranker, open_ranker, pick_device
from gcsa.scoring.report import Report, judging, report
from gcsa.scoring.split import JudgedScene, prepare


def evaluate(
    config: Config,
    checkpoint: str | None = None,
    split: str = "val",
    overrides: Sequence[str] = (),
    fusion: Fusion | None = None,
    method: str | None = None,
) -> Report:
    """Score a checkpoint, a method, or without both the first-round retrieval: :func:`report`.

    Beside its metrics are "places", :func:`gcsa.scoring.places.place_figures`, and of lists that
    come with an answer "confidence", :func:`gcsa.scoring.confidence.confidence_figures`. overrides:
    the command line's ``section.key=value``, which the config holds already. fusion: of its scores
    with those of the first round, and then in the report. method: of
    :data:`gcsa.rerankers.NAMES`.
    """
    ranker = open_ranker(config, checkpoint, method, overrides, fusion)
    config, scenes, rankings = measured(ranker, split)
    found = full_report(config, split, scenes, rankings, ranker.how)
    return found if fusion is None else {**found, "fusion": asdict(fusion)}


def full_report(
    config: Config,
    split: str,
    scenes: Sequence[JudgedScene],
    rankings: Sequence[Ranking],
    how: str = "",
) -> Report:
    """:func:`report` with all that is known beside its metrics; see :func:`evaluate`.

    how: what the protocol says of the ranker, :attr:`gcsa.scoring.ranker.Ranker.how`.
    """
    beside = {
        "places": place_figures(config, scenes, rankings),
        "confidence": confidence_figures(config, scenes, rankings),
    }
    known = {name: figures for name, figures in beside.items() if figures}
    return {**report(config, split, scenes, rankings, how), **known}


def compare(
    config: Config,
    rankers: Sequence[str | None],
    split: str = "val",
    overrides: Sequence[str] = (),
    fusion: Fusion | None = None,
) -> Report:
    """What the second of two rankers gains over the first, query by query.

    rankers: files of checkpoints, names of methods, or None for no re-ranking. See
    :func:`gcsa.scoring.comparison.compare`.
    """
    first, second = (
        open_ranker(
            config,
            None if name in NAMES else name,
            name if name in NAMES else None,
            overrides,
            fusion if name is not None else None,
        )
        for name in rankers
    )
    how = first.how or second.how
    return comparison.compare(measured(first, split), measured(second, split), split, how)


def measured(ranker: Ranker, split: str) -> Measured:
    """A split read, with the settings to judge it by, and ranked."""
    config, device = judging(ranker.config, split), pick_device(ranker.config.train.device)
    depth = list_depth(ranker)
    scenes = prepare(config.data, config.fov, ranker.kinds, split, depth, device, ranker.depth)
    return config, scenes, ranker.rank_all(scenes)


def list_depth(ranker: Ranker) -> int:
    """How many candidates to retrieve for figures: ``model.K`` for any ranker that does not read
    more, without re-ranking too, for places are counted in all of a list.
    """
    return max(*metrics.KS, ranker.depth, ranker.config.model.K)
