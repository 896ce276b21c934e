"""What training a descriptor gains on the miniworld of the quick start, by loss and seed.

One small network is trained by each loss from the same weights: recall@1 of the two validation
cities before and after, and with the posterior on top. What the frozen layers make of a photo is
computed once for all runs. Beside them stand the network before training, and the trivial rule: the
network that ships as it is, whitened on the training databases.

``--costs`` measures instead: images a second of a training step against the machine's own matrix
product, mining's share of the time, and memory as the batch grows.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import cpu_time, describe, peak_gflops, table
from PIL import Image
from torch.nn import functional

from gcsa.config import Config, load_config
from gcsa.descriptors import whitening
from gcsa.descriptors.networks import load_network
from gcsa.descriptors.networks.flops import flops
from gcsa.descriptors.networks.gem import gem
from gcsa.files import write_text
from gcsa.scoring.ranker import open_ranker
from gcsa.scoring.report import report
from gcsa.training.describing.describing import Describing
from gcsa.training.describing.frozen import Frozen
from gcsa.training.describing.validation import Describe

CPU = torch.device("cpu")
SARE = {
    f"sare {kernel} {short}": ["train.loss=sare", f"loss.kernel={kernel}", f"loss.mode={mode}"]
    for kernel in ("gaussian", "cauchy", "exponential")
    for short, mode in (("ind", "independent"), ("joint", "joint"))
}
# By name: the shipped config, and what is changed of it.
LOSSES: dict[str, tuple[str, list[str]]] = {
    "triplet": ("sare_miniworld", ["train.loss=triplet"]),
    "contrastive": ("sare_miniworld", ["train.loss=contrastive-margin"]),
    **{name: ("sare_miniworld", changes) for name, changes in SARE.items()},
    "multi-similarity": ("multi_similarity_miniworld", []),
    "AP-GeM": ("apgem_miniworld", ["descriptor.head=cosplace", "descriptor.chunk=0"]),
    "CosFace": ("cosplace_miniworld", []),
}
FREEZE = "backbone._blocks.14"
POSTERIOR_K = 255
WHITENED, POWER = 128, 0.25  # as gcsa extract keeps the network that ships


def settings(name: str, root: str, seed: int, changes: list[str]) -> Config:
    conf, own = LOSSES[name]
    fixed = [f"data.root={root}", f"train.seed={seed}", f"descriptor.freeze={FREEZE}"]
    fixed += ["data.outputs=outputs/none", "data.desc_fn=none.h5", f"model.K={POSTERIOR_K}"]
    return load_config(conf, [*fixed, *own, *changes])


def recall(config: Config, course: Describing, describe_: Describe) -> dict[str, float]:
    """recall@1 of the validation cities by descriptors, and with the posterior on top."""
    scenes, rankings = course.validation.ranked(describe_, CPU, POSTERIOR_K)
    ranked = open_ranker(config, None, "posterior").rank_all(scenes)
    return {
        name: report(config, "val", scenes, lists)["metrics"]["recall@1"]
        for name, lists in (("first round", rankings), ("posterior", ranked))
    }


def runs(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A row of figures for each loss and seed, as they are made."""
    kept: dict[Path, torch.Tensor] = {}
    for seed in range(args.seeds):
        for name in args.losses:
            config = settings(name, args.root, seed, args.changes)
            course = Describing(config, CPU, True)
            assert isinstance(course.frozen, Frozen)
            course.frozen.kept = kept
            if name == args.losses[0]:  # the others start from the same weights
                before = recall(config, course, course._describe)
            start = time.process_time()
            for epoch in range(1, config.train.num_epochs + 1):
                loss = course.epoch(epoch)
            seconds = time.process_time() - start
            after = recall(config, course, course._describe)
            yield {
                "loss": name,
                "seed": seed,
                "before": before["first round"],
                "before, posterior": before["posterior"],
                "after": after["first round"],
                "posterior": after["posterior"],
                "last loss": loss,
                "CPU s": seconds,
            }
    yield shipped(args, kept)


def shipped(args: argparse.Namespace, kept: dict[Path, torch.Tensor]) -> dict[str, Any]:
    """The trivial rule: the network that ships, whitened on the training databases."""
    config = settings("triplet", args.root, 0, args.changes)
    course, network = Describing(config, CPU, True), load_network()
    assert isinstance(course.frozen, Frozen)
    course.frozen.kept = kept

    @torch.no_grad()
    def described(paths: list[Path]) -> np.ndarray:
        rows = []
        for start in range(0, len(paths), 64):
            part = paths[start : start + 64]
            x = torch.stack([kept[path] for path in part])
            x = network.body.head(network.body.blocks(x, 15, None))
            rows.append(functional.normalize(gem(x, 3.0), dim=1).numpy())
        return np.concatenate(rows)

    database = [course.collection.paths[row] for row in course.collection.database]
    rows = described(database)
    fitted = whitening.fit(rows, min(WHITENED, len(rows) - 1))
    found: dict[str, float] = {}
    ways: dict[str, Describe] = {
        "as it is": described,
        "whitened": lambda paths: fitted.apply(described(paths), POWER),
    }
    for name, way in ways.items():
        both = recall(config, course, way)
        found |= {name: both["first round"], f"{name}, posterior": both["posterior"]}
    return {"loss": "shipped", **found}


