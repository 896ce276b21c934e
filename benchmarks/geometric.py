"""What local features add: candidates sorted by inliers, and inliers as evidence of the posterior.

On the miniworld of the quick start (--data), where gcsa match --conf ... data.local_fn=sift.h5 has
been run, and on real photos (--real) where --local holds a file of gcsa match of each set, NAME.h5.
Milliseconds of a query are by the clock on the wall, one thread, matching included and the
posterior's calibration left out. "gain": what is gained in recall@1 over the posterior, and the
95 % interval of it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from machine import describe, table
from photos import FOV, SETS, Photos
from posterior import World, drawn, miniworld, photo_figures

from gcsa import rerankers
from gcsa.datasets.reader import descriptor_file
from gcsa.errors import InputError
from gcsa.evaluation.intervals import interval
from gcsa.evaluation.truth import labels, num_relevant
from gcsa.local.counts import Counts
from gcsa.places.calibrating import calibrated
from gcsa.ranking.lists import Ranking
from gcsa.rerankers.posterior import PosteriorConfig, posterior
from gcsa.scene import Common, Scene
from gcsa.scoring.ranker import open_checkpoint, rerank
from gcsa.sideinfo.affinity import SideInformation
from gcsa.sideinfo.rules import Rule

COLUMNS = {"R@1": "recall@1", "R@5": "recall@5", "mAP@10": "mAP@10", "place R@5": "place recall@5"}
MEASURED = ("gain in R@1", "ms a query", "pairs a query")
BINS = (0, 8, 11, 14, 20, 40, np.inf)
VERIFIED = 50
PLAIN, BOTH = "posterior", "posterior + geometric"
CHECKPOINTS = {"streets": "train", "buildings": "lamar_train"}
TOLD = 14  # inliers from which a pair says something
Features = Callable[[], Common]


class Counted:
    """Inliers, and the pairs that were asked for."""

    def __init__(self, local: Common):
        self._local, self.pairs, self.about = local, 0, local.about

    def inliers(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        self.pairs += len(a)
        return self._local.inliers(a, b)


class Drawn:
    """Of the drawn city: inliers by chance."""

    about = "drawn"

    def inliers(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.random.default_rng(0).poisson(9, len(a)).astype(np.float64)


@dataclass(eq=False)
class Found:
    """What the rows of a table leave: right first images by method, and counted inliers."""

    hits: dict[str, np.ndarray] = field(default_factory=dict)
    local: list[Common] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Part:
    """One scene: its lists, how they are judged, and what re-ranks them."""

    scene: Scene
    first: Ranking
    rule: Rule
    fov: object
    features: Features
    left_out: np.ndarray | None = None

    def ranked(self, name: str, calibration: object, local: Common) -> tuple[Ranking, int]:
        """The lists by a method, and the pairs of images that it verified."""
        counted = Counted(local)
        scene, given = replace(self.scene, local=counted), (self.rule, self.fov)
        if name in (PLAIN, BOTH):
            config = PosteriorConfig(verify=VERIFIED if name == BOTH else 0)
            more = {"left_out": self.left_out}
            return posterior(scene, self.first, config, *given, calibration, **more), counted.pairs
        config = rerankers.known(name).config()
        return rerankers.apply(name, scene, self.first, config, *given), counted.pairs

    def calibration(self) -> object:
        width, scene = self.first.indices.shape[1], self.scene
        return calibrated(replace(scene, local=self.features()), self.rule, self.fov, width)


def rows(
    parts: Sequence[Part],
    figures: Callable[[list[Ranking]], Mapping[str, float]],
    right: Callable[[list[Ranking]], np.ndarray],
    trained: Callable[[], list[Ranking]] | None,
    found: Found,
) -> Iterator[list[str]]:
    """A row a method. right: by query whether its first image is relevant, NaN: not counted; by
    method it is kept in ``found``, and the inliers that were counted for the last one of all.
    """
    calibrations, base, queries = [p.calibration() for p in parts], None, sum(map(_count, parts))
    names = ("no re-ranking", "neighbours", "GCSA", "k-reciprocal", PLAIN, BOTH, "geometric")
    for name in names:
        start, pairs = time.perf_counter(), 0
        if name == "no re-ranking":
            lists = [part.first for part in parts]
        elif name == "GCSA":
            if trained is None:
                continue
            lists = trained()
        else:
            found.local = [part.features() for part in parts]
            given = zip(parts, calibrations, found.local, strict=True)
            both = [part.ranked(name, c, local) for part, c, local in given]
            lists, pairs = [ranking for ranking, _ in both], sum(count for _, count in both)
        spent = 1e3 * (time.perf_counter() - start) / queries
        hits, known = right(lists), figures(lists)
        found.hits[name] = hits
        base = hits if name == PLAIN else base
        gain = "" if base is None or name == PLAIN else _gain(hits - base)
        percent = [f"{100 * known[key]:.1f}" for key in COLUMNS.values()]
        each = [] if len(parts) == 1 else _each(hits, parts)
        yield [name, *percent, gain, f"{spent:.1f}", f"{pairs / queries:.1f}", *each]


def _count(part: Part) -> int:
    return len(part.first)


def _each(hits: np.ndarray, parts: Sequence[Part]) -> list[str]:
    """recall@1 of each scene by itself."""
    ends = np.cumsum([_count(part) for part in parts])[:-1]
    return [f"{100 * np.nanmean(own):.1f}" for own in np.split(hits, ends)]


def _gain(difference: np.ndarray) -> str:
    low, high = interval(difference)
    return f"{100 * np.nanmean(difference):.1f} ({100 * low:.1f} to {100 * high:.1f})"


def pairs_of(
    parts: Sequence[Part], local: Sequence[Common], relevant: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the first VERIFIED candidates, pair by pair: which query, inliers, whether relevant."""
    found, before = [], 0
    for part, counts, labelled in zip(parts, local, relevant, strict=True):
        listed = part.first.indices[:, :VERIFIED]
        query, column = np.nonzero(listed >= 0)
        names = part.scene.queries.names[query], part.scene.database.names[listed[query, column]]
        found.append((query + before, counts.inliers(*names), labelled[query, column]))
        before += _count(part)
    query, number, good = (np.concatenate(one) for one in zip(*found, strict=True))
    return query, number, good


