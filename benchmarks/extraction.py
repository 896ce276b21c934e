"""Photos to descriptors: each network against its limit, and what decoding and writing add to it.

The limit of a network is its floating-point operations at the rate of a matrix product on the same
machine in the same run. Weights are random: speed does not depend on them. Photos are drawn.
"""

from __future__ import annotations

import argparse
import ctypes
import gzip
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import torch
from machine import describe, peak_gflops, table, time_on
from PIL import Image

from gcsa.descriptors.extraction import extract
from gcsa.descriptors.extraction.decoding import Photo
from gcsa.descriptors.extraction.extract import Effort
from gcsa.descriptors.extraction.recipes import Reading, recipe
from gcsa.descriptors.extraction.stores import store
from gcsa.descriptors.networks import Network, default_weights, fused, load_network
from gcsa.descriptors.networks.flops import flops

TENSORS = Path(__file__).parents[1] / "tests" / "data" / "network_tensors.json.gz"
# What of that table is measured, and at which size (height, width).
NETWORKS = {
    "cosplace_ResNet18_512": (480, 640),
    "cosplace_ResNet50_2048": (480, 640),
    "mixvpr_4096": (320, 320),
    "convap_4096": (320, 320),
    "boq_resnet50_16384": (384, 384),
    "salad": (322, 322),
    "megaloc": (322, 322),
    "dir_resnet101_rmac": (768, 1024),
    "nanne_vgg16_netvlad": (480, 640),
}
LARGE = (768, 1024)


def shapes() -> dict[str, dict[str, list[int]]]:
    """Names and shapes of the tensors of each network of the table."""
    found: dict[str, dict[str, list[int]]] = json.loads(gzip.decompress(TENSORS.read_bytes()))
    return found


def drawn(tensors: dict[str, list[int]], folder: Path) -> Network:
    """A network of these tensors, name -> shape, with random weights."""
    generator = torch.Generator().manual_seed(0)

    def values(name: str, shape: list[int]) -> torch.Tensor:
        if name.endswith("num_batches_tracked"):
            return torch.zeros(shape, dtype=torch.int64)
        if name.endswith((".p", "running_var")):
            return torch.ones(shape)
        return 0.02 * torch.randn(shape, generator=generator)

    path = folder / "weights.pth"
    torch.save({"state_dict": {n: values(n, s) for n, s in tensors.items()}}, path)
    return load_network(path)


def network_row(network: Network, size: tuple[int, int], peak: float) -> list[str]:
    """One thread, one photo: milliseconds as loaded and fused, and the share of the limit."""
    x = torch.rand(1, 3, *size)
    torch.set_num_threads(1)
    count, seconds = flops(network, *size), []
    with torch.inference_mode():
        seconds.append(time_on("cpu", lambda: network(x), repeats=3))
        ready, x = fused(network), x.contiguous(memory_format=torch.channels_last)
        seconds.append(time_on("cpu", lambda: ready(x), repeats=3))
    return [
        network.name,
        f"{size[1]} x {size[0]}",
        f"{count / 1e9:.1f}",
        *(f"{1e3 * s:.0f}" for s in seconds),
        f"{100 * count / seconds[-1] / 1e9 / peak:.0f} %",
    ]


def grown(function: Callable[[], object]) -> float:
    """Megabytes by which a process of its own grows at most while it runs the function (Linux)."""

    def child(pipe) -> None:
        ctypes.CDLL(None).malloc_trim(0)  # what is free already would be used first
        Path("/proc/self/clear_refs").write_text("5")  # forget how large it was
        before = resident("VmRSS")
        function()
        pipe.send((resident("VmHWM") - before) / 1024)

    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=child, args=(there,))
    process.start()
    process.join()
    return float(here.recv())


