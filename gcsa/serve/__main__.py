"""Command line: gcsa serve --conf C --port 8000."""

from __future__ import annotations

import argparse
import importlib.util
import os
from pathlib import Path

from gcsa import options
from gcsa.errors import InputError, run_program

TOKEN = "GCSA_TOKEN"
# Whole numbers from 1, with their defaults.
NUMBERS = {
    "places": (128, "requests inside at a time; who comes then is told to come again (429)"),
    "batch_size": (16, "requests answered together, at most"),
    "wait_ms": (5, "milliseconds that the first of them waits for others"),
    "workers": (2, "threads that decode photos"),
    "max_bytes": (20_000_000, "bytes of a request"),
    "max_pixels": (50_000_000, "pixels of a photo"),
}


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "serve",
        "Answer over HTTP where a photo, or a descriptor, was taken: position, radius (68 %), "
        "confidence, best images and GeoJSON, as gcsa locate answers; with a page to drop photos "
        "on. pip install gcsa[serve] brings what it needs; docs/serving.md.",
        "--folder outputs/photos/lund --port 8000",
    )
    options.add_conf(made)
    made.add_argument(
        "--folder", metavar="DIR", help="own photos: what gcsa photos wrote, or as of gcsa locate"
    )
    made.add_argument(
        "--weights", metavar="FILE", help="of the network that made the database's descriptors"
    )
    options.add_split(made)
    net = made.add_argument_group("network")
    net.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="(default: 127.0.0.1)")
    net.add_argument("--port", type=int, default=8000, metavar="N", help="(default: 8000)")
    net.add_argument(
        "--allow_host", action="append", default=[], metavar="NAME",
        help="another name that clients call it by, as behind a proxy; may be repeated",
    )  # fmt: skip
    net.add_argument(
        "--token_file",
        metavar="FILE",
        help=f"file of the token that clients must send (or {TOKEN} in the environment); needed "
        "where --host is not of this machine alone",
    )
    work = made.add_argument_group("work")
    for name, (default, what) in NUMBERS.items():
        work.add_argument(
            f"--{name}", type=int, default=default, metavar="N", help=f"{what} (default: {default})"
        )
    options.add_device(work)
    options.add_overrides(made)
    return made


def main() -> None:
    args = parser().parse_intermixed_args()
    for name in ("fastapi", "uvicorn"):
        if importlib.util.find_spec(name) is None:
            raise InputError(f"gcsa serve: {name} is not installed; pip install 'gcsa[serve]'")
    for option in NUMBERS:
        if getattr(args, option) < 1:
            raise InputError(f"--{option}: {getattr(args, option)} is less than 1")
    if not 0 <= args.port <= 65535:
        raise InputError(f"--port: {args.port} is not from 0 to 65535")
    from gcsa.serve.command import run

    run(args, _token(args.token_file), options.overrides(args))


def _token(file: str | None) -> str | None:
    """The token, from its file or the environment: an argument would be read by all in ``ps``."""
    if file is None:
        return os.environ.get(TOKEN) or None
    from gcsa.files import read_text

    return read_text(Path(file)).strip()


if __name__ == "__main__":
    run_program(main)
