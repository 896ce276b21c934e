"""A split read, ranked by a checkpoint or by the first round alone, and measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from gcsa.config import Config
from gcsa.evaluation import metrics
from gcsa.models.checkpoint import Model
from gcsa.rerankers.fusion import Fusion
from gcsa.scoring import comparison
from gcsa.scoring.comparison import Measured
from gcsa.scoring.ranker import check_fusion, open_checkpoint, pick_device, rerank
from gcsa.scoring.report import Report, judging, report
from gcsa.scoring.split import prepare


def evaluate(
    config: Config,
    checkpoint: str | None = None,
    split: str = "val",
    overrides: Sequence[str] = (),
    fusion: Fusion | None = None,
) -> Report:
    """Score a checkpoint, or with None the first-round retrieval; see :func:`report`.

    overrides: the command line's ``section.key=value``, which the config holds already. fusion:
    of the checkpoint's scores with those of the first round.
    """
    check_fusion(fusion, checkpoint)
    opened = _open(config, checkpoint, split, overrides)
    config, scenes, rankings = _rank(*opened, split, fusion)
    result = report(config, split, scenes, rankings)
    return result if fusion is None else {**result, "fusion": asdict(fusion)}


def compare(
    config: Config,
    checkpoints: Sequence[str | None],
    split: str = "val",
    overrides: Sequence[str] = (),
    fusion: Fusion | None = None,
) -> Report:
    """What the second of two checkpoints gains over the first, query by query; None: no
    re-ranking. See :func:`gcsa.scoring.comparison.compare`.
    """
    both = [_open(config, checkpoint, split, overrides) for checkpoint in checkpoints]
    first, second = (_rank(*opened, split, fusion) for opened in both)
    return comparison.compare(first, second, split)


def _open(
    config: Config, checkpoint: str | None, split: str, overrides: Sequence[str]
) -> tuple[Config, Model | None, list[str]]:
    """The settings to score a checkpoint by, its model, and the kinds that it reads."""
    model: Model | None = None
    kinds: list[str] = []
    if checkpoint is not None:
        device = pick_device(config.train.device)
        model, kinds, config = open_checkpoint(checkpoint, config, overrides, device)
    return judging(config, split), model, kinds


def _rank(
    config: Config, model: Model | None, kinds: list[str], split: str, fusion: Fusion | None
) -> Measured:
    """A split read and ranked, by a model or by the first round alone."""
    depth = max(metrics.KS) if model is None else max(*metrics.KS, model.K, model.L)
    device = pick_device(config.train.device)
    scenes = prepare(config.data, config.fov, kinds, split, depth, device)
    return config, scenes, rerank(model, scenes, config.data, fusion)
