"""Command line: python -m gcsa.miniworld --out DIR --size tiny|small|large --seed S."""

import argparse

from gcsa.errors import run_program
from gcsa.miniworld.build import generate
from gcsa.miniworld.plan import SIZES


def main() -> None:
    """Parse the arguments, generate, and report in one line."""
    sizes = ", ".join(
        f"{name}: {len(s.cities)} cities, {len(s.cities) * (s.num_database + s.num_query)} images"
        for name, s in SIZES.items()
    )
    parser = argparse.ArgumentParser(
        prog="python -m gcsa.miniworld",
        description="Draw a synthetic world with the files of MSLS and hloc: images, CSV, HDF5.",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--size", choices=SIZES, default="tiny", help=f"{sizes} (default: tiny)")
    parser.add_argument("--seed", type=int, default=0, help="decides everything (default: 0)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: all cores)")
    parser.add_argument("--force", action="store_true", help="replace another miniworld in DIR")
    args = parser.parse_args()
    world = generate(args.out, args.size, args.seed, args.workers, args.force)
    total = sum(n for roles in world["counts"].values() for n in roles.values())
    print(f"{args.out}: {len(world['counts'])} cities, {total} images")


if __name__ == "__main__":
    run_program(main)
