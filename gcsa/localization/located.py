"""The queries of a scene located, for each of some rankings: files for hloc, poses, their errors.

Poses are from hloc where it is installed, else from the database images alone
(:mod:`gcsa.localization.poses`): "top1", the pose of the best one, or "mean", a robust mean of the
first ones. "map" places cameras by local features in points triangulated from the database
(:mod:`gcsa.localization.mapped`).

Recalls are LaMAR's, (1 deg, 0.1 m) and (5 deg, 1 m), both errors strictly below, over cameras:
a rig counts once for each of its cameras. A submission has the poses of rigs.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gcsa.errors import InputError, given, nearest
from gcsa.files import replacing
from gcsa.localization import hloc_run
from gcsa.localization.hloc_files import PosesInTime
from gcsa.localization.hloc_run import HlocInputs
from gcsa.localization.mapped import LocalFiles, map_poses, surfaces_of
from gcsa.localization.model import write_model
from gcsa.localization.poses import CDF_POINTS, THRESHOLDS, Poses, cdf_at, pose_errors, pose_recall
from gcsa.localization.rigs import ESTIMATES, Device, retrieved_poses
from gcsa.localization.scenes import parts_of
from gcsa.localization.surfaces import Surfaces
from gcsa.localization.views import Views
from gcsa.plots import error_curve, save
from gcsa.ranking.lists import Ranking
from gcsa.rerankers.fusion import Fusion
from gcsa.scene import Scene
from gcsa.scoring.report import gist

logger = logging.getLogger(__name__)

METHODS = ("auto", "hloc", "map", *ESTIMATES)
FIRST, RERANKED = "first_round", "reranked"
Errors = tuple[np.ndarray, np.ndarray]  # rotation (n,) degrees, translation (n,) metres


@dataclass(frozen=True)
class Settings:
    """How queries are localised; see the program's --help."""

    output: Path
    num: int = 10
    method: str = "auto"
    hloc: HlocInputs = HlocInputs()
    submission: bool = False
    fusion: Fusion | None = None
    reranker: str | None = None
    curve: Path | None = None
    matcher: str = hloc_run.MATCHER

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            hint = nearest(self.method, METHODS)
            raise InputError(f"--method: '{self.method}' is not a choice{hint}")
        if self.num < 1:
            raise InputError(f"--num: {self.num} is less than 1")
        if self.method == "map" and self.hloc.features is None:
            raise InputError("--method map: --features, a file of gcsa match, is missing")

    @property
    def can_run_hloc(self) -> bool:
        return hloc_run.available() and self.hloc.complete

    @property
    def resolved(self) -> str:
        """The method that "auto" stands for here."""
        return self.method if self.method != "auto" else ("hloc" if self.can_run_hloc else "mean")


@dataclass(frozen=True, eq=False)
class Located:
    """What came of one device in one scene.

    errors: {ranking: errors of its cameras}, {} without truth. trajectory: the poses after
    re-ranking of what asks; None where hloc has still to be run. commands: for hloc.
    """

    errors: dict[str, Errors]
    trajectory: PosesInTime | None
    commands: list[str]


def localize_scene(
    scene: Scene, rankings: dict[str, Ranking], folder: Path, split: str, settings: Settings
) -> dict[str, Located]:
    """Localise by each of some rankings of the scene in ``folder``: {device: what came of it}."""
    mapped, parts = parts_of(scene, folder, split)
    views, located, first = Views.of([mapped]), {}, 0
    write_model(settings.output / scene.name / "map", views)
    surfaces = None
    if settings.method == "map":
        surfaces = surfaces_of(scene, views, _files(settings, scene.name))
    for part in parts:
        device, first = Device.of(part, first), first + len(part.rows)
        located[device.name] = _localize_device(
            scene, views.poses, device, rankings, settings, split == "val", surfaces
        )
    return located


def _files(settings: Settings, scene: str) -> LocalFiles:
    found = settings.hloc.of(scene)
    matches = None if found.matches is None else Path(found.matches)
    return LocalFiles(Path(given(found.features, "--features")), matches)


