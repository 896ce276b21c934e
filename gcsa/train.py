"""Train GCSA: stage 1 the projection alone (model.num_layers 0), stage 2 what follows it; or CSA.

Results without re-ranking come first; after each epoch the loss, validation metrics and a
checkpoint. See :mod:`gcsa.training.run` for the files.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gcsa import distributed
from gcsa.config import Config, load_config
from gcsa.datasets.readers import in_training_and_validation
from gcsa.errors import MissingFileError, run_program
from gcsa.evaluation.metrics import KS
from gcsa.scoring.ranker import pick_device, rerank
from gcsa.scoring.report import report, show
from gcsa.scoring.split import prepare
from gcsa.training.run import Run
from gcsa.training.trackers import Trackers, trackers
from gcsa.training.trainer import Trainer

logger = logging.getLogger(__name__)


def train(
    config: Config,
    name: str,
    resume: bool = False,
    wandb_project: str | None = None,
    tensorboard: bool = False,
) -> list[dict[str, Any]]:
    """Train a run to its last epoch and return the rows of its metrics.csv."""
    if config.train.checkpoint and not resume and not Path(config.train.checkpoint).is_file():
        # Said now: reading a large data set takes minutes.
        raise MissingFileError(f"train.checkpoint: {config.train.checkpoint}: no such checkpoint")
    with distributed.processes():
        run = Run.start(config, name, resume)
        with _log_file(run), trackers(run, wandb_project, tensorboard) as tracked:
            return _train(config, run, resume, tracked)


def _train(config: Config, run: Run, resume: bool, tracked: Trackers) -> list[dict[str, Any]]:
    """What :func:`train` does between opening the run's files and closing them."""
    device = pick_device(config.train.device)
    for scene in in_training_and_validation(config.data):
        logger.warning("%s: is a scene of training and of validation (data.val_scenes)", scene)
    depth, kinds = max(config.model.K, config.model.L), config.model.affinity
    validation = prepare(config.data, config.fov, kinds, "val", max(depth, max(KS)), device)
    scenes = prepare(config.data, config.fov, kinds, "train", depth, device)
    state = run.restore() if resume else None
    trainer = Trainer(config, scenes, device, fresh=state is None)
    if state is not None:
        trainer.load_state(state)
    else:
        first = report(config, "val", validation, rerank(None, validation, config.data))
        logger.info("without re-ranking: %s\n", show(first))
        row = {"epoch": 0, "loss": None, "learning_rate": None}
        tracked.row(_finish(run, trainer, row, first))
    for epoch in range(run.epoch + 1, config.train.num_epochs + 1):
        row = {"epoch": epoch, "learning_rate": trainer.learning_rate}
        row["loss"] = trainer.epoch(epoch)
        rankings = rerank(trainer.model, validation, config.data)
        result = report(config, "val", validation, rankings)
        tracked.row(_finish(run, trainer, row, result))
        tracked.examples(config, validation, rankings, epoch)
        logger.info(_line(run.rows[-1]))
    if (warning := run.no_gain()) is not None:
        logger.warning(warning)
    return run.rows


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


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m gcsa.train",
        description="Train one stage of GCSA, or CSA (train.system=csa); files go to "
        "<data.outputs>/training/NAME/.",
        epilog="Example: python -m gcsa.train --name msls --conf configs/msls_train.yaml "
        "data.batch_size=16",
    )
    parser.add_argument("--name", required=True, help="name of the run and of its folder")
    parser.add_argument("--conf", required=True, help="YAML file of settings")
    parser.add_argument("--resume", action="store_true", help="go on after the last whole epoch")
    parser.add_argument("--wandb_project", metavar="P", help="log to Weights & Biases too")
    parser.add_argument("--tensorboard", action="store_true", help="write TensorBoard's files too")
    parser.add_argument("--verbose", action="store_true", help="log more")
    parser.add_argument(
        "overrides", nargs="*", metavar="section.key=value", help="settings: docs/settings.md"
    )
    args = parser.parse_intermixed_args()
    logging.getLogger("gcsa").setLevel(logging.DEBUG if args.verbose else logging.INFO)
    config = load_config(args.conf, args.overrides)
    train(config, args.name, args.resume, args.wandb_project, args.tensorboard)


if __name__ == "__main__":
    run_program(main)
