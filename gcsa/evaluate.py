"""What first-round retrieval or a checkpoint finds, on any data set and split.

The figures are recall@k and mAP@k, or those of the data set's own protocols;
:mod:`gcsa.scoring.ranker` says what a checkpoint brings with it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gcsa import options
from gcsa.errors import InputError, run_program

if TYPE_CHECKING:
    from gcsa.config import Config
    from gcsa.rerankers.fusion import Fusion
    from gcsa.scoring.report import Report


def evaluate(
    config: Config,
    checkpoint: str | None = None,
    split: str = "val",
    overrides: Sequence[str] = (),
    fusion: Fusion | None = None,
    method: str | None = None,
) -> Report:
    """See :func:`gcsa.scoring.evaluation.evaluate`."""
    from gcsa.scoring import evaluation

    return evaluation.evaluate(config, checkpoint, split, overrides, fusion, method)


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "evaluate",
        "Print recall@k and mAP@k, or the figures of the data set's own protocols, by scene and in "
        "total, with the counts.",
        "--conf configs/miniworld_train.yaml --checkpoint checkpoints/miniworld_streets.pth.tar",
    )
    options.add_conf(made)
    options.add_checkpoint(made)
    options.add_method(made)
    options.add_online(made)
    made.add_argument(
        "--compare",
        nargs=2,
        metavar=("A", "B"),
        help="two checkpoints or methods, or none for no re-ranking: what B gains over A, with an "
        "interval",
    )
    options.add_fusion(made)
    made.add_argument(
        "--across",
        action="store_true",
        help="all scenes as one: lists of all databases together, beside the rule that takes the "
        "scene of the first image",
    )
    options.add_split(made)
    options.add_device(made)
    options.add_json(made)
    options.add_verbose(made)
    options.add_overrides(made)
    return made


def main() -> None:
    args = parser().parse_intermixed_args()
    from gcsa.config import load_config
    from gcsa.distributed.work import program
    from gcsa.rerankers import LOCATING

    overrides = options.overrides(args)
    if args.online and not set(LOCATING) & {args.method, *(args.compare or ())}:
        raise InputError("--online: of --method posterior, which lets frames of a sequence help")
    config = load_config(args.conf, overrides)
    with program(config.train.timeout, config.data.outputs):
        _print(config, args, overrides)


def _print(config: Config, args: argparse.Namespace, overrides: Sequence[str]) -> None:
    from gcsa.files import write_text
    from gcsa.rerankers.fusion import Fusion
    from gcsa.scoring.comparison import show_comparison
    from gcsa.scoring.evaluation import compare
    from gcsa.scoring.report import show, without_nan

    fusion = Fusion.given(args.fusion)
    if args.across:
        result = _across(args, config, overrides, fusion)
    elif args.compare is None:
        result = evaluate(config, args.checkpoint, args.split, overrides, fusion, args.method)
        print(show(result, args.verbose))
    else:
        if args.checkpoint is not None or args.method is not None:
            raise InputError("--compare and --checkpoint or --method: only one of them")
        files = [None if file == "none" else file for file in args.compare]
        result = compare(config, files, args.split, overrides, fusion)
        print(show_comparison(result, args.compare, args.verbose))
    if args.json:
        write_text(args.json, json.dumps(without_nan(result), indent=2) + "\n")


def _across(
    args: argparse.Namespace, config: Config, overrides: Sequence[str], fusion: Fusion | None
) -> Report:
    from gcsa.scoring.across import evaluate_across, show_across
    from gcsa.scoring.evaluation import list_depth
    from gcsa.scoring.ranker import open_ranker

    if args.compare is not None:
        raise InputError("--across and --compare: only one of them")
    ranker = open_ranker(config, args.checkpoint, args.method, overrides, fusion)
    result = evaluate_across(ranker, args.split, list_depth(ranker))
    print(show_across(result, args.verbose))
    return result


if __name__ == "__main__":
    run_program(main)
