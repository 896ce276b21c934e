"""Does sharing projections cost quality? Both stages with dropout per candidate and by image.

Prints a Markdown table: mean and standard deviation over the seeds of validation mAP@10 at each
run's best epoch, and the seconds of an epoch. Stage 2 starts from one pre-trained projection, that
of the first run of stage 1.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from pathlib import Path

from gcsa.config import load_config
from gcsa.errors import run_program
from gcsa.train import train

SEED = "train.seed"
MODES = {
    "per-candidate": ["train.projection=per-candidate", "train.nearby=1"],
    "shared": ["train.projection=shared"],
}


def runs(conf: str, overrides: list[str], mode: str, seeds: int) -> str:
    """Train a stage in one mode with several seeds; returns the cells of its row."""
    best, seconds, epochs = [], 0.0, 0
    for seed in range(seeds):
        settings = [*overrides, *MODES[mode], f"{SEED}={seed}", "train.keep_best=true"]
        started = time.perf_counter()
        rows = train(load_config(conf, settings), f"{Path(conf).stem}-{mode}-{seed}")
        seconds, epochs = seconds + time.perf_counter() - started, epochs + len(rows) - 1
        best.append(100 * max(row["mAP@10"] for row in rows[1:]))
    spread = statistics.stdev(best) if seeds > 1 else 0.0
    return f"{statistics.mean(best):.2f} ± {spread:.2f} | {seconds / epochs:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pretrain", default="configs/miniworld_pretrain.yaml")
    parser.add_argument("--train", default="configs/miniworld_train.yaml")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("overrides", nargs="*", metavar="section.key=value")
    args = parser.parse_intermixed_args()
    logging.getLogger("gcsa").setLevel(logging.WARNING)
    print("| stage | dropout | mAP@10 | seconds an epoch, with validation |\n|---|---|---|---|")
    for mode in MODES:
        cells = runs(args.pretrain, args.overrides, mode, args.seeds)
        print(f"| 1 | {mode} | {cells} |", flush=True)
    outputs = Path(load_config(args.pretrain, args.overrides).data.outputs)
    first = outputs / "training" / f"{Path(args.pretrain).stem}-per-candidate-0"
    start = f"train.checkpoint={first}/checkpoint_best.pth.tar"
    for mode in MODES:
        cells = runs(args.train, [*args.overrides, start], mode, args.seeds)
        print(f"| 2 | {mode} | {cells} |", flush=True)


if __name__ == "__main__":
    run_program(main)
