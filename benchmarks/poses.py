"""What a better ranking is worth in poses: cameras placed by the first images of some lists.

On the buildings of gcsa miniworld.building --width 320 (--data), where gcsa match has been run and
DATA/labels has what gcsa lamar.labels wrote. All lists go through the same PnP
(:mod:`gcsa.localization.placing`). Shares are of cameras; "gain" is over the first round at equal
numbers of pairs, with its 95 % interval over phones and rigs, the cameras of a rig together.
--picture draws the error curve of the last number of pairs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from geometric import BOTH, PLAIN, VERIFIED
from machine import describe, table
from posterior import World, miniworld

from gcsa import plots
from gcsa.datasets.reader import descriptor_file
from gcsa.evaluation.intervals import interval
from gcsa.local.counts import Counts
from gcsa.localization.mapped import LocalFiles
from gcsa.localization.poses import THRESHOLDS, pose_recall
from gcsa.localization.scenes import MappedScene
from gcsa.places.calibrating import calibrated
from gcsa.ranking.lists import Ranking
from gcsa.rerankers.posterior import PosteriorConfig, posterior
from gcsa.scoring.ranker import open_checkpoint, rerank
from gcsa.scoring.split import JudgedScene
from gcsa.sideinfo.affinity import SideInformation
from gcsa.sideinfo.rules import Rule

FIRST = "first round"
NUMBERS = (1, 3, 5, 10, 20)
COARSE = THRESHOLDS[1]


@dataclass(frozen=True, eq=False)
class Errors:
    """Of cameras (c,): degrees, metres, which phone or rig each is of; and how many were placed."""

    rotation: np.ndarray
    translation: np.ndarray
    owner: np.ndarray
    placed: np.ndarray

    @staticmethod
    def together(parts: Sequence[Errors]) -> Errors:
        """Of several buildings, whose owners stay apart."""
        shift = np.cumsum([0, *(p.owner.max() + 1 for p in parts[:-1])])
        owner = np.concatenate([p.owner + s for p, s in zip(parts, shift, strict=True)])
        rest = (
            np.concatenate([getattr(p, name) for p in parts])
            for name in ("rotation", "translation", "placed")
        )
        rotation, translation, placed = rest
        return Errors(rotation, translation, owner, placed)

    @property
    def near(self) -> np.ndarray:
        """(c,) whether a camera is within COARSE."""
        return ((self.rotation < COARSE[0]) & (self.translation < COARSE[1])).astype(float)


# By the number of pairs, and there by the name of the lists.
Found = Mapping[int, Mapping[str, Errors]]


def gain(new: Errors, old: Errors) -> str:
    """What is gained at COARSE in points, with its interval: phones and rigs are resampled.

    The mean over owners of their cameras' sum, by how many cameras an owner has in the mean.
    """
    difference = np.bincount(new.owner, new.near - old.near)
    low, high = interval(difference / (len(new.owner) / len(difference)))
    return f"{100 * (new.near - old.near).mean():.1f} ({100 * low:.1f} to {100 * high:.1f})"


def rows(found: Found) -> Iterator[list[str]]:
    """A row for each number of pairs: both recalls of each list."""
    for num, lists in found.items():
        recalls = (pose_recall(e.rotation, e.translation) for e in lists.values())
        yield [str(num), *(" / ".join(f"{100 * share:.1f}" for share in r) for r in recalls)]


def gains(found: Found) -> Iterator[list[str]]:
    """A row for each number of pairs: what each list gains over the first round's at COARSE."""
    for num, lists in found.items():
        yield [str(num), *(gain(e, lists[FIRST]) for name, e in lists.items() if name != FIRST)]


