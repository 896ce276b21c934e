"""Command line: python -m gcsa.benchmark --conf C."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from gcsa.benchmark.compare import TUNE_QUERIES, benchmark
from gcsa.benchmark.tables import markdown
from gcsa.config import load_config
from gcsa.errors import InputError, run_program
from gcsa.rerankers import RERANKERS


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


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m gcsa.benchmark",
        description="Compare re-rankers on the same candidates of a data set: recall and mAP, "
        "milliseconds a query and peak memory, of the first round, of the methods that need no "
        "training, of checkpoints, and of their fusion with the first round. Parameters are "
        "chosen by mAP@10 on queries of the training scenes (data.train_scenes), judged by "
        "data.val_labels; the reported split plays no part in that.",
        epilog="Example: python -m gcsa.benchmark --conf configs/msls_train.yaml --checkpoint "
        "GCSA=checkpoints/msls.pth.tar --output outputs/benchmark data.root=/data/datasets",
    )
    parser.add_argument("--conf", help="YAML file; without it, the defaults (MSLS)")
    parser.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="also compare this checkpoint, under this name; may be given again",
    )
    parser.add_argument("--split", default="val", help="what is reported: val (default) or test")
    parser.add_argument(
        "--methods",
        metavar="A,B",
        help=f"only these of the methods without training (of {', '.join(RERANKERS)})",
    )
    parser.add_argument(
        "--num",
        type=int,
        metavar="K",
        help="candidates that all re-rank (default: as many as the checkpoints do, else 100)",
    )
    parser.add_argument(
        "--tune_queries",
        type=int,
        default=TUNE_QUERIES,
        metavar="N",
        help=f"random training queries to tune on, at most (default {TUNE_QUERIES})",
    )
    parser.add_argument("--no_tuning", action="store_true", help="take the default parameters")
    parser.add_argument(
        "--output", metavar="FOLDER", help="write benchmark.md, .csv and .png into this folder"
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="section.key=value", help="settings: docs/settings.md"
    )
    args = parser.parse_intermixed_args()
    result = benchmark(
        load_config(args.conf, args.overrides),
        checkpoint_files(args.checkpoint),
        args.split,
        None if args.methods is None else [name for name in args.methods.split(",") if name],
        args.num,
        0 if args.no_tuning else args.tune_queries,
        args.output,
        args.overrides,
    )
    print(markdown(result), end="")


if __name__ == "__main__":
    run_program(main)
