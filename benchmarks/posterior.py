"""Where a photo was taken: what the posterior over places finds, and how sure it may be.

On the miniworld of the quick start (--data), and on real photos where they are (--real). The
posterior is calibrated in three ways: "self", by the database alone; "scenes", by labelled training
scenes; and "best on these queries", by the very queries that are measured: that is to compare with,
and never used. Beside it stand the first round and the rules that know no query, "neighbours".
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from city import ranked_city
from machine import cpu_time, describe, table
from photos import SETS, Photos

import gcsa
from gcsa import rerankers
from gcsa.config import Config, load_config
from gcsa.errors import InputError
from gcsa.evaluation.confidence import auc_pr, error_by_chance, expected_calibration_error
from gcsa.evaluation.places import distance_figures, first_distances, place_numbers, place_recall
from gcsa.places.calibrating import calibrated
from gcsa.places.calibration import Calibration
from gcsa.places.locator import Locator
from gcsa.places.settings import PosteriorConfig
from gcsa.ranking.lists import Ranking
from gcsa.ranking.nearby import with_nearby
from gcsa.rerankers.posterior import PosteriorConfig as MethodConfig
from gcsa.rerankers.posterior import posterior
from gcsa.scoring.calibration import calibrate_on_scenes
from gcsa.scoring.confidence import confidence_figures
from gcsa.scoring.places import place_figures
from gcsa.scoring.report import judging, report
from gcsa.scoring.split import JudgedScene, prepare
from gcsa.sideinfo.evidence import device_sigma
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import Rule

COLUMNS = {
    "R@1": "recall@1",
    "R@5": "recall@5",
    "R@10": "recall@10",
    "mAP@10": "mAP@10",
    "place R@5": "place recall@5",
    "first image": "median m",
    "ECE": "ECE",
    "by chance": "ECE by chance",
    "AUC-PR": "AUC-PR",
    "first round's": "AUC-PR first round",
}
OBJECTIVES = {"precision": "precision", "half": "0.5", "recall": "recall"}
NEIGHBOURS = ("neighbours", "neighbours-overlap")
ACCURACIES = (10.0, 30.0, 100.0)
OUTLIERS, FAR = 0.05, (1e3, 5e3)  # share of positions that are wrong, by so many metres
Figures = Mapping[str, float]
Rows = Iterator[tuple[str, Figures]]


@dataclass(frozen=True, eq=False)
class World:
    """Scenes to measure on, and those that may be learned from; config judges both."""

    name: str
    config: Config
    scenes: Sequence[JudgedScene]
    training: Sequence[JudgedScene]

    def figures(self, scenes: Sequence[JudgedScene], rankings: Sequence[Ranking]) -> Figures:
        metrics: Figures = report(self.config, "val", scenes, rankings)["metrics"]
        places = place_figures(self.config, scenes, rankings)
        return {**metrics, **places, **confidence_figures(self.config, scenes, rankings)}

    def by_rule(self, name: str | None) -> Figures:
        """The first round, or a rule that knows no query."""
        lists = [s.candidates for s in self.scenes]
        if name is not None:
            lists = [self._apply(name, s) for s in self.scenes]
        return self.figures(self.scenes, lists)

    def _apply(self, name: str, judged: JudgedScene) -> Ranking:
        settings, rule = rerankers.known(name).config(), Rule.of(self.config.data.val_labels)
        given = judged.scene, judged.candidates, settings, rule, self.config.fov
        return rerankers.apply(name, *given)

    def located(
        self,
        calibrations: Sequence[Calibration],
        scenes: Sequence[JudgedScene] | None = None,
        **settings: str,
    ) -> Figures:
        """The posterior; scenes: others than the world's own, with positions of devices say."""
        rule, scenes = Rule.of(self.config.data.val_labels), scenes or self.scenes
        given = MethodConfig(**settings), rule, self.config.fov
        lists = [
            posterior(s.scene, s.candidates, *given, c)
            for s, c in zip(scenes, calibrations, strict=True)
        ]
        return self.figures(scenes, lists)

    def calibrations(self) -> dict[str, list[Calibration]]:
        """By where they come from, one a scene."""
        rule, count = Rule.of(self.config.data.val_labels), len(self.scenes)
        found = {"self": [_by_itself(s, rule, self.config.fov) for s in self.scenes]}
        if self.training:
            found["scenes"] = [calibrate_on_scenes(self.config, self.training)] * count
        found["best on these queries"] = [calibrate_on_scenes(self.config, self.scenes)] * count
        return found


