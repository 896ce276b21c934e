"""What training a descriptor gains on the miniworld of the quick start, by loss and seed.

One small network is trained by each loss from the same weights. Its descriptors are written where
``gcsa extract`` writes them, and the validation cities are evaluated by them as always: first
round, neighbours of the first image, posterior, and GCSA, whose two stages are trained on top.
Beside them stand the same network before training, and the trivial rule: the network that ships, as
it is and whitened on the training databases. What frozen layers make of a photo is
computed once for all runs.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import noise
import numpy as np
import torch
from machine import describe, table
from torch.nn import functional

from gcsa.config import Config, load_config
from gcsa.datasets.images import image_path
from gcsa.datasets.reader import descriptor_file
from gcsa.descriptors import whitening
from gcsa.descriptors.extraction.stores import HDF5, Described
from gcsa.descriptors.networks import load_network
from gcsa.descriptors.networks.gem import gem
from gcsa.evaluate import evaluate
from gcsa.files import write_text
from gcsa.train import train
from gcsa.training.describing.describing import Describing
from gcsa.training.describing.frozen import Frozen
from gcsa.training.describing.validation import Describe

CPU = torch.device("cpu")
SARE = {
    f"SARE, {kernel}, {mode}": ["train.loss=sare", f"loss.kernel={kernel}", f"loss.mode={mode}"]
    for kernel in ("gaussian", "cauchy", "exponential")
    for mode in ("independent", "joint")
}
# By name: the shipped config, and what is changed of it. All see as many photos.
LOSSES: dict[str, tuple[str, list[str]]] = {
    "triplet": ("sare_miniworld", ["train.loss=triplet"]),
    "contrastive-margin": ("sare_miniworld", ["train.loss=contrastive-margin"]),
    **{name: ("sare_miniworld", changes) for name, changes in SARE.items()},
    "multi-similarity": ("multi_similarity_miniworld", []),
    "AP-GeM": ("apgem_miniworld", ["descriptor.head=cosplace", "descriptor.chunk=0"]),
    "CosFace": ("cosplace_miniworld", []),
}
FREEZE = "backbone._blocks.14"
BEFORE, SHIPPED = "before training", "as it ships"
WHITENED, POWER = 128, 0.25  # as gcsa extract keeps the network that ships
PROJECTED = 128  # numbers that GCSA's stage 1 makes of a descriptor, at most half as many
WAYS = {"first round": None, "neighbours": "neighbours", "posterior": "posterior", "GCSA": ""}
FIGURES = ("recall@1", "mAP@10")

Found = dict[str, dict[str, float]]


class Bench:
    """The data set, a folder for what is made of it, and what frozen layers made of its photos."""

    def __init__(self, args: argparse.Namespace, folder: Path):
        self.args, self.folder, self.files = args, folder, 0
        file = args.kept and Path(args.kept)
        kept = torch.load(file) if file and file.is_file() else {}
        self.kept = {Path(path): features for path, features in kept.items()}

    def settings(self, conf: str, changes: list[str], sections: str) -> Config:
        """A shipped config; of the command line's changes those of some sections."""
        own = [change for change in self.args.changes if change.split(".")[0] in sections.split()]
        places = [f"data.root={self.args.root}", f"data.outputs={self.folder}"]
        return load_config(conf, [*places, *changes, *own])

    def course(self, loss: str, seed: int) -> Describing:
        """A training that has not begun."""
        conf, own = LOSSES[loss]
        given = [f"train.seed={seed}", "data.desc_fn=none.h5", f"descriptor.freeze={FREEZE}"]
        sections = "data descriptor loss mining train"
        whole = self.settings(conf, [*given, *own], sections)
        given += _length(whole, self.args.photos)
        found = Describing(self.settings(conf, [*given, *own], sections), CPU, True)
        assert isinstance(found.frozen, Frozen)
        found.frozen.kept = self.kept
        return found

    def found(self, course: Describing, described: Describe, seed: int) -> Found:
        """Figures of the validation cities by descriptors, of the first round and on top of it."""
        self.files += 1
        name = f"{self.files}.h5"
        length = self._write(course, described, name)
        numbers = [f"model.input_dim={length}", f"model.proj_dim={min(PROJECTED, length // 2)}"]
        given = [f"data.desc_fn={name}", *numbers, f"train.seed={seed}", "train.keep_best=false"]
        config = self.settings("miniworld_train", given, "data model")
        result = {}
        for way, method in WAYS.items():
            if way != "GCSA":
                result[way] = evaluate(config, method=method)["metrics"]
            elif any(self.args.gcsa):
                result[way] = evaluate(config, self._stages(given))["metrics"]
        for file in list(self.folder.rglob(f"{self.files}.*")):  # 20 MB for each of many
            shutil.rmtree(file) if file.is_dir() else file.unlink()
        return result

    def _write(self, course: Describing, described: Describe, name: str) -> int:
        """The descriptor files of all scenes; how many numbers a descriptor has."""
        data, length = self.settings("miniworld_train", [f"data.desc_fn={name}"], "data").data, 0
        scenes = [scene for scene, _ in course.validation.scenes.values()]
        if any(self.args.gcsa):
            scenes += [placed.scene for placed in course.collection.scenes]
        for scene in scenes:
            names = [*map(str, scene.database.names), *map(str, scene.queries.names)]
            names = list(dict.fromkeys(names))
            rows = described([image_path(data, scene.name, n) for n in names]).astype(np.float16)
            pairs = zip(names, rows, strict=True)
            made = [Described(n, row, course.model.resizing.exactly or (0, 0)) for n, row in pairs]
            file = descriptor_file(data, scene.name)
            assert file is not None
            HDF5(file, {}).write(lambda made=made: iter(made), len(made))
            length = rows.shape[1]
        return length

    def _stages(self, given: list[str]) -> str:
        """The checkpoint of GCSA after both stages on top of descriptors."""
        last, cities = "", self.args.gcsa_cities
        given = [*given, *([f"data.train_scenes=[{cities}]"] if cities else [])]
        for stage, epochs in zip(("pretrain", "train"), self.args.gcsa, strict=True):
            changes = [*given, f"train.num_epochs={epochs}", f"train.checkpoint={last or 'null'}"]
            config = self.settings(f"miniworld_{stage}", changes, "data model")
            train(config, f"{self.files}.{stage}")
            name = f"checkpoint_{epochs}.pth.tar"
            last = str(self.folder / "training" / f"{self.files}.{stage}" / name)
        return last


