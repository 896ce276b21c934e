"""What first-round retrieval or a checkpoint finds, on any data set and split.

The figures are recall@k and mAP@k, or those of the data set's own protocols;
:mod:`gcsa.scoring.ranker` says what a checkpoint brings with it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from gcsa.config import Config, load_config
from gcsa.errors import run_program
from gcsa.evaluation import metrics
from gcsa.files import write_text
from gcsa.scoring.ranker import open_checkpoint, pick_device, rerank
from gcsa.scoring.report import Report, judging, report, show, without_nan
from gcsa.scoring.split import prepare


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
        write_text(args.json, json.dumps(without_nan(result), indent=2) + "\n")


if __name__ == "__main__":
    run_program(main)
