"""Command line: gcsa report RUN."""

from __future__ import annotations

import argparse
from pathlib import Path

from gcsa import options
from gcsa.errors import InputError, MissingFileError, run_program


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "report",
        "Write one HTML page about a training run: settings, curves, metrics, and what re-ranking, "
        "or training a descriptor, does to single queries, in pictures. It opens without network.",
        "msls_train --compare msls_looks msls_heading",
    )
    made.add_argument("run", metavar="RUN", help="folder of a run, or its name")
    made.add_argument("--compare", nargs="+", default=[], metavar="RUN", help="runs beside it")
    options.add_checkpoint(made, "default: the best, else the last")
    options.add_method(made)
    options.add_split(made)
    options.add_device(made)
    many = "queries to show, the most changed (default: 200)"
    made.add_argument("--max_queries", type=int, default=200, metavar="N", help=many)
    poses = "place the cameras by local features of N images of a list (LaMAR, data.local_fn)"
    made.add_argument("--poses", type=int, default=0, metavar="N", help=poses)
    made.add_argument("--output", metavar="FILE", help="default: report.html in the run's folder")
    options.add_overrides(made)
    return made


def main() -> None:
    args = parser().parse_intermixed_args()
    from gcsa.files import write_text
    from gcsa.report.outcomes import study
    from gcsa.report.page import Subject, page
    from gcsa.report.posed import place_all
    from gcsa.report.runs import open_run
    from gcsa.report.trained import study_of_training

    for name in ("max_queries", "poses"):
        if getattr(args, name) < 0:
            raise InputError(f"--{name}: {getattr(args, name)} is less than 0")
    # Settings after --compare are taken for runs by argparse.
    overrides = options.overrides(args, args.compare)
    run = open_run(args.run, overrides)
    names = [name for name in args.compare if not options.is_override(name)]
    others = [open_run(name, overrides) for name in names]
    # open_ranker refuses --checkpoint and --method where they are not for each other.
    used = args.checkpoint or (run.checkpoint if args.method is None else None)
    checkpoint = None if used is None else Path(used)
    if checkpoint is not None and not checkpoint.is_file():
        raise MissingFileError(f"--checkpoint: {checkpoint}: no such file")
    file = None if checkpoint is None else str(checkpoint)
    if run.config.train.system != "descriptor":
        outcome = study(run.config, file, args.split, overrides, args.method)
    elif checkpoint is None or args.method or args.poses:
        name = "poses" if args.poses else "method"
        raise InputError(f"--{name}: a descriptor is compared with itself before training")
    else:
        outcome = study_of_training(run.config, checkpoint, args.split)
    posed = place_all(outcome, args.split, args.poses) if args.poses else []
    subject = Subject(run, others, checkpoint, args.split, outcome, args.method, posed, args.poses)
    text = page(subject, args.max_queries)
    output = Path(args.output or run.folder / "report.html")
    write_text(output, text)
    print(f"{output}: {len(text.encode()) / 1e6:.1f} MB")


if __name__ == "__main__":
    run_program(main)