def _length(config: Config, photos: int) -> list[str]:
    """Changes by which a training sees so many photos: in an epoch, or in one of each group."""
    settings, size = config.descriptor, config.data.batch_size
    a_step = {
        "tuples": size * (2 + config.mining.negatives),
        "places": settings.places * settings.images,
        "groups": size,
    }[settings.batches]
    epochs = settings.groups if settings.batches == "groups" else 1
    steps = max(1, round(photos / a_step / epochs))
    return [f"descriptor.steps={steps}", f"train.num_epochs={epochs}"]


def runs(bench: Bench) -> Iterator[dict[str, Any]]:
    """A row of figures for each network and seed, as they are made."""
    for seed in bench.args.seeds:
        for name in bench.args.networks:
            if name == SHIPPED:
                continue
            course = bench.course("triplet" if name == BEFORE else name, seed)
            start, epochs = time.process_time(), course.config.train.num_epochs
            for epoch in range(1, 1 if name == BEFORE else epochs + 1):
                course.epoch(epoch)
            seconds = time.process_time() - start
            found = bench.found(course, course.describe, seed)
            yield {"network": name, "seed": seed, "CPU s": seconds, **found}
    if SHIPPED in bench.args.networks:
        yield from shipped(bench)


def shipped(bench: Bench) -> Iterator[dict[str, Any]]:
    """The trivial rule: the network that ships, as it is, and whitened on training databases."""
    course, network = bench.course("triplet", 0), load_network()

    @torch.no_grad()
    def described(paths: list[Path]) -> np.ndarray:
        rows = []
        for start in range(0, len(paths), 64):
            x = torch.stack([bench.kept[path] for path in paths[start : start + 64]])
            x = network.body.head(network.body.blocks(x, 15, None))
            rows.append(functional.normalize(gem(x, 3.0), dim=1).numpy())
        return np.concatenate(rows)

    rows = described([course.collection.paths[row] for row in course.collection.database])
    fitted = whitening.fit(rows, min(WHITENED, len(rows) - 1))
    ways: dict[str, Describe] = {
        SHIPPED: described,
        f"{SHIPPED}, whitened to {WHITENED}": lambda p: fitted.apply(described(p), POWER),
    }
    for name, way in ways.items():
        yield {"network": name, "seed": 0, "CPU s": 0.0, **bench.found(course, way, 0)}


