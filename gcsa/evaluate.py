"""What first-round retrieval or a checkpoint finds, on any data set and split.

The figures are recall@k and mAP@k, or those of the data set's own protocols. A checkpoint brings
its own K, L and kinds of side information; ``model.K=...`` on the command line has it re-rank
another number of candidates than it was trained with. One that carries settings of ours
is scored with the field of view and the heading convention it was trained with; one of the
published code with the published behaviours. What the command line says of them goes before both.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from gcsa import metrics
from gcsa.candidates import Candidates
from gcsa.checkpoint import Model, load_checkpoint, read_settings
from gcsa.config import Config, load_config
from gcsa.errors import InputError, run_program
from gcsa.files import write_text
from gcsa.fov import FovConfig
from gcsa.prepare import JudgedScene, prepare
from gcsa.readers import DataConfig, reader
from gcsa.refine import refine
from gcsa.revisited import figures
from gcsa.revisited.truth import ListedTruth
from gcsa.truth import labels, num_relevant

logger = logging.getLogger(__name__)

Report = dict[str, Any]
# Of a scene: which of the best images are relevant (Q, 20), how many are in all (Q,), the size of
# the database.
Judgement = tuple[np.ndarray, np.ndarray, int]


def evaluate(
    config: Config,
    checkpoint: str | None = None,
    split: str = "val",
    overrides: Sequence[str] = (),
) -> Report:
    """Score a checkpoint, or with None the first-round retrieval; see :func:`report`.

    overrides: the command line's ``section.key=value``, which the config holds already.
    """
    device = pick_device(config.train.device)
    model, kinds, depth = None, [], max(metrics.KS)
    if checkpoint is not None:
        model, kinds, config = open_checkpoint(checkpoint, config, overrides, device)
        depth = max(depth, model.K, model.L)
    config = judging(config, split)
    scenes = prepare(config.data, config.fov, kinds, split, depth, device)
    return report(config, split, scenes, rerank(model, scenes, config.data))


def judging(config: Config, split: str) -> Config:
    """The config to measure a split with: training scenes, too, are judged by ``val_labels``."""
    if split != "train":
        return config
    return replace(config, data=replace(config.data, train_labels=config.data.val_labels))


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
        fov = FovConfig(**settings["config"]["fov"])
        # Checkpoints of before the setting existed were trained the correct way.
        convention = settings["config"]["data"].get("heading_convention", "correct")
    asked = _keys(overrides)
    kept = {f.name for f in fields(FovConfig) if f"fov.{f.name}" in asked}
    fov = replace(fov, **{name: getattr(config.fov, name) for name in kept})
    if "data.heading_convention" in asked:
        convention = config.data.heading_convention
    return replace(config, fov=fov, data=replace(config.data, heading_convention=convention))


def _keys(overrides: Sequence[str]) -> set[str]:
    return {override.split("=")[0] for override in overrides}


def rerank(
    model: Model | None, scenes: Sequence[JudgedScene], data: DataConfig
) -> list[Candidates]:
    """The ranked lists of each scene: the model's, or without one the first-round ones."""
    if model is None:
        return [s.candidates for s in scenes]
    ahead = data.batch_size, data.num_workers
    return [refine(model, s.scene, s.candidates, s.side, *ahead) for s in scenes]


def report(
    config: Config,
    split: str,
    scenes: Sequence[JudgedScene],
    rankings: Sequence[Candidates],
) -> Report:
    """{"protocol", "counts", "metrics", "scenes": {name: {"counts", "metrics"}}} of ranked lists.

    Metrics are over all queries together that have a relevant image, shares in [0, 1]: recall@k
    and mAP@k, or what the protocols of the data set say.
    """
    source, parts = reader(config.data), {}
    for ranked, ranking in zip(scenes, rankings, strict=True):
        if ranked.truth is None:
            raise InputError(
                f"{ranked.scene.name}: the true positions of its queries are not on disk, "
                "nothing to measure against"
            )
        if isinstance(ranked.truth, ListedTruth):
            parts[ranked.scene.name] = ranking.indices, ranked.truth
        else:
            parts[ranked.scene.name] = _judged(config, ranked, ranking)
    summary = partial(figures.summary, source.protocols) if source.protocols else _summary
    return {
        "protocol": source.protocol(config.data, split),
        **summary(list(parts.values())),
        "scenes": {name: summary([part]) for name, part in parts.items()},
    }


