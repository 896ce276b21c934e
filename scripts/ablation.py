"""What each kind of side information adds: train stage 2 without and with it, several seeds.

Prints a Markdown table of validation metrics in the order of the paper: mean and standard
deviation over the seeds, each run at its best epoch by mAP@10. Where radio is among the kinds the
same models are also measured on scenes without any.
"""

from __future__ import annotations

import argparse
import logging
import statistics
from pathlib import Path

from gcsa.config import load_config
from gcsa.errors import InputError, run_program
from gcsa.evaluate import evaluate
from gcsa.train import train

COLUMNS = ("recall@1", "recall@5", "mAP@5", "mAP@10", "mAP@20")


def rows_of(kinds: list[str]) -> dict[str, list[str]]:
    """Visual affinity alone, each kind with it, the last of the config first, and all of them."""
    alone = {kind: [kind] for kind in reversed(kinds)}
    return {"visual only": [], **alone, ", ".join(kinds): kinds}


def measure(conf: str, overrides: list[str], kinds: list[str], seed: int) -> dict[str, float]:
    """Metrics of one run at its best epoch; with radio, also of its best model without any."""
    settings = [f"model.affinity=[{','.join(kinds)}]", f"train.seed={seed}", "train.keep_best=true"]
    config = load_config(conf, [*overrides, *settings])
    name = "-".join(["ablation", Path(conf).stem, *kinds, str(seed)])
    best = max(train(config, name)[1:], key=lambda row: row["mAP@10"])
    if "radio" not in kinds:
        return best
    checkpoint = Path(config.data.outputs) / "training" / name / "checkpoint_best.pth.tar"
    silent = load_config(conf, [*overrides, *settings, "data.radio=false"])
    return {**best, "silent": evaluate(silent, str(checkpoint))["metrics"]}


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
    if args.seeds < 1:
        raise InputError(f"--seeds: {args.seeds} is less than 1")
    config = load_config(args.conf, args.overrides)
    print(f"| affinity | {' | '.join(COLUMNS)} |\n|---|{'---|' * len(COLUMNS)}")
    print(markdown("no re-ranking", [evaluate(config)["metrics"]]), flush=True)
    for label, kinds in rows_of(config.model.affinity).items():
        results = [measure(args.conf, args.overrides, kinds, s) for s in range(args.seeds)]
        print(markdown(label, results), flush=True)
        if "radio" in kinds:
            silent = [result["silent"] for result in results]
            print(markdown(f"{label}; no radio at test time", silent), flush=True)


if __name__ == "__main__":
    run_program(main)
