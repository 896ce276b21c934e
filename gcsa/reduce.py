"""Shorter descriptors: what the first round loses by them, and their files."""

from __future__ import annotations

import argparse
import re

from gcsa import options
from gcsa.errors import InputError, run_program


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "reduce",
        "Make descriptors shorter by whitened principal axes, and by codes of a byte for several "
        "numbers. Prints what the first round finds before and after, for each length; with "
        "--output also writes the files of all scenes, and the matrix.",
        "--conf configs/miniworld_train.yaml --numbers 256 128 64 --output feats-64.h5",
    )
    options.add_conf(made)
    made.add_argument(
        "--numbers",
        nargs="+",
        required=True,
        metavar="N",
        help="numbers that are left of a descriptor; several are compared, the last is written",
    )
    made.add_argument(
        "--codes",
        nargs="+",
        default=[],
        metavar="M",
        help="and the last of --numbers kept as M bytes (product quantisation)",
    )
    made.add_argument(
        "--power",
        type=float,
        default=0.25,
        help="of the variances, by which each axis is divided: 0 none, 0.5 whitening proper "
        "(default: 0.25, as gcsa extract --whiten)",
    )
    made.add_argument(
        "--output", metavar="NAME", help="write files of this name beside each data.desc_fn"
    )
    options.add_split(made, "measured on: train, val (default) or test; none: not at all")
    options.add_device(made)
    options.add_overrides(made)
    return made


def main() -> None:
    args = parser().parse_intermixed_args()
    if args.output is not None and ("/" in args.output or not args.output.endswith(".h5")):
        raise InputError(f"--output: '{args.output}', expected the name of a file, NAME.h5")
    from gcsa.config import load_config
    from gcsa.scoring.ranker import pick_device
    from gcsa.scoring.reduction import fit, measure, write
    from gcsa.scoring.report import table

    numbers, codes = _integers("--numbers", args.numbers), _integers("--codes", args.codes)
    config = load_config(args.conf, options.overrides(args, [*args.numbers, *args.codes]))
    made = fit(config, numbers, codes, args.power)
    if args.split != "none":
        found = measure(config, args.split, made, pick_device(config.train.device))
        print(table(found))
    if args.output is not None:
        write(config, made[-1], args.output)


def _integers(option: str, words: list[str]) -> list[int]:
    """The numbers of an option, which also takes the settings that stand behind them."""
    found = [word for word in words if not options.is_override(word)]
    for word in found:
        if not re.fullmatch(r"[1-9]\d{0,8}", word):
            raise InputError(f"{option}: '{word}' is not a whole number from 1")
    return [int(word) for word in found]


if __name__ == "__main__":
    run_program(main)
