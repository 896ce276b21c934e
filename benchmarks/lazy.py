"""Which candidates the posterior verifies by local features: the rule, chosen on training scenes.

The posterior verifies candidates in the order of their probability, until none that is left would
overtake the first one by a share of the best log-likelihood ratio (:mod:`gcsa.places.verified`).
Here that share is varied, on the miniworld's training scenes alone, as gcsa match has described
them (data.local_fn): the queries that other tables are about are not read. The rule is to cost a
tenth of verifying the first VERIFIED of each query.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from unittest import mock

import torch
from geometric import VERIFIED, Counted, Drawn
from machine import describe, table
from posterior import World, drawn, miniworld

from gcsa.datasets.reader import descriptor_file
from gcsa.errors import InputError
from gcsa.local.counts import Counts
from gcsa.places import verified
from gcsa.places.calibrating import calibrated
from gcsa.places.calibration import Calibration
from gcsa.ranking.lists import Ranking
from gcsa.rerankers.posterior import PosteriorConfig, posterior
from gcsa.scene import Common
from gcsa.scoring.split import JudgedScene
from gcsa.sideinfo.rules import Rule

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
ALL = 1e9  # no candidate is out of reach
COLUMNS = ("recall@1", "recall@5", "mAP@10")


def rows(world: World, local: Callable[[str], Common]) -> Iterator[list[str]]:
    """A row a rule: what it finds in the training scenes, and what it verifies."""
    rule, fov = Rule.of(world.config.data.val_labels), world.config.fov
    counted = [Counted(local(s.scene.name)) for s in world.training]
    scenes = [
        replace(s, scene=replace(s.scene, local=counts))
        for s, counts in zip(world.training, counted, strict=True)
    ]
    found = [calibrated(s.scene, rule, fov, s.candidates.indices.shape[1]) for s in scenes]

    def row(name: str, most: int, share: float) -> list[str]:
        for counts in counted:
            counts.pairs = 0
        with mock.patch.object(verified, "SHARE", share):
            lists = _lists(world, scenes, found, most)
        known = world.figures(scenes, lists)
        pairs = sum(counts.pairs for counts in counted) / sum(map(len, lists))
        return [name, f"{pairs:.1f}", *(f"{100 * known[key]:.2f}" for key in COLUMNS)]

    yield row("none", 0, 0.0)
    for share in SHARES:
        yield row(f"{share:g} of the best ratio", VERIFIED, share)
    yield row(f"the first {VERIFIED} of each", VERIFIED, ALL)


def _lists(
    world: World, scenes: Sequence[JudgedScene], found: Sequence[Calibration], most: int
) -> list[Ranking]:
    given = PosteriorConfig(verify=most), Rule.of(world.config.data.val_labels), world.config.fov
    return [posterior(s.scene, s.candidates, *given, c) for s, c in zip(scenes, found, strict=True)]


def measure(world: World, local: Callable[[str], Common]) -> None:
    names = ", ".join(s.scene.name for s in world.training)
    count = sum(len(s.candidates) for s in world.training)
    print(f"{world.name}: training scenes {names}, {count} queries\n")
    print(f"{table(rows(world, local), ['rule', 'pairs a query', *COLUMNS])}\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default="outputs/quickstart", help="the quick start")
    parser.add_argument("--local_fn", default="sift.h5", help="its files of local features")
    parser.add_argument("--quick", action="store_true", help="a drawn city and drawn inliers")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{describe()}\n", flush=True)
    if args.quick:
        world = drawn()
        measure(replace(world, training=world.scenes), lambda scene: Drawn())
        return
    for part in ("streets", "buildings"):
        try:
            world = miniworld(part, args.data)
            data = replace(world.config.data, desc_fn=args.local_fn)
            measure(world, lambda scene, d=data: Counts(descriptor_file(d, scene)))
        except (InputError, FileNotFoundError) as error:
            print(f"{part}: left out ({error})\n")


if __name__ == "__main__":
    main()