def summary(rows: list[dict[str, Any]]) -> str:
    """Mean and standard deviation over the seeds, recall@1 and then mAP@10, percent."""
    order = sorted(dict.fromkeys(row["network"] for row in rows), key=lambda name: name in LOSSES)
    ways = [way for way in WAYS if any(way in row for row in rows)]
    lines = []
    for name in order:
        own = [row for row in rows if row["network"] == name]
        cells = [_cell([row[way] for row in own if way in row]) for way in ways]
        lines.append([name, len(own), *cells, f"{np.mean([row['CPU s'] for row in own]):.0f}"])
    return table(lines, ["network", "seeds", *ways, "CPU s"])


def _cell(found: list[dict[str, float]]) -> str:
    values = 100 * np.array([[figures[name] for name in FIGURES] for figures in found])
    if len(values) < 2:
        return " / ".join(f"{value:.1f}" for row in values for value in row)
    pairs = zip(values.mean(axis=0), values.std(axis=0, ddof=1), strict=True)
    return " / ".join(f"{mean:.1f} ± {spread:.1f}" for mean, spread in pairs)


def keep(bench: Bench) -> None:
    """Have the frozen layers see all photos, and keep what they make for other calls."""
    course = bench.course("triplet", 0)
    course.describe(course.collection.paths)
    course.validation.ranked(course.describe, CPU)
    if bench.args.kept:
        kept = {str(path): features for path, features in bench.kept.items()}
        torch.save(kept, bench.args.kept)


def measured(bench: Bench) -> list[dict[str, Any]]:
    """All rows of figures, each kept when it is made."""
    rows: list[dict[str, Any]] = []
    start = time.process_time()
    keep(bench)
    print(f"frozen layers: {time.process_time() - start:.0f} s of CPU time", flush=True)
    for row in runs(bench):
        shown = ", ".join(f"{w} {100 * row[w]['recall@1']:.1f}" for w in WAYS if w in row)
        print(f"{row['network']}, seed {row['seed']}: {shown}", flush=True)
        rows.append(row)
        if bench.args.output:
            write_text(Path(bench.args.output), json.dumps(rows))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("changes", nargs="*", help="section.key=value")
    parser.add_argument("--root", default="outputs/quickstart/datasets")
    every = [BEFORE, SHIPPED, *LOSSES]
    parser.add_argument("--networks", nargs="+", default=every, choices=every, metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    photos = "that each training sees (default: 2880, 60 steps of tuples)"
    parser.add_argument("--photos", type=int, default=2880, metavar="N", help=photos)
    epochs = "of GCSA's two stages on top of each network; 0 0: without it"
    parser.add_argument("--gcsa", nargs=2, type=int, default=[1, 2], metavar="N", help=epochs)
    cities = "that GCSA is trained on (default: all training cities)"
    parser.add_argument("--gcsa_cities", metavar="A,B", help=cities)
    parser.add_argument("--output", help="JSON file of all figures")
    parser.add_argument("--kept", help="what the frozen layers made, read where it is there")
    quick = "two little scenes of noise, to see that it runs"
    parser.add_argument("--quick", action="store_true", help=quick)
    args = parser.parse_intermixed_args()
    logging.getLogger("gcsa").setLevel(logging.WARNING)
    print(describe())
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as drawn:
        if args.quick:
            args.root, args.networks, args.seeds = drawn, [SHIPPED, "triplet"], [0]
            args.changes = [*noise.draw(Path(drawn)), *args.changes]
            args.photos, args.gcsa = 96, [1, 1]
        rows = measured(Bench(args, Path(folder)))
    print(f"\n{summary(rows)}")


if __name__ == "__main__":
    main()
