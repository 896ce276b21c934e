"""Train GCSA, stage 1 (model.num_layers 0) and stage 2; CSA; or what describes photos.

Results without re-ranking come first; after each epoch the loss, validation metrics and a
checkpoint. See :mod:`gcsa.training.run` for the files.
"""

from __future__ import annotations

import argparse
import logging
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcsa import options
from gcsa.errors import InputError, MissingFileError, run_program

# What to do where a process of torchrun is lost.
REMEDY = " (train.timeout); go on with --resume"

if TYPE_CHECKING:
    from gcsa.config import Config
    from gcsa.training.run import Run


def train(
    config: Config,
    name: str,
    resume: bool | None = False,
    wandb_project: str | None = None,
    tensorboard: bool = False,
) -> list[dict[str, Any]]:
    """Train a run to its last epoch and return the rows of its metrics.csv.

    resume: go on with the run of this name; None: where there is one, else begin it.
    """
    from gcsa import distributed
    from gcsa.training.run import Run, is_run
    from gcsa.training.session import log_file, session
    from gcsa.training.trackers import trackers

    if config.train.checkpoint and resume is False and not Path(config.train.checkpoint).is_file():
        # Said now: reading a large data set takes minutes.
        raise MissingFileError(f"train.checkpoint: {config.train.checkpoint}: no such checkpoint")
    with distributed.processes(config.train.timeout, REMEDY):
        if resume is None:
            resume = distributed.from_first(lambda: is_run(config, name))
        with (
            Run.start(config, name, resume) as run,
            _told_how_to_go_on(run, wandb_project, tensorboard),
            log_file(run),
            trackers(run, wandb_project, tensorboard) as tracked,
        ):
            return session(config, run, resume, tracked)


@contextmanager
def _told_how_to_go_on(run: Run, wandb_project: str | None, tensorboard: bool) -> Iterator[None]:
    """Where the user stops the run, the command that goes on with it is said."""
    from gcsa import distributed

    try:
        yield
    except KeyboardInterrupt:
        several = distributed.size() > 1
        words = f"torchrun --nproc_per_node={distributed.size()} -m gcsa" if several else "gcsa"
        command = [*words.split(), "train", "--resume", run.address]
        command += ["--wandb_project", wandb_project] if wandb_project else []
        command += ["--tensorboard"] if tensorboard else []
        raise KeyboardInterrupt(f"go on with: {shlex.join(command)}") from None


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "train",
        "Train one stage of GCSA, CSA (train.system=csa), or a network that describes photos "
        "(train.system=descriptor); files go to <data.outputs>/training/NAME/.",
        "--name msls --conf configs/msls_train.yaml data.batch_size=16",
    )
    made.add_argument("--name", help="name of the run and of its folder")
    options.add_conf(made, "YAML file of settings")
    made.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="RUN",
        help="go on after the last whole epoch of this run, by name or folder, with its settings "
        "(without RUN: of --name, --conf)",
    )
    made.add_argument(
        "--go_on",
        action="store_true",
        help="go on with the run of --name where there is one, else begin it: for a command that "
        "is started again by itself where a process was lost",
    )
    options.add_device(made)
    made.add_argument("--wandb_project", metavar="P", help="log to Weights & Biases too")
    made.add_argument("--tensorboard", action="store_true", help="write TensorBoard's files too")
    options.add_verbose(made, "log more, and say the whole protocol")
    options.add_overrides(made)
    return made


def main() -> None:
    args = parser().parse_intermixed_args()
    logging.getLogger("gcsa").setLevel(logging.DEBUG if args.verbose else logging.INFO)
    resumed = args.resume or ""
    overrides = options.overrides(args, [resumed])
    if options.is_override(resumed):  # --resume takes what follows it, an override too
        resumed = ""
    config, name = _run(args, resumed, overrides)
    if args.go_on and args.resume is not None:
        raise InputError("--go_on and --resume: only one of them")
    resume = None if args.go_on or restarted() else args.resume is not None
    train(config, name, resume, args.wandb_project, args.tensorboard)


def restarted() -> bool:
    """Whether torchrun has started this again, as --max_restarts asks for, in a process's place."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT") or 0) > 0


def _run(args: argparse.Namespace, resumed: str, overrides: list[str]) -> tuple[Config, str]:
    """Settings and name of the run: as the options say, or those of the run that is resumed."""
    from gcsa.config import load_config
    from gcsa.training.run import settings_of

    if resumed:
        if args.name or args.conf:
            raise InputError("--resume RUN has the run's settings: leave --name and --conf out")
        return settings_of(resumed, overrides)
    if not (args.name and args.conf):
        raise InputError("--name and --conf: expected both, or --resume RUN")
    return load_config(args.conf, overrides), args.name


if __name__ == "__main__":
    run_program(main)
