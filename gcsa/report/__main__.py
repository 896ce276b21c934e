"""Command line: python -m gcsa.report RUN."""

from __future__ import annotations

import argparse
from pathlib import Path

from gcsa.errors import InputError, MissingFileError, run_program
from gcsa.files import write_text
from gcsa.report.outcomes import study
from gcsa.report.page import Subject, page
from gcsa.report.runs import is_override, open_run


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m gcsa.report",
        description="Write one HTML page about a training run: settings, curves, metrics, and what "
        "re-ranking does to single queries, in pictures. It opens without network.",
        epilog="Example: python -m gcsa.report msls_train --compare msls_looks msls_heading",
    )
    parser.add_argument("run", metavar="RUN", help="folder of a run, or its name")
    parser.add_argument("--compare", nargs="+", default=[], metavar="RUN", help="runs beside it")
    parser.add_argument("--checkpoint", metavar="FILE", help="default: the best, else the last")
    parser.add_argument("--split", default="val", help="train, val (default) or test")
    many = "queries to show, the most changed (default: 200)"
    parser.add_argument("--max_queries", type=int, default=200, metavar="N", help=many)
    parser.add_argument("--output", metavar="FILE", help="default: report.html in the run's folder")
    parser.add_argument(
        "overrides", nargs="*", metavar="section.key=value", help="settings: docs/settings.md"
    )
    args = parser.parse_intermixed_args()
    if args.max_queries < 0:
        raise InputError(f"--max_queries: {args.max_queries} is less than 0")
    # Settings after --compare are taken for runs by argparse.
    overrides = [*args.overrides, *filter(is_override, args.compare)]
    run = open_run(args.run, overrides)
    others = [open_run(name, overrides) for name in args.compare if not is_override(name)]
    checkpoint = Path(args.checkpoint or run.checkpoint)
    if not checkpoint.is_file():
        raise MissingFileError(f"--checkpoint: {checkpoint}: no such file")
    outcome = study(run.config, str(checkpoint), args.split, overrides)
    text = page(Subject(run, others, checkpoint, args.split, outcome), args.max_queries)
    output = Path(args.output or run.folder / "report.html")
    write_text(output, text)
    print(f"{output}: {len(text.encode()) / 1e6:.1f} MB")


if __name__ == "__main__":
    run_program(main)