def _by_itself(judged: JudgedScene, rule: Rule, fov: FovConfig) -> Calibration:
    """A scene's calibration by its database alone, for lists as long as its queries'."""
    return calibrated(judged.scene, rule, fov, judged.candidates.indices.shape[1])


def miniworld(part: str, folder: Path) -> World:
    """The quick start's streets (relevant within 25 m) or buildings (labels by geometry)."""
    file = {"streets": "miniworld_train", "buildings": "miniworld_lamar_train"}[part]
    places = {"root": folder / "datasets", "outputs": folder / "outputs"}
    if part == "buildings":
        places["labels"] = folder / "labels"
    config = load_config(f"configs/{file}.yaml", [f"data.{k}={v}" for k, v in places.items()])
    depth, both = config.model.K, []
    for split in ("val", "train"):
        judge = judging(config, split)
        both.append(prepare(judge.data, judge.fov, [], split, depth))
    return World(part, config, *both)


def drawn() -> World:
    """A little random city, to see that everything runs."""
    config = load_config(None, ["data.val_labels=fov"])
    return World("a drawn city", config, [ranked_city(400, 40, 64, 100, [])], [])


def rows(world: World) -> Rows:
    """The rows of a world's table."""
    for name in (None, *NEIGHBOURS):
        yield name or "no re-ranking", world.by_rule(name)
    calibrations = world.calibrations()
    for source, found in calibrations.items():
        for word, objective in OBJECTIVES.items():
            yield f"posterior, {source}, {word}", world.located(found, objective=objective)
    if all(s.scene.queries.sequences is not None for s in world.scenes):
        yield from videos(world, calibrations)
    if world.name != "buildings":  # a device's position is for outdoors
        yield from devices(world, calibrations["self"])


def videos(world: World, calibrations: Mapping[str, Sequence[Calibration]]) -> Rows:
    """Frames of a query's sequence help each other."""
    for source, found in calibrations.items():
        for way in ("both", "online"):
            for word in ("precision", "recall"):
                figures = world.located(found, objective=word, sequences=way)
                yield f"posterior, {source}, sequence {way}, {word}", figures


def devices(world: World, found: Sequence[Calibration]) -> Rows:
    """The queries' devices say where they are; candidates of the first round, or of both."""
    for accuracy in ACCURACIES:
        seen = [observed(s, accuracy) for s in world.scenes]
        name = f"posterior, self, device {accuracy:g} m"
        yield name, world.located(found, seen)
        near = world.config.data.near_device
        wide = [replace(s, candidates=with_nearby(s.scene, s.candidates, near)) for s in seen]
        yield f"{name}, its {near} nearest listed", world.located(found, wide)


def observed(judged: JudgedScene, accuracy: float, seed: int = 0) -> JudgedScene:
    """A scene with simulated positions of its queries' devices.

    accuracy: metres that hold 68 % of the errors; OUTLIERS of them are kilometres off.
    """
    random, truth = np.random.default_rng(seed), judged.judged.positions[:, :2]
    wrong, course = random.random(len(truth)) < OUTLIERS, random.uniform(0, 2 * np.pi, len(truth))
    far = np.stack([np.sin(course), np.cos(course)], 1) * random.uniform(*FAR, (len(truth), 1))
    error = random.normal(0, float(device_sigma(accuracy)), truth.shape)
    read, radius = truth + np.where(wrong[:, None], far, error), np.full(len(truth), accuracy)
    queries = replace(judged.scene.queries, positions=read, accuracy=radius)
    return replace(judged, scene=replace(judged.scene, queries=queries))


