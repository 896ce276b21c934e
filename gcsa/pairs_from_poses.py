"""Pairs files for hloc told from camera poses alone: by overlap of view, or by distance.

Pairs of database images, to build a map from, or of queries and the database, where the queries'
poses are known (from GPS, say). It works on any data set with positions and needs no descriptors.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gcsa import options
from gcsa.errors import InputError, nearest, run_program

if TYPE_CHECKING:
    from gcsa.config import Config
    from gcsa.localization.near_poses import Cameras
    from gcsa.ranking.lists import Ranking
    from gcsa.scene import Scene

logger = logging.getLogger(__name__)

MEASURES = {"overlap": 0.0, "distance": 25.0}  # and the thresholds they have by default
ROLES = ("database", "query")


@dataclass(frozen=True)
class Settings:
    """Which pairs are written.

    of: the images that get partners, "database" or "query"; partners are of the database.
    num: partners of an image, at most. threshold: overlap above it, 0 to 1, or distance
    of at most so many metres; None: any overlap, 25 m. turn: degrees that headings may differ by,
    of pairs by distance.
    """

    by: str = "overlap"
    of: str = "database"
    num: int = 20
    threshold: float | None = None
    turn: float = 180.0

    def __post_init__(self) -> None:
        for option, value, allowed in (("by", self.by, MEASURES), ("of", self.of, ROLES)):
            if value not in allowed:
                raise InputError(f"--{option}: '{value}' is not a choice{nearest(value, allowed)}")
        if self.num < 1:
            raise InputError(f"--num: {self.num} is less than 1")
        if not 0 <= self.limit < np.inf or (self.by == "overlap" and self.limit >= 1):
            what = "a share from 0 to below 1" if self.by == "overlap" else "metres"
            raise InputError(f"--threshold: {self.limit} is not {what} (--by {self.by})")
        if not 0 <= self.turn <= 180:
            raise InputError(f"--turn: {self.turn} is not an angle from 0 to 180 degrees")

    @property
    def limit(self) -> float:
        return MEASURES[self.by] if self.threshold is None else self.threshold


def pairs_from_poses(
    config: Config, output: str, split: str = "val", settings: Settings | None = None
) -> list[Path]:
    """Write a pairs file for each scene of a split; returns their paths.

    output: a path that holds "{scene}" where there are several scenes. Fields of view are those
    of the config (section fov).
    """
    from gcsa.datasets.hloc import write_pairs
    from gcsa.datasets.readers import reader, scene_names
    from gcsa.pairs import scene_paths

    settings = settings or Settings()
    names = scene_names(config.data, split)
    paths = scene_paths(output, names, "--output")
    data = replace(config.data, desc_fn="", train_labels="dist", val_labels="dist")  # poses alone
    for name, path in zip(names, paths, strict=True):
        scene, truth = reader(data).read(data, name, split)
        images, database = _cameras(scene, truth, settings.of)
        ranking = _rank(config, settings, images, database)
        query, column = np.nonzero(ranking.valid)
        write_pairs(path, images.names[query], database.names[ranking.indices[query, column]])
        alone = int((~ranking.valid.any(axis=1)).sum())
        logger.info("%s: %d pairs, %d images without", path, len(query), alone)
    return paths


def _rank(config: Config, settings: Settings, images: Cameras, database: Cameras) -> Ranking:
    from gcsa.localization.near_poses import by_distance, by_overlap

    if settings.by == "overlap":
        return by_overlap(images, database, settings.num, settings.limit, config.fov)
    turn = float(np.deg2rad(settings.turn))
    return by_distance(images, database, settings.num, settings.limit, turn)


def _cameras(scene: Scene, truth: object, of: str) -> tuple[Cameras, Cameras]:
    """The images that get partners, and the database."""
    from gcsa.evaluation.truth import Truth
    from gcsa.localization.near_poses import Cameras

    known = scene.database
    if known.positions is None:
        raise InputError(f"{scene.name}: the positions of its database are not known")
    database = Cameras(known.names, known.positions, known.headings)
    if of == "database":
        return database, database
    if not isinstance(truth, Truth):
        raise InputError(f"{scene.name}: the positions of its queries are not known (--of query)")
    return Cameras(scene.queries.names, truth.positions, truth.headings), database


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "pairs_from_poses",
        "Write pairs files for hloc from camera poses: the database images whose fields of view "
        "overlap most, or the nearest.",
        "data.dataset=folder data.root=photos --output pairs_map.txt --num 10 fov.radius=30",
        note="Paths hold {scene} where a split has several scenes.",
    )
    options.add_conf(made)
    options.add_split(made)
    made.add_argument("--output", required=True, metavar="FILE", help="pairs file to write")
    made.add_argument("--by", default="overlap", help="overlap (default) or distance")
    made.add_argument(
        "--of",
        default="database",
        help="images that get partners: database (default, to build a map) or query",
    )
    options.add_num(made, Settings.num, "partners of an image, at most")
    options.add_renamed(made, "--num_matched", "--num", type=int)
    made.add_argument(
        "--threshold", type=float, help="overlap above it (default 0), or metres at most (25)"
    )
    made.add_argument(
        "--turn", type=float, default=180.0, help="by distance: headings differ by so many degrees"
    )
    options.add_overrides(made)
    return made


def main() -> None:
    args = parser().parse_intermixed_args()
    from gcsa.config import load_config

    config = load_config(args.conf, options.overrides(args))
    settings = Settings(args.by, args.of, args.num, args.threshold, args.turn)
    pairs_from_poses(config, args.output, args.split, settings)


if __name__ == "__main__":
    run_program(main)
