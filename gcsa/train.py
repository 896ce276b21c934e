"""Train GCSA: stage 1 the projection alone (model.num_layers 0), stage 2 what follows it.

Results without re-ranking come first; after each epoch the loss, validation metrics and a
checkpoint. See :mod:`gcsa.run` for the files.
"""

from __future__ import annotations

import argparse
import importlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gcsa import distributed
from gcsa.config import Config, as_dict, load_config
from gcsa.errors import InputError, MissingFileError, run_program
from gcsa.evaluate import pick_device, report, rerank, show
from gcsa.metrics import KS
from gcsa.model import GCSA
from gcsa.prepare import JudgedScene, prepare
from gcsa.run import Run
from gcsa.trainer import Trainer

logger = logging.getLogger(__name__)


def train(
    config: Config, name: str, resume: bool = False, wandb_project: str | None = None
) -> list[dict[str, Any]]:
    """Train a run to its last epoch and return the rows of its metrics.csv."""
    if config.train.checkpoint and not Path(config.train.checkpoint).is_file():
        # Said now: reading a large data set takes minutes.
        raise MissingFileError(f"train.checkpoint: {config.train.checkpoint}: no such checkpoint")
    with distributed.processes():
        run = Run.start(config, name, resume)
        with _log_file(run), _tracker(run, wandb_project) as track:
            return _train(config, run, resume, track)


def _train(
    config: Config, run: Run, resume: bool, track: Callable[[dict[str, Any]], None]
) -> list[dict[str, Any]]:
    """What :func:`train` does between opening the run's files and closing them."""
    device = pick_device(config.train.device)
    depth, kinds = max(config.model.K, config.model.L), config.model.affinity
    validation = prepare(config.data, config.fov, kinds, "val", max(depth, max(KS)), device)
    scenes = prepare(config.data, config.fov, kinds, "train", depth, device)
    trainer = Trainer(config, scenes, device)
    state = run.restore() if resume else None
    if state is not None:
        trainer.load_state(state)
    else:
        first = _validate(config, None, validation)
        logger.info("without re-ranking: %s\n", show(first))
        track(_finish(run, trainer, {"epoch": 0, "loss": None, "learning_rate": None}, first))
    for epoch in range(run.epoch + 1, config.train.num_epochs + 1):
        row = {"epoch": epoch, "learning_rate": trainer.learning_rate}
        row["loss"] = trainer.epoch(epoch)
        result = _validate(config, trainer.model, validation)
        track(_finish(run, trainer, row, result))
        logger.info(_line(run.rows[-1]))
    return run.rows


def _validate(config: Config, model: GCSA | None, scenes: Sequence[JudgedScene]) -> dict[str, Any]:
    rankings = rerank(model, scenes, config.data)
    return report(config, "val", scenes, rankings)


def _finish(
    run: Run, trainer: Trainer, row: dict[str, Any], result: dict[str, Any]
) -> dict[str, Any]:
    """Keep an epoch; returns its row of metrics.csv."""
    row = {**row, **result["metrics"]}
    run.finish_epoch(row, trainer.model, trainer.state())
    return row


def _line(row: dict[str, Any]) -> str:
    values = "  ".join(f"{n} {100 * row[n]:.2f}" for n in ("recall@1", "recall@5", "mAP@10"))
    return f"epoch {row['epoch']}: loss {row['loss']:.4f}  {values}"


@contextmanager
def _log_file(run: Run) -> Iterator[None]:
    """Everything that the package logs also goes to log.txt, once where processes share a run."""
    if distributed.rank() > 0:
        yield
        return
    handler = logging.FileHandler(run.folder / "log.txt")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    package = logging.getLogger("gcsa")
    level = package.level
    package.setLevel(level or logging.INFO)  # a level that the caller chose stays
    package.addHandler(handler)
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.setLevel(level)
        handler.close()


@contextmanager
def _tracker(run: Run, project: str | None) -> Iterator[Any]:
    """A function that takes rows: wandb's where a project is named, else one that does nothing."""
    if project is None or distributed.rank() > 0:
        yield lambda row: None
        return
    try:
        wandb = importlib.import_module("wandb")
    except ImportError as error:
        raise InputError("--wandb_project: wandb is not installed (pip install wandb)") from error
    with wandb.init(
        project=project, name=run.folder.name, dir=run.folder, config=as_dict(run.config)
    ) as tracked:
        yield lambda row: tracked.log({k: v for k, v in row.items() if v is not None})


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m gcsa.train",
        description="Train one stage of GCSA; files go to <data.outputs>/training/NAME/.",
        epilog="Example: python -m gcsa.train --name msls --conf configs/msls_train.yaml "
        "data.batch_size=16",
    )
    parser.add_argument("--name", required=True, help="name of the run and of its folder")
    parser.add_argument("--conf", required=True, help="YAML file of settings")
    parser.add_argument("--resume", action="store_true", help="go on after the last whole epoch")
    parser.add_argument("--wandb_project", metavar="P", help="log to Weights & Biases too")
    parser.add_argument("--verbose", action="store_true", help="log more")
    parser.add_argument("overrides", nargs="*", metavar="section.key=value")
    args = parser.parse_intermixed_args()
    logging.getLogger("gcsa").setLevel(logging.DEBUG if args.verbose else logging.INFO)
    train(load_config(args.conf, args.overrides), args.name, args.resume, args.wandb_project)


if __name__ == "__main__":
    run_program(main)
