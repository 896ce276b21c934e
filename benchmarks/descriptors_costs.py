"""What a training step of a descriptor network costs on the miniworld of the quick start.

Images a second against the machine's own matrix product, with and without what the frozen layers
made before; mining's share of the time; and the peak of memory as the batch grows.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import noise
import torch
from machine import cpu_time, describe, peak_gflops, table

from gcsa.config import Config, load_config
from gcsa.descriptors.networks.flops import flops
from gcsa.training.describing.describing import Describing

CPU = torch.device("cpu")
FREEZE = "descriptor.freeze=backbone._blocks.14"


def settings(args: argparse.Namespace, *changes: str) -> Config:
    given = [f"data.root={args.root}", "data.desc_fn=none.h5", "train.loss=triplet"]
    return load_config("sare_miniworld", [*given, *args.changes, *changes])


def speed(args: argparse.Namespace) -> list[str]:
    """A step's time against its operations, and mining's share."""
    config = settings(args, FREEZE)
    course = Describing(config, CPU, True)
    photos, length = len(course.collection), course.model.length
    step = next(course.batches.epoch(1, lambda: torch.randn(photos, length)))
    from_kept = cpu_time(lambda: course._step(step, (0, 1, 1)), 3)
    course.frozen = None
    seconds = cpu_time(lambda: course._step(step, (0, 1, 1)), 3)
    operations = flops(course.model, *config.descriptor.pixels())
    rate = 1e9 * peak_gflops(size=512 if args.quick else None)
    start = time.process_time()
    course.describe(course.collection.paths[:200])
    mining = (time.process_time() - start) / min(200, photos) * photos
    window = config.train.remine / config.data.batch_size
    share = 100 * mining / (mining + window * seconds)
    return [
        f"a step: {len(step.images) / seconds:.1f} images a CPU second, forward "
        f"{operations / 1e9:.2f} GFLOP an image; a matrix product has {rate / 1e9:.0f} GFLOP/s",
        f"a step of {len(step.images)} images: {seconds:.2f} s, {from_kept:.2f} s from what the "
        "frozen layers made before",
        f"at that rate the forward passes alone allow {rate / operations:.0f} images a second",
        f"mining: {mining:.0f} s for {photos} photos, every {window:.0f} steps of {seconds:.2f} s: "
        f"{share:.0f} % of the time",
    ]


def memory(args: argparse.Namespace) -> str:
    """A table of peaks, each of a process of its own."""
    rows = []
    for images in args.batches:
        cells: list[object] = [images]
        for chunk in (0, args.batches[0] // 2):
            command = [sys.executable, __file__, "--peak", str(images), str(chunk)]
            done = subprocess.run(
                [*command, "--root", args.root, *args.changes],
                capture_output=True,
                text=True,
                check=True,
            )
            cells.append(done.stdout.strip())
        rows.append(cells)
    return table(rows, ["images", "one pass, MB", f"parts of {args.batches[0] // 2}, MB"])


def peak(args: argparse.Namespace, images: int, chunk: int) -> str:
    """Megabytes that a step on so many images needs, every layer trained, above the process's."""
    lists = ["train.loss=ap", "descriptor.batches=places", f"descriptor.places={images // 4}"]
    lists += [f"descriptor.chunk={chunk}", "descriptor.steps=1", "data.num_workers=0"]
    course = Describing(settings(args, *lists, "descriptor.freeze="), CPU, True)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    before = pages * resource.getpagesize() / 1024
    course._step(next(course.batches.epoch(1, course._all)), (0, 1, 1))
    return f"{(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("changes", nargs="*", help="section.key=value")
    parser.add_argument("--root", default="outputs/quickstart/datasets")
    parser.add_argument("--batches", nargs="+", type=int, default=[48, 96, 192], metavar="N")
    quick = "two little scenes of noise, to see that it runs"
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--peak", nargs=2, type=int, help=argparse.SUPPRESS)
    args = parser.parse_intermixed_args()
    if args.peak:
        print(peak(args, *args.peak))
        return
    print(describe())
    with tempfile.TemporaryDirectory() as drawn:
        if args.quick:
            args.root, args.batches = drawn, [8]
            args.changes = [*noise.draw(Path(drawn)), *args.changes]
        print("\n".join(speed(args)), memory(args), sep="\n\n")


if __name__ == "__main__":
    main()