def histogram(number: np.ndarray, good: np.ndarray) -> list[list[str]]:
    """Pairs by inliers, and which share of them is relevant."""
    lines = []
    for low, high in zip(BINS[:-1], BINS[1:], strict=True):
        inside = (number >= low) & (number < high)
        share = f"{100 * good[inside].mean():.1f}" if inside.any() else ""
        lines.append([f"{low:g} to {high - 1:g}", str(int(inside.sum())), share])
    return lines


def to_win(found: Found, query: np.ndarray, number: np.ndarray, good: np.ndarray) -> str:
    """What inliers could gain at most: queries that the posterior gets wrong, by what they have."""
    wrong, count = found.hits[PLAIN] == 0, len(found.hits[PLAIN])
    best = [np.zeros(count), np.zeros(count)]
    for kind in (0, 1):
        np.maximum.at(best[kind], query[good == kind], number[good == kind])
    told = wrong & (best[1] >= TOLD)
    return (
        f"the posterior gets {wrong.sum()} queries wrong; {told.sum()} of them have a relevant "
        f"candidate of {TOLD} inliers or more, {(told & (best[1] > best[0])).sum()} one of more "
        f"inliers than any that is not relevant; posterior + geometric gets "
        f"{(wrong & (found.hits[BOTH] == 1)).sum()} of them right, and "
        f"{((found.hits[PLAIN] == 1) & (found.hits[BOTH] == 0)).sum()} wrong that were right"
    )


