"""The calibration of a scene, kept as a file beside its descriptors."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gcsa.config import Config
from gcsa.datasets.reader import descriptor_file
from gcsa.distributed import from_first
from gcsa.errors import InputError
from gcsa.files import write_text
from gcsa.models.checkpoint import read_settings
from gcsa.places.calibrating import calibrated, calibrated_on, labelled_sample, mark_of
from gcsa.places.calibration import Calibration, read_calibration, to_text
from gcsa.scene import Scene
from gcsa.scoring.split import JudgedScene
from gcsa.sideinfo.rules import Rule

logger = logging.getLogger(__name__)

SUFFIX, NETWORK = ".calibration.yaml", ".place.pth.tar"


def calibration_for(config: Config, scene: Scene) -> Calibration:
    """The calibration to locate the queries of a scene by.

    That of the file ``posterior.calibration``; else what the scene's database says of itself,
    read from the file beside its descriptors where that is of this database and rule, else made
    anew and kept there.
    """
    if config.posterior.calibration:
        return read_calibration(Path(config.posterior.calibration))
    rule, path = Rule.of(config.data.val_labels), calibration_file(config, scene.name)
    mark = mark_of(scene, rule, config.fov, config.model.K)
    if path is not None and (kept := from_first(lambda: _kept(path, mark))) is not None:
        return kept
    found = from_first(lambda: calibrated(scene, rule, config.fov, config.model.K))
    found = replace(found, descriptors=mark)
    if path is not None and path.parent.is_dir():
        keep(path, found)
    return found


def _kept(path: Path, mark: str) -> Calibration | None:
    """The calibration in a file, where that is of this database and rule."""
    if not path.is_file():
        return None
    try:
        kept = read_calibration(path)
    except InputError as error:
        logger.warning("%s; made anew", error)
        return None
    if kept.descriptors == mark:
        return kept
    logger.info("%s: of another database or rule, made anew", path)
    return None


def calibration_file(config: Config, scene: str) -> Path | None:
    """Where the calibration of a scene lies; None where it has no descriptor file."""
    file = descriptor_file(config.data, scene)
    return None if file is None else file.with_name(file.name + SUFFIX)


def network_file(config: Config, scene: str) -> Path | None:
    """Where a network of places lies that was learned for a scene; see :func:`calibration_file`."""
    file = descriptor_file(config.data, scene)
    return None if file is None else file.with_name(file.name + NETWORK)


def network_for(config: Config, scene: Scene) -> str:
    """The checkpoint of the network of places for a scene; empty for the one that ships.

    ``place.checkpoint``, or what ``gcsa calibrate --learn`` left beside the descriptors, where that
    is of this database and rule.
    """
    path = network_file(config, scene.name)
    if config.place.checkpoint or path is None or not path.is_file():
        return config.place.checkpoint
    rule = Rule.of(config.data.val_labels)
    mark = mark_of(scene, rule, config.fov, config.model.K)
    if (read_settings(path) or {}).get("mark") == mark:
        return str(path)
    logger.info("%s: of another database or rule, not used", path)
    return ""


def keep(path: Path, calibration: Calibration) -> None:
    """Write a calibration, where that is allowed: it can be made again."""
    try:
        write_text(path, to_text(calibration))
    except (InputError, OSError) as error:
        logger.info("%s: not kept (%s)", path, error)


def calibrate_on_scenes(config: Config, scenes: Sequence[JudgedScene]) -> Calibration:
    """One calibration from all queries of labelled scenes, judged by ``data.val_labels``."""
    rule, samples = Rule.of(config.data.val_labels), []
    for judged in scenes:
        truth = judged.judged
        if judged.labels is None:
            raise InputError(f"{judged.scene.name}: what is relevant to its queries is not known")
        samples.append(
            labelled_sample(
                judged.scene, judged.candidates, judged.labels, truth.positions, rule, config.fov
            )
        )
    return calibrated_on([judged.scene for judged in scenes], samples, rule, config.fov)
