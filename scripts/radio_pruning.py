"""LaMAR's own use of radio, to compare with: retrieval among what radio pruning leaves.

Prints Markdown rows of validation metrics, without and with the filter (gcsa.localization.pruning),
for several shares of the map that it keeps; 0.025 is the share of the LaMAR paper.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ablation import markdown

from gcsa.config import load_config
from gcsa.datasets.lamar.scene import read_map, read_queries
from gcsa.errors import InputError, run_program
from gcsa.evaluation.metrics import KS
from gcsa.localization.pruning import PruningConfig, prune_scene, retrieve_pruned
from gcsa.scoring.report import report
from gcsa.scoring.split import prepare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conf", default="configs/miniworld_lamar_train.yaml")
    parser.add_argument(
        "--fractions",
        default="0.025,0.1,0.25",
        metavar="F,F",
        help="shares of the map (%(default)s)",
    )
    parser.add_argument("overrides", nargs="*", metavar="section.key=value")
    args = parser.parse_intermixed_args()
    logging.getLogger("gcsa").setLevel(logging.WARNING)
    fractions = [float(text) for text in args.fractions.split(",")]
    if not all(0 < fraction <= 1 for fraction in fractions):
        raise InputError(f"--fractions: {args.fractions} are not shares above 0, up to 1")
    config = load_config(args.conf, args.overrides)
    scenes = prepare(config.data, config.fov, [], "val", max(KS))
    for fraction in fractions:
        rankings = []
        for ranked in scenes:
            folder = Path(config.data.root) / "lamar" / ranked.scene.name
            sessions = read_map(folder), read_queries(folder, "val")
            allowed = prune_scene(*sessions, PruningConfig(fraction=fraction))
            rankings.append(retrieve_pruned(ranked.scene, allowed, max(KS)))
        metrics = report(config, "val", scenes, rankings)["metrics"]
        print(markdown(f"no re-ranking, radio pruning to {100 * fraction:g} %", [metrics]))


if __name__ == "__main__":
    run_program(main)
