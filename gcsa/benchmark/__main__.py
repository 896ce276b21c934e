"""Command line: gcsa benchmark --conf C."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from gcsa import options
from gcsa.benchmark import CANDIDATES, TUNE_QUERIES
from gcsa.errors import InputError, run_program


def checkpoint_files(entries: Sequence[str]) -> dict[str, str]:
    """["GCSA=c.pth.tar", ...] as {name: file}."""
    files: dict[str, str] = {}
    for entry in entries:
        name, equals, file = entry.partition("=")
        if not (name and equals and file):
            raise InputError(f"--checkpoint: '{entry}': expected NAME=FILE")
        if name in files:
            raise InputError(f"--checkpoint: '{name}' is named twice")
        files[name] = file
    return files


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "benchmark",
        "Compare re-rankers on the same candidates of a data set: recall and mAP, milliseconds a "
        "query and peak memory, of the first round, of the methods that need no training, of "
        "checkpoints, and of their fusion with the first round. Parameters are chosen by mAP@10 on "
        "queries of the training scenes (data.train_scenes), judged by data.val_labels; the "
        "reported split plays no part in that.",
        "--conf configs/miniworld_train.yaml --checkpoint "
        "GCSA=checkpoints/miniworld_streets.pth.tar --output outputs/benchmark",
    )
    options.add_conf(made)
    made.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="also compare this checkpoint, under this name; may be given again",
    )
    options.add_split(made, "what is reported: val (default) or test")
    options.add_device(made)
    made.add_argument(
        "--methods",
        metavar="A,B",
        help="only these of the methods without training (gcsa rerank --list_methods: all)",
    )
    what = f"that all re-rank (default: as many as the checkpoints do, else {CANDIDATES})"
    options.add_candidates(made, what)
    options.add_renamed(made, "--num", "--candidates", type=int)
    made.add_argument(
        "--tune_queries",
        type=int,
        default=TUNE_QUERIES,
        metavar="N",
        help=f"random training queries to tune on, at most (default {TUNE_QUERIES})",
    )
    made.add_argument("--no_tuning", action="store_true", help="take the default parameters")
    made.add_argument(
        "--output", metavar="FOLDER", help="write benchmark.md, .csv and .png into this folder"
    )
    options.add_overrides(made)
    return made


def main() -> None:
    args = parser().parse_intermixed_args()
    from gcsa.benchmark import benchmark
    from gcsa.benchmark.tables import markdown
    from gcsa.config import load_config
    from gcsa.distributed.work import program

    overrides = options.overrides(args)
    config = load_config(args.conf, overrides)
    with program(config.train.timeout, config.data.outputs):
        result = benchmark(
            config,
            checkpoint_files(args.checkpoint),
            args.split,
            None if args.methods is None else [name for name in args.methods.split(",") if name],
            args.candidates,
            0 if args.no_tuning else args.tune_queries,
            args.output,
            overrides,
        )
        print(markdown(result), end="")


if __name__ == "__main__":
    run_program(main)
