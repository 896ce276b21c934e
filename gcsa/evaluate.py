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
from gcsa.errors import run_program

if TYPE_CHECKING:
    from gcsa.config import Config
    from gcsa.scoring.report import Report


def evaluate(
    config: Config,
    checkpoint: str | None = None,
    split: str = "val",
    overrides: Sequence[str] = (),
) -> Report:
    """Score a checkpoint, or with None the first-round retrieval; see :func:`report`.

    overrides: the command line's ``section.key=value``, which the config holds already.
    """
    from gcsa.evaluation.metrics import KS
    from gcsa.scoring.ranker import open_checkpoint, pick_device, rerank
    from gcsa.scoring.report import judging, report
    from gcsa.scoring.split import prepare

    device = pick_device(config.train.device)
    model, kinds, depth = None, [], max(KS)
    if checkpoint is not None:
        model, kinds, config = open_checkpoint(checkpoint, config, overrides, device)
        depth = max(depth, model.K, model.L)
    config = judging(config, split)
    scenes = prepare(config.data, config.fov, kinds, split, depth, device)
    return report(config, split, scenes, rerank(model, scenes, config.data))


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "evaluate",
        "Print recall@k and mAP@k, or the figures of the data set's own protocols, by scene and in "
        "total, with the counts.",
        "--conf configs/miniworld_train.yaml --checkpoint checkpoints/miniworld_streets.pth.tar",
    )
    options.add_conf(made)
    options.add_checkpoint(made)
    options.add_split(made)
    options.add_device(made)
    options.add_json(made)
    options.add_verbose(made)
    options.add_overrides(made)
    return made


def main() -> None:
    args = parser().parse_intermixed_args()
    from gcsa.config import load_config
    from gcsa.files import write_text
    from gcsa.scoring.report import show, without_nan

    overrides = options.overrides(args)
    config = load_config(args.conf, overrides)
    result = evaluate(config, args.checkpoint, args.split, overrides)
    print(show(result))
    if args.json:
        write_text(args.json, json.dumps(without_nan(result), indent=2) + "\n")


if __name__ == "__main__":
    run_program(main)
