"""Command line: gcsa locate --conf C --output where.geojson."""

from __future__ import annotations

import argparse
from pathlib import Path

from gcsa import options
from gcsa.errors import InputError, run_program


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "locate",
        "Say where each query was taken: position, radius (68 %), confidence and best images, as "
        "GeoJSON, as CSV, and on a map in one HTML page that opens without network. The truth is "
        "not read.",
        "--folder photos/lund --output where.geojson",
        note="Settings: posterior.objective, posterior.calibration, posterior.sequences. "
        "data.query_gps is on, unless data.query_gps=false is given.",
    )
    options.add_conf(made)
    made.add_argument(
        "--folder", metavar="DIR", help="own photos: images.csv, descriptors in it or in outputs/"
    )
    made.add_argument(
        "--query",
        nargs="+",
        default=[],
        metavar="NAME",
        help="these queries alone, by name, last part of it, or that without suffix",
    )
    made.add_argument(
        "--output",
        required=True,
        metavar="FILE",
        help="GeoJSON file to write; .csv and .html beside it",
    )
    options.add_locating(made)
    options.add_num(made, 5, "best images a query")
    many = "queries with a place on the page; the files have all (default: 100)"
    made.add_argument("--max_queries", type=int, default=100, metavar="N", help=many)
    options.add_split(made)
    options.add_device(made)
    options.add_overrides(made)
    return made


def main() -> None:
    args = parser().parse_intermixed_args()
    from gcsa.config import load_config
    from gcsa.distributed.work import program
    from gcsa.locate.answers import locate, summary
    from gcsa.locate.folders import of_folder
    from gcsa.locate.outputs import paths_of, write
    from gcsa.rerankers import DEFAULT

    for option in ("num", "max_queries"):
        if getattr(args, option) < 1:
            raise InputError(f"--{option}: {getattr(args, option)} is less than 1")
    paths = paths_of(Path(args.output))
    # Settings after --query are taken for names by argparse.
    overrides = options.overrides(args, args.query)
    names = [word for word in args.query if not options.is_override(word)]
    config = load_config(args.conf, overrides)
    if args.folder is not None:
        config = of_folder(config, Path(args.folder), overrides)
    with program(config.train.timeout, config.data.outputs):
        found = locate(config, args.split, names, overrides, args.method or DEFAULT)
        write(paths, found, config, args.num, args.max_queries)
        print(f"{', '.join(map(str, paths))}: {summary(found)}")


if __name__ == "__main__":
    run_program(main)
