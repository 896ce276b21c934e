"""Command line: gcsa miniworld --out DIR --size tiny|small|large --seed S."""

import argparse

from gcsa import options
from gcsa.errors import run_program
from gcsa.miniworld.plan import SIZES


def parser() -> argparse.ArgumentParser:
    sizes = ", ".join(
        f"{name}: {len(s.cities)} cities, {len(s.cities) * (s.num_database + s.num_query)} images"
        for name, s in SIZES.items()
    )
    made = options.program(
        "miniworld",
        "Draw a synthetic world with the files of MSLS and hloc: images, CSV, HDF5.",
        "--out outputs/tiny",
    )
    options.add_world(made, tuple(SIZES), sizes)
    return made


def main() -> None:
    """Parse the arguments, generate, and report in one line."""
    args = parser().parse_args()
    from gcsa.miniworld.build import generate

    world = generate(args.out, args.size, args.seed, args.workers, args.force)
    total = sum(n for roles in world["counts"].values() for n in roles.values())
    print(f"{args.out}: {len(world['counts'])} cities, {total} images")
    if args.also:
        from gcsa.miniworld.layouts import write_layout

        write_layout(args.out, args.also, "msls", world["descriptor"]["name"], world["cities"])


if __name__ == "__main__":
    run_program(main)
