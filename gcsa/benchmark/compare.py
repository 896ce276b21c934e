"""The comparison: parameters chosen on training scenes, then each method on the reported split."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from gcsa.benchmark import CANDIDATES, TUNE_QUERIES
from gcsa.benchmark.contenders import (
    FIRST_ROUND,
    Contender,
    Trained,
    Views,
    contenders,
    open_checkpoints,
)
from gcsa.benchmark.cost import measure
from gcsa.benchmark.tables import Comparison, Row, write
from gcsa.benchmark.tuning import check_relevant, training_scenes, tune, with_queries
from gcsa.config import Config
from gcsa.descriptors.memory import keep_freed_memory
from gcsa.distributed.work import Arrays, each
from gcsa.errors import InputError
from gcsa.evaluation import metrics
from gcsa.ranking.lists import Ranking
from gcsa.scoring.places import place_figures
from gcsa.scoring.ranker import pick_device
from gcsa.scoring.report import report
from gcsa.scoring.split import JudgedScene, prepare

logger = logging.getLogger(__name__)

# Queries of the first scene that a method is warmed up on.
WARM_UP = 16


def benchmark(
    config: Config,
    checkpoints: Mapping[str, str] | None = None,
    split: str = "val",
    methods: Sequence[str] | None = None,
    candidates: int | None = None,
    tune_queries: int = TUNE_QUERIES,
    output: str | Path | None = None,
    overrides: Sequence[str] = (),
) -> Comparison:
    """Compare re-rankers on the first ``candidates`` of every query of a split.

    checkpoints: {name: file}. methods: of :data:`gcsa.rerankers.NAMES`; None takes all.
    candidates: None takes as many as the checkpoints re-rank, 100 where there are none.
    tune_queries: random training queries that parameters are chosen on; 0 takes the defaults.
    output: a folder for benchmark.md, benchmark.csv and benchmark.png. overrides: the command
    line's ``section.key=value``, which the config holds already.
    """
    _at_least("--candidates", candidates, 1)
    _at_least("--tune_queries", tune_queries, 0)
    device = pick_device(config.train.device)
    if device.type == "cpu":
        keep_freed_memory()  # as networks run; the same conditions for all
    trained = open_checkpoints(checkpoints or {}, config, overrides, device)
    num = _common_num(trained, candidates)
    entrants = contenders(methods, trained, num, device, config)
    if not entrants:
        raise InputError("--methods: nothing to compare the first round with")
    depth = max(num, *metrics.KS, *(t.model.L for t in trained))
    reported = Views(
        lambda c: prepare(_reading(config, c).data, config.fov, [], split, depth, device),
        config.data.heading_convention,
    )
    first = report(config, split, reported.of(None), [s.candidates for s in reported.of(None)])
    if not first["counts"]["with_positives"]:
        raise InputError(f"--split: no query of '{split}' has a relevant image to measure by")
    training, source = None, "defaults, not tuned"
    if tune_queries > 0:
        training = Views(
            lambda c: training_scenes(_reading(config, c), depth, tune_queries, device),
            config.data.heading_convention,
        )
        _check_apart(training.of(None), reported.of(None))
        check_relevant(training.of(None), config)
        source = _source(training.of(None))
    plain = [s.candidates for s in reported.of(None)]
    figures = {**first["metrics"], **place_figures(config, reported.of(None), plain)}
    for entrant in entrants:  # all processes read together what each works on alone
        for views in (training, reported):
            _ = views and views.of(entrant.trained)

    def work(number: int) -> Arrays:
        row = _measured(entrants[number], training, reported, config, split, device)
        return {"row": np.array(json.dumps(asdict(row)))}

    def about() -> object:
        networks = [(t.name, t.model.state_dict()) for t in trained]
        names = [entrant.name for entrant in entrants]
        return "benchmark", config, split, num, tune_queries, names, networks, plain

    found = each(len(entrants), work, about)
    rows = [Row(FIRST_ROUND, figures), *(Row(**json.loads(str(f["row"]))) for f in found)]
    result = Comparison(rows, first["protocol"], first["counts"], num, source, str(device))
    if output is not None:
        write(result, Path(output))
    return result


def _reading(config: Config, convention: str) -> Config:
    return replace(config, data=replace(config.data, heading_convention=convention))


def _common_num(trained: Sequence[Trained], num: int | None) -> int:
    """How many candidates all re-rank; the networks are set to it."""
    own = sorted({t.model.K for t in trained})
    if num is None and len(own) > 1:
        raise InputError(
            f"the checkpoints re-rank {' and '.join(map(str, own))} candidates; "
            "--candidates says how many all do"
        )
    num = num or (own[0] if own else CANDIDATES)
    for t in trained:
        t.model.K = num
    return num


def _check_apart(training: Sequence[JudgedScene], reported: Sequence[JudgedScene]) -> None:
    """Raise InputError where a query would be both tuned on and reported."""
    names = {s.scene.name: s.scene.queries.names for s in reported}
    for scene in (s.scene for s in training):
        common = np.isin(scene.queries.names, names.get(scene.name, []))
        if common.any():
            raise InputError(
                f"{scene.name}: query '{scene.queries.names[common.argmax()]}' would be tuned on "
                "and reported; choose other scenes or another split, or --no_tuning"
            )


def _measured(
    entrant: Contender,
    training: Views | None,
    reported: Views,
    config: Config,
    split: str,
    device: torch.device,
) -> Row:
    """One method, tuned where there are scenes for that, on the reported split."""
    settings = dict(entrant.settings)
    if training is not None:
        settings = tune(entrant, training.of(entrant.trained), config)
    # Inliers that an earlier method counted would cost this one nothing.
    scenes = [_anew(s) for s in reported.of(entrant.trained)]
    return _row(config, split, entrant, scenes, settings, device)


def _row(
    config: Config,
    split: str,
    entrant: Contender,
    scenes: Sequence[JudgedScene],
    settings: Mapping,
    device: torch.device,
) -> Row:
    """One method on the reported split: its figures and what it costs."""

    def work(parts: Sequence[JudgedScene]) -> list[Ranking]:
        return [entrant.start(s)(**settings) for s in parts]

    few = [_first_queries(scenes[0])]
    rankings, cost = measure(lambda: work(scenes), lambda: work(few), device)
    figures = {
        **report(config, split, scenes, rankings)["metrics"],
        **place_figures(config, scenes, rankings),
    }
    milliseconds = 1e3 * cost.seconds / sum(len(r) for r in rankings)
    logger.info("%s: %.2f ms a query", entrant.name, milliseconds)
    return Row(entrant.name, figures, milliseconds, cost.memory, {**entrant.shown, **settings})


def _anew(judged: JudgedScene) -> JudgedScene:
    local = judged.scene.local
    if local is None:
        return judged
    return replace(judged, scene=replace(judged.scene, local=local.anew()))


def _first_queries(judged: JudgedScene) -> JudgedScene:
    """The first queries of a scene: they keep their numbers, by which side information goes."""
    rows = np.arange(min(WARM_UP, len(judged.candidates)))
    lists = Ranking(judged.candidates.indices[rows], judged.candidates.scores[rows])
    return replace(judged, scene=with_queries(judged.scene, rows), candidates=lists)


def _source(scenes: Sequence[JudgedScene]) -> str:
    count = sum(len(s.candidates) for s in scenes)
    names = ", ".join(s.scene.name for s in scenes)
    return f"chosen by mAP@10 on {count} training queries ({names})"


def _at_least(option: str, value: int | None, least: int) -> None:
    if value is not None and value < least:
        raise InputError(f"{option}: {value} is less than {least}")