def _judged(config: Config, ranked: JudgedScene, ranking: Candidates) -> Judgement:
    """A scene's lists by the rule of the settings."""
    rule, scene, truth = config.data.val_labels, ranked.scene, ranked.truth
    best = ranking.indices[:, : max(metrics.KS)]
    return (
        labels(rule, scene, truth, best, config.fov),
        num_relevant(rule, scene, truth, config.fov),
        len(scene.database),
    )


def _summary(parts: Sequence[Judgement]) -> Report:
    relevant, numbers, sizes = zip(*parts, strict=True)
    numbers = np.concatenate(numbers)
    counts = {
        "queries": len(numbers),
        "with_positives": int((numbers > 0).sum()),
        "database": sum(sizes),
    }
    return {"counts": counts, "metrics": metrics.evaluate(np.concatenate(relevant), numbers)}


def table(rows: dict[str, Report]) -> str:
    """Reports as an aligned table, metrics in percent, with the counts behind."""
    names = list(next(iter(rows.values()))["metrics"])
    head = ["", *(n.replace("recall", "R") for n in names), "queries", "database"]
    lines = [head]
    for label, part in rows.items():
        counts = part["counts"]
        values = [f"{100 * part['metrics'][n]:.2f}" for n in names]
        queries = f"{counts['with_positives']} of {counts['queries']}"
        lines.append([label, *values, queries, str(counts["database"])])
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in row).rstrip()
        for row in (list(enumerate(zip(line, widths, strict=True))) for line in lines)
    )


def show(result: Report) -> str:
    """A report as text: the protocol, then a table by scene and in total."""
    rows = {**result["scenes"], "total": result}
    return f"{result['protocol']}\n\n{table(rows)}"


def pick_device(name: str) -> torch.device:
    """The device of a name: "auto" is a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"train.device: '{name}' cannot be used here ({error})") from error
    if device.type == "cuda" and device.index is None:
        # By number: "cuda" alone means another device in the threads that prepare batches.
        device = torch.device("cuda", torch.cuda.current_device())
    return device


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m gcsa.evaluate",
        description="Print recall@k and mAP@k, or the figures of the data set's own protocols, by "
        "scene and in total, protocol and counts stated.",
        epilog="Example: python -m gcsa.evaluate --conf configs/msls_train.yaml "
        "--checkpoint checkpoints/msls.pth.tar data.root=/data/datasets",
    )
    parser.add_argument("--conf", help="YAML file; without it, the defaults (MSLS)")
    parser.add_argument("--checkpoint", help="model to re-rank with; without it, none")
    parser.add_argument("--split", default="val", help="train, val (default) or test")
    parser.add_argument("--json", metavar="FILE", help="also write the report here")
    parser.add_argument(
        "overrides", nargs="*", metavar="section.key=value", help="settings: docs/settings.md"
    )
    args = parser.parse_intermixed_args()
    config = load_config(args.conf, args.overrides)
    result = evaluate(config, args.checkpoint, args.split, args.overrides)
    print(show(result))
    if args.json:
        write_text(args.json, json.dumps(_without_nan(result), indent=2) + "\n")


def _without_nan(part: Any) -> Any:
    """A report as JSON has it, which knows no NaN: null where there was no query to measure."""
    if isinstance(part, dict):
        return {key: _without_nan(value) for key, value in part.items()}
    return None if isinstance(part, float) and np.isnan(part) else part


if __name__ == "__main__":
    run_program(main)