def summary(rows: list[dict[str, Any]]) -> str:
    lines = []
    for name in dict.fromkeys(row["loss"] for row in rows if "seed" in row):
        own = [row for row in rows if row["loss"] == name]
        cells = [name, len(own)]
        for key in ("before", "after", "before, posterior", "posterior"):
            values = 100 * np.array([row[key] for row in own])
            cells.append(f"{values.mean():.1f} ± {values.std():.1f}")
        lines.append([*cells, f"{np.mean([row['CPU s'] for row in own]):.0f}"])
    head = ["loss", "seeds", "before", "after", "before, posterior", "after, posterior", "CPU s"]
    text = table(lines, head)
    for row in (row for row in rows if row["loss"] == "shipped"):
        figures = ", ".join(f"{k} {100 * v:.1f}" for k, v in row.items() if k != "loss")
        text += f"\nthe network that ships: {figures}"
    return text


def costs(args: argparse.Namespace) -> str:
    """Speed of a step, mining's share, and the peak of memory at growing batches."""
    config = settings("triplet", args.root, 0, [*args.changes, "descriptor.steps=20"])
    course = Describing(config, CPU, True)
    step = next(course.batches.epoch(1, lambda: torch.randn(len(course.collection), 256)))
    from_kept = cpu_time(lambda: course._step(step, (0, 1, 1)), 3)
    course.frozen = None
    seconds = cpu_time(lambda: course._step(step, (0, 1, 1)), 3)
    height, width = config.descriptor.pixels()
    operations = flops(course.model, height, width)
    rate = 1e9 * peak_gflops()
    lines = [
        f"{describe()}",
        f"a step: {len(step.images) / seconds:.1f} images a CPU second, forward "
        f"{operations / 1e9:.2f} GFLOP an image; a matrix product has {rate / 1e9:.0f} GFLOP/s",
        f"a step of {len(step.images)} images: {seconds:.2f} s, {from_kept:.2f} s from what the "
        "frozen layers made before",
        f"at that rate the forward passes alone allow {rate / operations:.0f} images a second",
    ]
    described = time.process_time()
    course._describe(course.collection.paths[:200])
    each = (time.process_time() - described) / 200
    window, mining = config.train.remine / config.data.batch_size, each * len(course.collection)
    share = 100 * mining / (mining + window * seconds)
    lines.append(
        f"mining: {mining:.0f} s for {len(course.collection)} photos, every "
        f"{window:.0f} steps of {seconds:.2f} s: {share:.0f} % of the time"
    )
    rows = []
    for images in (48, 96, 192):
        cells = [images]
        for chunk in (0, 24):
            command = [sys.executable, __file__, "--peak", str(images), str(chunk)]
            done = subprocess.run([*command, "--root", args.root], capture_output=True, text=True)
            cells.append(done.stdout.strip())
        rows.append(cells)
    return "\n".join(lines) + "\n\n" + table(rows, ["images", "one pass, MB", "three passes, MB"])


def peak(images: int, chunk: int, root: str) -> str:
    """Megabytes that a step on so many images needs, every layer trained, above the process's."""
    changes = ["train.loss=ap", "descriptor.batches=places", f"descriptor.places={images // 4}"]
    changes += [f"descriptor.chunk={chunk}", "descriptor.steps=1", "data.num_workers=0"]
    scenes = ["data.train_scenes=[trondheim,amsterdam]", "data.val_scenes=[cph]"]
    config = settings("triplet", root, 0, [*changes, *scenes, "descriptor.freeze="])
    course = Describing(config, CPU, True)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    before = pages * resource.getpagesize() / 1024
    course._step(next(course.batches.epoch(1, course._all)), (0, 1, 1))
    return f"{(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024:.0f}"


def measured(args: argparse.Namespace) -> list[dict[str, Any]]:
    """All rows of figures, each printed and kept when it is made."""
    rows: list[dict[str, Any]] = []
    for row in runs(args):
        print(row, flush=True)
        rows.append(row)
        if args.output:
            write_text(Path(args.output), json.dumps(rows))
    return rows


def noise(root: Path) -> list[str]:
    """Two scenes of pictures of noise along a street; the settings that point at them."""
    random = np.random.default_rng(0)
    for scene in ("one", "two"):
        (root / scene).mkdir()
        lines = ["name,x,y,heading,split"]
        for number in range(60):
            pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            name = f"{number}.jpg"
            Image.fromarray(pixels).resize((32, 32)).save(root / scene / name)
            role = "query" if number % 4 == 0 else "database"
            lines.append(f"{name},{3 * number},0,0,{role}")
        write_text(root / scene / "images.csv", "\n".join(lines) + "\n")
    few = "descriptor.steps=2 descriptor.size=32x32 descriptor.least=2 data.num_workers=0"
    few += " descriptor.groups=1 model.K=20 train.num_epochs=1"
    scenes = "data.train_scenes=[one] data.val_scenes=[two] data.dataset=folder"
    return [*few.split(), *scenes.split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("changes", nargs="*", help="section.key=value")
    parser.add_argument("--root", default="outputs/quickstart/datasets")
    parser.add_argument("--losses", nargs="+", default=list(LOSSES), choices=list(LOSSES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", help="JSON file of all figures")
    parser.add_argument("--costs", action="store_true")
    parser.add_argument(
        "--quick", action="store_true", help="two little scenes of noise, to see that it runs"
    )
    parser.add_argument("--peak", nargs=2, type=int, help=argparse.SUPPRESS)
    args = parser.parse_intermixed_args()
    if args.peak:
        print(peak(*args.peak, args.root))
        return
    if args.costs:
        print(costs(args))
        return
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        if args.quick:
            args.root, args.losses, args.seeds = folder, ["triplet", "CosFace"], 1
            args.changes = [*noise(Path(folder)), *args.changes]
        rows = measured(args)
    print(f"\n{summary(rows)}")


if __name__ == "__main__":
    main()