def _localize_device(
    scene: Scene,
    database: Poses,
    device: Device,
    rankings: dict[str, Ranking],
    settings: Settings,
    truth: bool,
    surfaces: Surfaces | None,
) -> Located:
    folder, views = settings.output / scene.name / device.name, device.views
    inputs, poses, commands = settings.hloc.of(scene.name), {}, []
    for tag, ranking in rankings.items():
        own = Ranking(ranking.indices[device.rows], ranking.scores[device.rows])
        lists = views.names, views.cameras, scene.database.names
        runs = hloc_run.write_inputs(folder, tag, *lists, own, settings.num)
        commands += hloc_run.commands(runs, inputs, settings.matcher)
        if surfaces is not None:
            where = f"{scene.name} {device.name}, {tag.replace('_', ' ')}"
            poses[tag], _ = map_poses(device, surfaces, ranking, settings.num, where)
        elif settings.resolved in ESTIMATES:
            proposals = retrieved_poses(database, own, settings.num)
            poses[tag] = device.rig_poses(*proposals, settings.resolved)
        elif settings.can_run_hloc:
            # hloc localises each camera by itself; a rig has the robust mean of its cameras.
            found = hloc_run.localize_sfm(runs, inputs, views.names)
            poses[tag] = device.rig_poses(found[:, None], np.zeros((len(found), 1)), "mean")
    if not poses:
        return Located({}, None, commands)
    known = views.poses.known
    errors = {
        tag: pose_errors(device.camera_poses(p)[known], views.poses[known])
        for tag, p in poses.items()
        if truth
    }
    return Located(errors, (device.timestamps, device.ids, list(poses.values())[-1]), commands)


def hand_over_to_hloc(commands: Sequence[str], settings: Settings) -> None:
    """Write the commands down, and print them where hloc was wanted; stop where it was a must."""
    script = settings.output / "hloc_commands.sh"
    with replacing(script) as temporary:
        temporary.write_text("\n".join(commands) + "\n")
    if settings.method in (*ESTIMATES, "map") or settings.can_run_hloc:
        return
    print("\n".join(commands))
    why = "hloc or pycolmap is not installed"
    if hloc_run.available():
        why = "--reference_sfm, --features and --matches are needed"
    if settings.method == "hloc":
        raise InputError(f"--method hloc: {why}; the commands to run are above and in {script}")
    logger.info("hloc not run, %s: poses from retrieved images; commands: %s", why, script)


def draw_curve(errors: Sequence[dict[str, Errors]], path: Path) -> None:
    """The error curve of all cameras into a picture. errors: as of :class:`Located`, of each device
    of each scene; InputError where no truth is told.
    """
    told = [part for part in errors if part]
    if not told:
        raise InputError("--curve: no true poses to measure against")
    named = {}
    for tag in told[0]:
        rotation, translation = (np.concatenate([part[tag][i] for part in told]) for i in (0, 1))
        named[tag.replace("_", " ")] = rotation, translation
    save(error_curve(named), path)


def report(
    errors: dict[tuple[str, str], dict[str, Errors]], split: str, settings: Settings
) -> dict[str, Any]:
    """{"protocol", "results": {label: {ranking: {"cameras", "recall", "cdf"}}}}, shares in [0, 1].

    errors: {(scene, device): {ranking: errors}}. Labels: each scene and device, each device, total.
    """
    groups: dict[str, list[dict[str, Errors]]] = {}
    for (scene, device), part in errors.items():
        for label in (f"{scene} {device}", f"all {device}", "total"):
            groups.setdefault(label, []).append(part)
    order = sorted(groups, key=lambda label: (label == "total", label.startswith("all ")))
    results = {label: _summary(groups[label]) for label in order if any(groups[label])}
    fused = "" if settings.fusion is None else f", re-ranking {settings.fusion}"
    protocol = (
        f"LaMAR {split}, poses: {settings.resolved}, top {settings.num}{fused}. Recall: both "
        "errors strictly below; cameras, a rig once for each of its own; missing poses count as "
        "wrong"
    )
    return {"protocol": protocol, "results": results}


def _summary(parts: Sequence[dict[str, Errors]]) -> dict[str, Any]:
    summary = {}
    for tag in parts[0]:
        rotation, translation = (np.concatenate([p[tag][i] for p in parts]) for i in (0, 1))
        recall = pose_recall(rotation, translation)
        names = [f"{degrees:g}deg_{metres:g}m" for degrees, metres in THRESHOLDS]
        summary[tag] = {
            "cameras": len(rotation),
            "recall": dict(zip(names, recall, strict=True)),
            "cdf": dict(zip([f"{p:g}m" for p in CDF_POINTS], cdf_at(translation), strict=True)),
        }
    return summary


def show(result: dict[str, Any], verbose: bool = False) -> str:
    """A report as text: recalls and the distribution of the position error, in percent.

    verbose: the whole protocol, not its first sentence.
    """
    lines: list[str] = []
    protocol = result["protocol"] if verbose else gist(result)
    for label, rankings in result["results"].items():
        for tag, part in rankings.items():
            shares = {**part["recall"], **{f"<={name}": v for name, v in part["cdf"].items()}}
            if not lines:
                head = "".join(f"{name:>12}" for name in shares)
                lines = [protocol, "", f"{'':28}{head}{'cameras':>9}"]
            cells = "".join(f"{100 * share:12.2f}" for share in shares.values())
            lines.append(f"{label + ', ' + tag.replace('_', ' '):28}{cells}{part['cameras']:9d}")
    return "\n".join(lines or [protocol, "no true poses to measure against"])
