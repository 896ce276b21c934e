"""Find the few numbers that the posterior needs of a data set, and say them in words."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gcsa import options
from gcsa.errors import InputError, run_program

if TYPE_CHECKING:
    from gcsa.config import Config
    from gcsa.places.calibration import Calibration

SOURCES = ("database", "scenes")


def calibrate(
    config: Config,
    source: str = "database",
    split: str = "val",
    output: str | None = None,
    overrides: Sequence[str] = (),
) -> dict[Path, Calibration]:
    """Calibrate the scenes of a split, and write a file for each; returns {file: calibration}.

    source: "database": each scene by its database's own images, into the file beside its
    descriptors, where every program finds it; "scenes": all of the split together, by queries
    whose true poses are known, into ``output``, to be given as posterior.calibration.
    """
    from gcsa.distributed import from_first
    from gcsa.files import write_text
    from gcsa.places.calibrating import calibrated
    from gcsa.places.calibration import to_text
    from gcsa.scoring.calibration import calibrate_on_scenes, calibration_file
    from gcsa.scoring.ranker import pick_device
    from gcsa.scoring.report import judging
    from gcsa.scoring.split import prepare
    from gcsa.sideinfo.rules import Rule

    if source not in SOURCES:
        raise InputError(f"--source: '{source}' is not one of {', '.join(SOURCES)}")
    if (source == "scenes") != (output is not None):
        raise InputError("--output: a file for --source scenes, and for that alone")
    config = judging(config, split)
    depth, device = config.model.K, pick_device(config.train.device)
    scenes = prepare(config.data, config.fov, [], split, depth, device)
    if output is not None:
        found = {Path(output): calibrate_on_scenes(config, scenes)}
    else:
        found, rule = {}, Rule.of(config.data.val_labels)
        for judged in scenes:
            path = calibration_file(config, judged.scene.name)
            if path is None:
                raise InputError(f"{judged.scene.name}: has no descriptor file (data.desc_fn)")
            found[path] = from_first(partial(calibrated, judged.scene, rule, config.fov, depth))
    for path, calibration in found.items():
        write_text(path, to_text(calibration))
    return found


def learn(
    config: Config, split: str = "val", overrides: Sequence[str] = ()
) -> dict[Path, tuple[str, bool]]:
    """Adapt the network of places to the scenes of a split, each by its database's own images.

    Returns {file: (what was found, whether it was kept)}; a file is written, beside the
    descriptors, only where the adapted network is better on a held-out part of the database.
    """
    from gcsa.models.place_files import save_place
    from gcsa.places.calibrating import mark_of
    from gcsa.rerankers.place import open_network
    from gcsa.scoring.calibration import network_file
    from gcsa.scoring.ranker import pick_device
    from gcsa.scoring.report import judging
    from gcsa.scoring.split import prepare
    from gcsa.sideinfo.rules import Rule
    from gcsa.training.placing.adapting import adapted, words

    config = judging(config, split)
    rule, depth = Rule.of(config.data.val_labels), config.model.K
    found = {}
    for judged in prepare(config.data, config.fov, [], split, depth, pick_device("cpu")):
        path = network_file(config, judged.scene.name)
        if path is None:
            raise InputError(f"{judged.scene.name}: has no descriptor file (data.desc_fn)")
        start = open_network(config.place.checkpoint)
        settings = config.train.seed, config.posterior.verify
        result = adapted(judged.scene, rule, config.fov, start, depth, *settings)
        if result.better:
            mark = mark_of(judged.scene, rule, config.fov, depth)
            save_place(path, result.network, {"mark": mark})
        else:
            path.unlink(missing_ok=True)  # of an earlier call, which this one outdates
        found[path] = words(result), result.better
    return found


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "calibrate",
        "Find what the posterior over places needs of a data set: how much a similarity, a compass "
        "heading or a radio signal says. Without labels, by the database's own images as queries "
        "(--source database), or from scenes whose queries' poses are known (--source scenes).",
        "--conf configs/miniworld_train.yaml --source scenes --split train --output streets.yaml",
    )
    options.add_conf(made)
    made.add_argument(
        "--source", default="database", help="database (default; no labels needed) or scenes"
    )
    made.add_argument(
        "--learn",
        action="store_true",
        help="also adapt the network of --method place to each scene by its database's own images; "
        "minutes, and kept only where it is better on images that were held out",
    )
    options.add_split(made)
    options.add_device(made)
    made.add_argument("--output", metavar="YAML", help="with --source scenes: file to write")
    options.add_overrides(made)
    return made


def main() -> None:
    args = parser().parse_intermixed_args()
    from gcsa.config import load_config
    from gcsa.distributed.work import program
    from gcsa.places.calibration import words

    overrides = options.overrides(args)
    config = load_config(args.conf, overrides)
    with program(config.train.timeout, config.data.outputs):
        found = calibrate(config, args.source, args.split, args.output, overrides)
        for path, calibration in found.items():
            print(f"{path}\n{words(calibration)}\n")
        learnt = learn(config, args.split, overrides) if args.learn else {}
        for path, (said, _) in learnt.items():
            print(f"{path}\n{said}\n")


if __name__ == "__main__":
    run_program(main)