def photo_rows(photos: Photos) -> Rows:
    """The rows of real photos: every re-ranker, with its default parameters."""
    for name in (None, *rerankers.RERANKERS, *NEIGHBOURS):
        yield name or "no re-ranking", photo_figures(photos, photos.rank(name))
    found = {"self": photos.calibrated(), "best on these queries": photos.best()}
    yield (
        "place, self, precision",
        photo_figures(photos, photos.rank("place", calibration=found["self"])),
    )
    for source, calibration in found.items():
        for word, objective in OBJECTIVES.items():
            lists = photos.rank("posterior", calibration=calibration, objective=objective)
            yield f"posterior, {source}, {word}", photo_figures(photos, lists)


def photo_figures(photos: Photos, lists: Ranking) -> Figures:
    """As of a world; over the queries that have a relevant image, confidence over all."""
    kept = np.flatnonzero(photos.relevant.any(axis=1))
    hits = np.take_along_axis(photos.relevant, np.maximum(lists.indices, 0), axis=1)
    hits &= lists.valid
    few, places = lists.indices[kept], photos.true_positions[kept]
    numbers = place_numbers(photos.scene, few, photos.rule, FovConfig())
    found = {
        **gcsa.measure(lists, photos.relevant),
        **place_recall(hits[kept], numbers),
        **distance_figures(first_distances(photos.scene, places, few)),
    }
    if not isinstance(lists, gcsa.Located):
        return found
    first, each = photos.rank(None), np.arange(len(hits))
    first_hits = photos.relevant[each, first.indices[:, 0]]
    return {
        **found,
        "ECE": expected_calibration_error(lists.confidence, hits[:, 0]),
        "ECE by chance": error_by_chance(lists.confidence),
        "AUC-PR": auc_pr(lists.confidence, hits[:, 0]),
        "AUC-PR first round": auc_pr(first.scores[:, 0], first_hits),
    }


def cells(name: str, figures: Figures) -> list[str]:
    """A row of a table: shares of queries in percent, distances in metres, the rest as it is."""
    shown = [name]
    for key in COLUMNS.values():
        value = figures.get(key)
        percent = "recall" in key or "mAP" in key
        digits = 3 if "ECE" in key or "AUC" in key else 1
        shown.append("" if value is None else f"{100 * value if percent else value:.{digits}f}")
    return shown


def milliseconds(world: World) -> list[list[str]]:
    """CPU time of a query by objective, evidence included; one thread."""
    judged, fov = world.scenes[0], world.config.fov
    rule = Rule.of(world.config.data.val_labels)
    locator = Locator(judged.scene, rule, fov, _by_itself(judged, rule, fov))
    count, width = judged.candidates.indices.shape
    lines = []
    for word, objective in OBJECTIVES.items():
        config = PosteriorConfig(objective=objective)

        def once(config: PosteriorConfig = config) -> object:
            return locator.locate(judged.candidates, config)

        lines.append([f"{world.name}, N = {width}, {word}", f"{1e3 * cpu_time(once) / count:.3f}"])
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default="outputs/quickstart", help="the quick start")
    parser.add_argument("--real", type=Path, help="folder with real_iiith_campus, ...")
    parser.add_argument(
        "--described", type=Path, help="folder with real_iiith_campus.h5, ... of gcsa extract"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a drawn city in the miniworld's place"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{describe()}\n", flush=True)
    lines = []
    for part in ("a drawn city",) if args.quick else ("streets", "buildings"):
        try:
            world = drawn() if args.quick else miniworld(part, args.data)
        except (InputError, FileNotFoundError) as error:
            print(f"{part}: left out, no quick start to read ({error})\n")
            continue
        print(f"{part}\n\n{table([cells(*r) for r in rows(world)], ['', *COLUMNS])}\n", flush=True)
        lines += milliseconds(world)
    for name, read in SETS.items():
        if args.real is None or not (args.real / name).is_dir():
            print(f"{name}: left out, --real names no folder that has it\n")
            continue
        shown = [cells(*r) for r in photo_rows(read(args.real, args.described))]
        print(f"{name}\n\n{table(shown, ['', *COLUMNS])}\n", flush=True)
    if lines:
        print(table(lines, ["a query, one thread", "ms"]))


if __name__ == "__main__":
    main()
