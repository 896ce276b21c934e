"""Command line: gcsa miniworld.building --out DIR --size tiny|small --seed S."""

import argparse

from gcsa import options
from gcsa.errors import run_program
from gcsa.miniworld.building.plan import SIZES


def parser() -> argparse.ArgumentParser:
    sizes = ", ".join(f"{name}: {' '.join(size.scenes)}" for name, size in SIZES.items())
    made = options.program(
        "miniworld.building",
        "Draw synthetic buildings with the files of LaMAR and hloc: images, poses, WiFi and "
        "Bluetooth, HDF5.",
        "--out outputs/tiny",
    )
    options.add_world(made, tuple(SIZES), sizes)
    made.add_argument(
        "--width",
        type=int,
        default=160,
        metavar="PIXELS",
        help="of the images; local features need 320 (default: 160)",
    )
    return made


def main() -> None:
    """Parse the arguments, generate, and report in one line."""
    args = parser().parse_args()
    from gcsa.miniworld.building.build import generate

    world = generate(args.out, args.size, args.seed, args.workers, args.force, args.width)
    total = sum(n for sessions in world["counts"].values() for n in sessions.values())
    print(f"{args.out}: {len(world['counts'])} buildings, {total} images")
    if args.also:
        from gcsa.miniworld.layouts import write_layout

        # Queries of the test split, whose poses are not told, would lie in the same folders.
        scenes = {"val": world["scenes"]}
        write_layout(args.out, args.also, "lamar", world["descriptor"]["name"], scenes)


if __name__ == "__main__":
    run_program(main)
