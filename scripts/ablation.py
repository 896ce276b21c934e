"""What each kind of side information adds: train stage 2 without and with it, several seeds.

Prints a Markdown table of validation metrics in the order of the paper: mean and standard
deviation over the seeds, each run at its best epoch by mAP@10.
"""

from __future__ import annotations

import argparse
import logging
import statistics

from gcsa.config import Config, load_config
from gcsa.errors import run_program
from gcsa.evaluate import evaluate
from gcsa.train import train

ROWS = {
    "visual only": [],
    "heading": ["heading"],
    "positional-db": ["positional-db"],
    "positional-db, heading": ["positional-db", "heading"],
}
COLUMNS = ("recall@1", "recall@5", "mAP@5", "mAP@10", "mAP@20")


def measure(conf: str, overrides: list[str], kinds: list[str], seed: int) -> dict[str, float]:
    """Metrics of one run at its best epoch."""
    settings = [f"model.affinity=[{','.join(kinds)}]", f"train.seed={seed}"]
    config: Config = load_config(conf, [*overrides, *settings])
    rows = train(config, "-".join(["ablation", *kinds, str(seed)]))
    return max(rows[1:], key=lambda row: row["mAP@10"])


def markdown(label: str, results: list[dict[str, float]]) -> str:
    cells = []
    for name in COLUMNS:
        values = [100 * r[name] for r in results]
        spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
        cells.append(f"{statistics.mean(values):.1f}{spread}")
    return f"| {label} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conf", default="configs/miniworld_train.yaml")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("overrides", nargs="*", metavar="section.key=value")
    args = parser.parse_intermixed_args()
    logging.getLogger("gcsa").setLevel(logging.WARNING)
    first = evaluate(load_config(args.conf, args.overrides))["metrics"]
    print(f"| affinity | {' | '.join(COLUMNS)} |\n|---|{'---|' * len(COLUMNS)}")
    print(markdown("no re-ranking", [first]), flush=True)
    for label, kinds in ROWS.items():
        seeds = range(args.seeds)
        results = [measure(args.conf, args.overrides, kinds, seed) for seed in seeds]
        print(markdown(label, results), flush=True)


if __name__ == "__main__":
    run_program(main)
