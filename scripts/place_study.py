"""What the network of places learns, and of what: ablations, each of several seeds.

Prints a Markdown table of recall@1, mAP@10 and the calibration error of the confidence, percent:
mean and standard deviation over the seeds, each run at its last epoch, so that nothing is chosen by
what is reported. On the validation scenes of the config; and, with --held, on those of another
config, a world that was drawn by another seed, say. A run that is there is not repeated.
"""

from __future__ import annotations

import argparse
import logging
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gcsa.config import Config, load_config
from gcsa.errors import InputError, run_program
from gcsa.files import write_text
from gcsa.places.calibration import to_text
from gcsa.places.settings import PosteriorConfig
from gcsa.rerankers.fusion import Fusion
from gcsa.scoring.calibration import calibrate_on_scenes
from gcsa.scoring.evaluation import evaluate
from gcsa.scoring.split import prepare
from gcsa.train import train

COLUMNS = ("recall@1", "mAP@10", "ECE")
# Queries, and epochs of them: fewer are seen more often, as long as that pays.
COUNTS = ((256, 48), (1024, 24), (4096, 12), (16384, 6), (65536, 3))
# By name, what is changed of the config.
ROWS: dict[str, list[str]] = {
    "as configured": [],
    "no images of databases as queries": ["place.own=false"],
    "no other descriptors": ["place.variants=0"],
    "every kind always known": ["place.drop=0"],
    "no noise of headings": ["place.compass_noise=0"],
    "no noise of positions": ["place.position_noise=0"],
    "lists of one length": ["place.shortest=100000"],
    "no pairs (0 layers)": ["place.layers=0"],
    "2 layers": ["place.layers=2"],
    "3 layers": ["place.layers=3"],
    "4 layers, width 96": ["place.layers=4", "place.width=96"],
    "16 keys": ["place.keys=16"],
    "48 keys": ["place.keys=48"],
    "not a correction of the posterior": ["place.residual=false"],
    **{f"{n:,} queries": [f"place.queries={n}", f"train.num_epochs={e}"] for n, e in COUNTS},
}
Figures = dict[str, float]


def figures(config: Config, checkpoint: str | None, method: str | None = None) -> Figures:
    """Of a split's scenes together: metrics, and the calibration error of the confidence."""
    nothing: Fusion | None = None
    found = evaluate(config, checkpoint, "val", (), nothing, method)
    return {**found["metrics"], **found.get("confidence", {})}


def on_training_scenes(config: Config) -> PosteriorConfig:
    """The settings of the posterior with what the labels of the training scenes say: the rule of
    seven numbers that a network, which reads the same labels, must be better than."""
    scenes = prepare(config.data, config.fov, [], "train", config.model.K)
    path = Path(config.data.outputs) / "training" / "place-study.calibration.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, to_text(calibrate_on_scenes(config, scenes)))
    return replace(config.posterior, calibration=str(path))


def trained(config: Config, name: str) -> str:
    """The last checkpoint of a run, which is trained unless it is there."""
    folder = Path(config.data.outputs) / "training" / name
    last = folder / f"checkpoint_{config.train.num_epochs}.pth.tar"
    if not last.is_file():
        train(config, name)
    return str(last)


def line(name: str, parts: Sequence[Sequence[Figures]]) -> str:
    """A row: of each set of scenes the mean and deviation over the seeds."""
    cells = [name]
    for runs in parts:
        for column in COLUMNS:
            values = [100 * run[column] for run in runs if column in run]
            cells.append(_cell(values))
    return f"| {' | '.join(cells)} |"


def _cell(values: Sequence[float]) -> str:
    if not values:
        return ""
    mean = f"{statistics.mean(values):.1f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.1f}"


def study(
    conf: str, held: Sequence[str], rows: Sequence[str], seeds: int, overrides: Sequence[str]
) -> None:
    """Print the table, line by line as the runs end."""
    base = load_config(conf, overrides)
    sets = [base, *(replace(load_config(name), model=base.model) for name in held)]
    titles = [f"{c}, {n}" for n in ("validation", *held) for c in COLUMNS]
    print(f"| | {' | '.join(titles)} |\n|---{'|---:' * len(titles)}|", flush=True)
    print(line("no re-ranking", [[figures(c, None)] for c in sets]), flush=True)
    print(line("posterior", [[figures(c, None, "posterior")] for c in sets]), flush=True)
    told = [replace(c, posterior=on_training_scenes(base)) for c in sets]
    name = "posterior, calibrated on the training scenes"
    print(line(name, [[figures(c, None, "posterior")] for c in told]), flush=True)
    for name in rows:
        found: list[list[Figures]] = [[] for _ in sets]
        for seed in range(seeds):
            config = load_config(conf, [*overrides, *ROWS[name], f"train.seed={seed}"])
            short = name.replace(" ", "-").replace(",", "")
            checkpoint = trained(config, f"place-{short}-{seed}")
            for known, runs in zip(sets, found, strict=True):
                runs.append(figures(known, checkpoint))
        print(line(name, found), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conf", default="configs/place_miniworld.yaml", help="of the training")
    parser.add_argument(
        "--held", nargs="*", default=[], metavar="YAML", help="whose validation scenes count, too"
    )
    parser.add_argument(
        "--rows", nargs="*", metavar="NAME", help=f"of: {'; '.join(ROWS)} (default: all)"
    )
    parser.add_argument("--seeds", type=int, default=3, help="runs of each (default: 3)")
    parser.add_argument("overrides", nargs="*", help="section.key=value")
    args = parser.parse_intermixed_args()
    logging.getLogger("gcsa").setLevel(logging.INFO)
    unknown = set(args.rows or []) - set(ROWS)
    if unknown:
        raise InputError(f"--rows: no row {sorted(unknown)}; expected of {', '.join(ROWS)}")
    study(args.conf, args.held, args.rows or list(ROWS), args.seeds, args.overrides)


if __name__ == "__main__":
    run_program(main)
