"""What the network of places finds beside the posterior that it corrects, and what a query costs.

On the validation scenes of the quick start's streets, also without positions and headings (looks
alone), and of its buildings (--data); on further miniworlds (--conf); on real photos (--real). Of
several networks, trained with other seeds say, mean and standard deviation. Beside them stand the
posterior, and the posterior calibrated on labelled training scenes: what a few numbers learn.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from machine import cpu_time, describe, table
from photos import SETS, Photos
from posterior import Figures, World, drawn, miniworld, photo_figures

from gcsa.config import load_config
from gcsa.models.place import PlaceNet
from gcsa.places.calibration import Calibration
from gcsa.places.locator import Locator
from gcsa.ranking.lists import Ranking
from gcsa.rerankers.place import open_network
from gcsa.rerankers.posterior import PosteriorConfig, posterior
from gcsa.scene import Scene
from gcsa.scoring.split import prepare
from gcsa.sideinfo.rules import Rule

COLUMNS = ("recall@1", "mAP@10", "ECE")
Change = Callable[[Scene], Scene]
Found = Mapping[str, Sequence[Calibration]]


def whole(scene: Scene) -> Scene:
    """A scene as it is."""
    return scene


def bare(scene: Scene) -> Scene:
    """A scene of which nothing is known but how its images look."""
    unknown = {"positions": None, "headings": None, "radio": None}
    database = replace(scene.database, **unknown)
    return replace(scene, database=database, queries=replace(scene.queries, **unknown))


def measured(
    world: World,
    calibrations: Sequence[Calibration],
    network: PlaceNet | None,
    change: Change,
    K: int | None = None,
) -> Figures:
    """The lists of a world's scenes, of which a change leaves some known, by the posterior."""
    rule, fov = Rule.of(world.config.data.val_labels), world.config.fov
    lists = []
    for judged, calibration in zip(world.scenes, calibrations, strict=True):
        most = K or judged.candidates.indices.shape[1]
        given = judged.candidates, PosteriorConfig(K=most), rule, fov, calibration
        lists.append(posterior(change(judged.scene), *given, network=network))
    return world.figures(world.scenes, lists)


def rows(
    world: World, found: Found, networks: Sequence[PlaceNet], change: Change
) -> list[list[str]]:
    """First round, posterior, and the networks; found: calibrations, one a scene."""
    lines = [cells("no re-ranking", [world.by_rule(None)])]
    lines.append(cells("posterior", [measured(world, found["self"], None, change)]))
    if "scenes" in found:
        told = [measured(world, found["scenes"], None, change)]
        lines.append(cells("posterior, calibrated on the training scenes", told))
    each = [measured(world, found["self"], network, change) for network in networks]
    return [*lines, cells("network", each)]


def by_length(
    world: World, found: Found, networks: Sequence[PlaceNet], lengths: Sequence[int]
) -> list[list[str]]:
    """The posterior and the networks with lists of K candidates."""
    lines, own = [], found["self"]
    for K in lengths:
        lines.append(cells(f"posterior, K = {K}", [measured(world, own, None, whole, K)]))
        each = [measured(world, own, network, whole, K) for network in networks]
        lines.append(cells(f"network, K = {K}", each))
    return lines


def photo_rows(photos: Photos, files: Sequence[str]) -> list[list[str]]:
    """The same of real photos, calibrated by the database alone."""
    known = {"calibration": photos.calibrated()}
    lines = [
        cells("no re-ranking", [photo_figures(photos, photos.rank(None))]),
        cells("posterior", [photo_figures(photos, photos.rank("posterior", **known))]),
    ]

    def by(file: str) -> Ranking:
        return photos.rank("place", settings={"checkpoint": file}, **known)

    return [*lines, cells("network", [photo_figures(photos, by(file)) for file in files])]


def cells(name: str, runs: Sequence[Mapping[str, float]]) -> list[str]:
    """A row of a table: percent, with the deviation of several runs."""
    shown = [name]
    for column in COLUMNS:
        values = [100 * run[column] for run in runs if column in run]
        text = f"{statistics.mean(values):.1f}" if values else ""
        shown.append(text + (f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""))
    return shown


def milliseconds(world: World, found: Found, network: PlaceNet) -> str:
    """CPU time of a query of the first scene that the network takes beside the posterior."""
    judged, rule = world.scenes[0], Rule.of(world.config.data.val_labels)
    locator = Locator(judged.scene, rule, world.config.fov, found["self"][0])
    weighed = locator.weigh(judged.candidates)

    def once() -> object:
        return locator._learned(judged.candidates, weighed, network)

    once()
    return f"{1e3 * min(cpu_time(once) for _ in range(5)) / len(judged.candidates):.2f}"


def further(conf: str, overrides: Sequence[str]) -> World:
    """The validation scenes of a config."""
    config = load_config(conf, overrides)
    scenes = prepare(config.data, config.fov, [], "val", config.model.K)
    return World(conf, config, scenes, [])


def show(name: str, lines: list[list[str]]) -> None:
    print(f"{name}\n\n{table(lines, ['', *COLUMNS])}\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default="outputs/quickstart", help="the quick start")
    parser.add_argument("--conf", nargs="*", default=[], metavar="YAML", help="further scenes")
    parser.add_argument("--real", type=Path, help="folder with real_iiith_campus, ...")
    parser.add_argument(
        "--checkpoints", nargs="+", default=[""], metavar="C", help="default: what ships"
    )
    parser.add_argument("--lengths", nargs="*", type=int, default=[], metavar="K")
    parser.add_argument("--quick", action="store_true", help="a drawn city, to see that it runs")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{describe()}\n", flush=True)
    networks = [open_network(file) for file in args.checkpoints]
    parts = ("a drawn city",) if args.quick else ("streets", "buildings")
    worlds = [drawn() if args.quick else miniworld(part, args.data) for part in parts]
    worlds += [further(conf, []) for conf in args.conf]
    for world in worlds:
        found = world.calibrations()
        show(world.name, rows(world, found, networks, whole))
        if world is worlds[0]:
            show(f"{world.name}, looks alone", rows(world, found, networks, bare))
        if args.lengths:
            show(f"{world.name}, by length", by_length(world, found, networks, args.lengths))
        taken = milliseconds(world, found, networks[0])
        K = world.scenes[0].candidates.indices.shape[1]
        print(f"{world.name}: {taken} ms a query beside the posterior, K = {K}, one thread\n")
    for name, read in SETS.items():
        if args.real is not None and (args.real / name).is_dir():
            show(name, photo_rows(read(args.real), args.checkpoints))


if __name__ == "__main__":
    main()