def resident(key: str) -> int:
    """Kilobytes that the system counts of this process: VmRSS now, VmHWM at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


def memory(network: Network, size: tuple[int, int]) -> float:
    """Megabytes beside the weights for one photo."""
    x = torch.rand(1, 3, *size)

    def once() -> None:
        torch.set_num_threads(1)
        with torch.inference_mode():
            network(x)

    return grown(once)


def draw_photos(folder: Path, count: int, size: tuple[int, int]) -> list[Photo]:
    random, found = np.random.default_rng(0), []
    for number in range(count):
        small = Image.fromarray(random.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        found.append(Photo(f"{number:04d}.jpg", folder / f"{number:04d}.jpg"))
        small.resize(size, Image.Resampling.BICUBIC).save(found[-1].path, quality=90)
    return found


def pipeline(photos: list[Photo], folder: Path) -> list[list[str]]:
    """The network that ships over drawn photos: ours, one step after another, the network alone."""
    network, ready = load_network(), fused(load_network())
    torch.set_num_threads(1)
    how = recipe(ready, default_weights(), Reading(reduced=True))
    x = how.decode(photos[0]).pixels[None]
    cpu, count = torch.device("cpu"), len(photos)

    def ours() -> None:
        target = store(folder / "ours.h5", {**how.about, "dtype": "float16", "length": how.length})
        extract.describe(photos, how, target, Effort(), cpu)
        extract.write(photos, how, target)
        target.path.unlink()

    def in_turn() -> None:
        with torch.inference_mode(), h5py.File(folder / "in_turn.h5", "w") as file:
            for photo in photos:
                with Image.open(photo.path) as image:
                    pixels = np.asarray(image.convert("RGB"), dtype=np.float32) / 255
                image_tensor = torch.from_numpy(pixels).permute(2, 0, 1)[None]
                row = network(network.normalise(network.resize(image_tensor)))[0]
                file.create_group(photo.name)["global_descriptor"] = row.half().numpy()

    def alone() -> None:
        with torch.inference_mode():
            for _ in range(count):
                how.describe(x)

    lines = []
    for name, function in (
        ("gcsa extract, two threads that decode", ours),
        ("open, resize, describe, write, in turn", in_turn),
        ("the network alone", alone),
    ):
        started = time.perf_counter()
        function()
        lines.append([name, f"{count / (time.perf_counter() - started):.1f}"])
    return lines


def residuals(size: tuple[int, int]) -> list[list[str]]:
    """NetVLAD's layer with all residuals in memory, as hloc and pytorch-NetVlad build it."""
    count = size[0] // 16 * (size[1] // 16)
    x, share = torch.rand(1, 512, count), torch.rand(1, 64, count).softmax(dim=1)
    centres = torch.rand(512, 64)

    def all_of_them() -> torch.Tensor:
        off = x[:, :, None] - centres[None, :, :, None]
        return (share[:, None] * off).sum(dim=3)

    def products() -> torch.Tensor:
        return x @ share.transpose(1, 2) - centres * share.sum(dim=2)[:, None]

    assert torch.allclose(all_of_them(), products(), rtol=1e-3, atol=1e-2)
    return [
        [name, f"{1e3 * time_on('cpu', function):.1f}", f"{grown(function):.0f}"]
        for name, function in (("residuals", all_of_them), ("two products (ours)", products))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=120, help="drawn for the pipeline")
    parser.add_argument("--quick", action="store_true", help="one network, small")
    args = parser.parse_args()
    print(f"{describe()}\n", flush=True)
    peak = peak_gflops(size=512 if args.quick else None)
    chosen = {"cosplace_ResNet18_512": (64, 96)} if args.quick else NETWORKS
    known = shapes()
    rows, taken = [], []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, size in chosen.items():
            network = drawn(known[name], folder)
            rows.append(network_row(network, size, peak))
            large = size if args.quick else LARGE
            if network.body.takes.exactly is None:
                taken.append([network.name, f"{memory(network, network.input_size(*large)):.0f}"])
        rows.append(network_row(load_network(), (64, 96) if args.quick else (256, 320), peak))
        print(f"One thread; the machine's matrix product: {peak:.0f} GFLOP/s\n")
        print(
            table(rows, ["network", "input", "GFLOP", "ms, as loaded", "fused", "of the limit"])
            + "\n",
            flush=True,
        )
        print(table(taken, ["network, one photo of 1024 x 768 as it takes it", "MB"]) + "\n")
        print(table(residuals((96, 128) if args.quick else LARGE), ["NetVLAD", "ms", "MB"]) + "\n")
        photos = draw_photos(
            folder, 4 if args.quick else args.photos, (160, 120) if args.quick else (1024, 768)
        )
        print(table(pipeline(photos, folder), ["photos of 1024 x 768, lite0", "images/s"]))


if __name__ == "__main__":
    main()