def of_world(world: World, features: Callable[[str], Features], folder: Path | None) -> None:
    rule = Rule.of(world.config.data.val_labels)
    parts = [
        Part(s.scene, s.candidates, rule, world.config.fov, features(s.scene.name))
        for s in world.scenes
    ]

    def right(lists: list[Ranking]) -> np.ndarray:
        by_scene = []
        for s, ranking in zip(world.scenes, lists, strict=True):
            given = world.config.data.val_labels, s.scene, s.judged
            found = labels(*given, ranking.indices[:, :1], world.config.fov)[:, 0].astype(float)
            found[num_relevant(*given, world.config.fov) == 0] = np.nan
            by_scene.append(found)
        return np.concatenate(by_scene)

    trained = None
    if folder is not None:
        file = folder / f"outputs/training/{CHECKPOINTS[world.name]}/checkpoint_best.pth.tar"
        trained = _trained(world, file)
    found = Found()
    given = (lambda lists: world.figures(world.scenes, lists)), right, trained, found
    shown = list(rows(parts, *given))
    each = [f"R@1 {part.scene.name}" for part in parts] if len(parts) > 1 else []
    pairs = pairs_of(parts, found.local, [s.labels for s in world.scenes])
    _print(world.name, shown, found, pairs, each)


def _trained(world: World, file: Path) -> Callable[[], list[Ranking]]:
    model, kinds, config = open_checkpoint(str(file), world.config, (), torch.device("cpu"))
    scenes = [replace(s, side=SideInformation(s.scene, kinds, config.fov)) for s in world.scenes]
    return lambda: rerank(model, scenes, config.data)


def of_photos(photos: Photos, features: Features, names: tuple[np.ndarray, np.ndarray]) -> None:
    scene = photos.scene
    database = replace(scene.database, names=names[0], sequences=photos.groups)
    scene = replace(scene, database=database, queries=replace(scene.queries, names=names[1]))
    given = Rule.of(photos.rule), FOV, features, photos.exclude
    part = Part(scene, photos.rank(None), *given)

    def right(lists: list[Ranking]) -> np.ndarray:
        first = lists[0].indices[:, 0]
        found = photos.relevant[np.arange(len(first)), first].astype(float)
        return np.where(photos.relevant.any(axis=1), found, np.nan)

    found = Found()
    given = (lambda lists: photo_figures(photos, lists[0])), right, None, found
    shown = list(rows([part], *given))
    relevant = np.take_along_axis(photos.relevant, np.maximum(part.first.indices, 0), axis=1)
    _print(photos.name, shown, found, pairs_of([part], found.local, [relevant]))


def _print(
    name: str,
    shown: list[list[str]],
    found: Found,
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray],
    each: Sequence[str] = (),
) -> None:
    print(f"{name}\n\n{table(shown, ['', *COLUMNS, *MEASURED, *each])}\n")
    print(f"{table(histogram(*pairs[1:]), ['inliers', 'pairs', 'relevant, %'])}\n")
    print(f"{to_win(found, *pairs)}\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default="outputs/quickstart", help="the quick start")
    parser.add_argument("--local_fn", default="sift.h5", help="its files of local features")
    parser.add_argument("--scenes", nargs="+", help="of the miniworld; default: all")
    parser.add_argument("--real", type=Path, help="folder with real_iiith_campus, ...")
    parser.add_argument("--local", type=Path, help="folder with real_iiith_campus.h5, ...")
    parser.add_argument("--quick", action="store_true", help="a drawn city and drawn inliers")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{describe()}\n", flush=True)
    if args.quick:
        of_world(drawn(), lambda scene: Drawn, None)
        return
    for part in ("streets", "buildings"):
        try:
            world = miniworld(part, args.data)
            scenes = [s for s in world.scenes if s.scene.name in (args.scenes or [s.scene.name])]
            world = replace(world, scenes=scenes)
            data = replace(world.config.data, desc_fn=args.local_fn)
            if scenes:
                of_world(
                    world,
                    lambda scene, d=data: lambda: Counts(descriptor_file(d, scene)),
                    args.data,
                )
        except (InputError, FileNotFoundError) as error:
            print(f"{part}: left out ({error})\n")
    for name, read in SETS.items():
        file = None if args.local is None else args.local / f"{name}.h5"
        if args.real is None or file is None or not file.is_file():
            print(f"{name}: left out, no --real or no file of it in --local\n")
            continue
        photos = read(args.real)
        of_photos(photos, lambda f=file: Counts(f), (photos.files[0], photos.files[1]))


if __name__ == "__main__":
    main()
