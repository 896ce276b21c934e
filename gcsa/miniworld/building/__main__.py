"""Command line: python -m gcsa.miniworld.building --out DIR --size tiny|small --seed S."""

import argparse

from gcsa.errors import run_program
from gcsa.miniworld.building.build import generate
from gcsa.miniworld.building.plan import SIZES


def main() -> None:
    """Parse the arguments, generate, and report in one line."""
    sizes = ", ".join(f"{name}: {' '.join(size.scenes)}" for name, size in SIZES.items())
    parser = argparse.ArgumentParser(
        prog="python -m gcsa.miniworld.building",
        description="Draw synthetic buildings with the files of LaMAR and hloc: images, poses, "
        "WiFi and Bluetooth, HDF5.",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--size", choices=SIZES, default="tiny", help=f"{sizes} (default: tiny)")
    parser.add_argument("--seed", type=int, default=0, help="decides everything (default: 0)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: all cores)")
    parser.add_argument("--force", action="store_true", help="replace other buildings in DIR")
    args = parser.parse_args()
    world = generate(args.out, args.size, args.seed, args.workers, args.force)
    total = sum(n for sessions in world["counts"].values() for n in sessions.values())
    print(f"{args.out}: {len(world['counts'])} buildings, {total} images")


if __name__ == "__main__":
    run_program(main)