def lists_of(world: World, judged: JudgedScene, model: Path, local_fn: str) -> dict[str, Ranking]:
    """The lists of a scene's queries, by their names."""
    rule, fov, data = Rule.of(world.config.data.val_labels), world.config.fov, world.config.data
    local = Counts(descriptor_file(replace(data, desc_fn=local_fn), judged.scene.name))
    scene, first = replace(judged.scene, local=local), judged.candidates
    found, given = {FIRST: first}, (rule, fov, calibrated(scene, rule, fov, first.indices.shape[1]))
    if model.is_file():
        network, kinds, config = open_checkpoint(str(model), world.config, (), torch.device("cpu"))
        side = replace(judged, side=SideInformation(scene, kinds, config.fov))
        found["GCSA"] = rerank(network, [side], config.data)[0]
    for name, verify in ((PLAIN, 0), (BOTH, VERIFIED)):
        found[name] = posterior(scene, first, PosteriorConfig(verify=verify), *given)
    return found


def placed(
    world: World, judged: JudgedScene, lists: Mapping[str, Ranking], local_fn: str, nums: list[int]
) -> dict[int, dict[str, Errors]]:
    """Errors of all cameras of a scene."""
    data, scene = world.config.data, judged.scene
    file = descriptor_file(replace(data, desc_fn=local_fn), scene.name)
    folder = Path(data.root) / "lamar" / scene.name
    mapped = MappedScene(scene, folder, "val", LocalFiles(file))
    known, found = mapped.truth.known, {}
    for num in nums:
        found[num] = {}
        for name, ranking in lists.items():
            cameras = mapped.place(ranking, num, f"{name}, {num}")
            by_map = cameras.agreeing[known] > 0
            found[num][name] = Errors(*mapped.errors(cameras), cameras.owner[known], by_map)
    return found


def drawn() -> Found:
    """Errors by chance, to see that everything runs."""
    random, owner = np.random.default_rng(0), np.repeat(np.arange(30), 2)
    found = {}
    for name in (FIRST, PLAIN):
        rotation, translation = random.lognormal(0, 1, (2, len(owner)))
        found[name] = Errors(rotation, translation, owner, random.random(len(owner)) < 0.9)
    return {5: found}


def show(title: str, found: Found) -> None:
    """The table of a building, or of all; and where the map placed how many."""
    lists = next(iter(found.values()))
    errors = lists[FIRST]
    print(f"{title}: {errors.owner.max() + 1} queries, {len(errors.owner)} cameras\n")
    print(f"{table(rows(found), ['pairs', *lists])}\n")
    print(f"{table(gains(found), ['pairs', *(name for name in lists if name != FIRST)])}\n")
    for num, named in found.items():
        shares = ", ".join(f"{name} {100 * e.placed.mean():.1f} %" for name, e in named.items())
        print(f"placed in the map, {num} pairs: {shares}")
    print(flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default="outputs/b320", help="buildings of 320 pixels")
    parser.add_argument("--local_fn", default="sift.h5", help="their files of local features")
    parser.add_argument("--scenes", nargs="+", help="default: all")
    parser.add_argument("--num", type=int, nargs="+", default=list(NUMBERS), help="pairs a query")
    parser.add_argument("--checkpoint", type=Path, default="", help="of GCSA; without it, no GCSA")
    parser.add_argument("--picture", type=Path, help="file for the error curve")
    parser.add_argument("--quick", action="store_true", help="errors by chance")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{describe()}\n", flush=True)
    if args.quick:
        show("drawn", drawn())
        return
    world, parts = miniworld("buildings", args.data), []
    for judged in world.scenes:
        if judged.scene.name in (args.scenes or [judged.scene.name]):
            lists = lists_of(world, judged, args.checkpoint, args.local_fn)
            parts.append(placed(world, judged, lists, args.local_fn, args.num))
            show(judged.scene.name, parts[-1])
    found = {
        num: {name: Errors.together([p[num][name] for p in parts]) for name in parts[0][num]}
        for num in args.num
    }
    if len(parts) > 1:
        show("together", found)
    if args.picture is not None:
        named = {name: (e.rotation, e.translation) for name, e in found[args.num[-1]].items()}
        plots.save(plots.error_curve(named), args.picture)


if __name__ == "__main__":
    main()
