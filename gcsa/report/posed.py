"""Cameras placed by local features: the error curve of a report, and one camera from above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from gcsa.datasets.reader import local_files
from gcsa.datasets.settings import DataConfig
from gcsa.errors import InputError, given
from gcsa.localization.mapped import LocalFiles
from gcsa.localization.scenes import Cameras, MappedScene
from gcsa.plots.poses import DEGREES, within
from gcsa.ranking.lists import Ranking
from gcsa.report.charts import Line, line_chart
from gcsa.report.maps import SIZE, frame, metres, to_pixels
from gcsa.report.outcomes import DEPTH, Outcome, SceneOutcome

LISTS = "first round", "re-ranked"
METRES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
TICKS = (0.1, 1.0, 10.0)
HALF = 8.0  # metres from the middle of a map to its edges, at least
POINTS = 1500  # of a map
ARROW = 20.0  # pixels
KEY = (
    "Pictures of single queries, from above: points of the map are grey, its cameras black; green "
    "disc: the true camera, orange triangle: as the first round places it, blue square: re-ranked."
)


@dataclass(frozen=True, eq=False)
class Posed:
    """The cameras of a scene's queries, placed by the first images of both lists, by LISTS."""

    mapped: MappedScene
    cameras: dict[str, Cameras]

    @staticmethod
    def of(data: DataConfig, outcome: SceneOutcome, num: int) -> Posed:
        """By ``num`` images of each list."""
        scene = outcome.scene
        features, matches = local_files(data, scene.name)
        files = LocalFiles(given(features, "data.local_fn"), matches)
        folder = Path(data.root) / "lamar" / scene.name
        mapped = MappedScene(scene, folder, "val", files)
        new = outcome.located or Ranking(outcome.reranked.indices, outcome.reranked.scores)
        lists = Ranking(outcome.first.indices, outcome.first.scores), new
        return Posed(
            mapped,
            {
                name: mapped.place(ranking, num, name)
                for name, ranking in zip(LISTS, lists, strict=True)
            },
        )


def place_all(outcome: Outcome, split: str, num: int) -> list[Posed]:
    """The cameras of all scenes, by ``num`` images of each list, of which a report keeps DEPTH."""
    data = outcome.config.data
    if data.dataset != "lamar" or not data.local_fn or split != "val":
        raise InputError("--poses: is for data.dataset=lamar, data.local_fn, and --split val")
    if num > DEPTH:
        raise InputError(f"--poses: {num} is more than {DEPTH}")
    return [Posed.of(data, scene, num) for scene in outcome.scenes]


def section(scenes: Sequence[Posed], num: int) -> str:
    """The error curves of all scenes together, as HTML."""
    charts = []
    errors = {name: _errors(scenes, name) for name in LISTS}
    for most in DEGREES:
        lines = []
        for name, (rotation, translation) in errors.items():
            share = 100 * within(rotation, translation, most, np.array(METRES))
            lines.append(Line(name, list(zip(METRES, share.tolist(), strict=True))))
        title = f"Turned by less than {most:g}\N{DEGREE SIGN}"
        charts.append(
            line_chart(title, lines, "error of the position, metres", "% of cameras", TICKS, True)
        )
    count, failed = len(errors[LISTS[0]][0]), []
    for name in LISTS:
        failed.append(f"{name} {sum(int((p.cameras[name].agreeing == 0).sum()) for p in scenes):,}")
    note = (
        f"{count:,} cameras, placed by local features that match with the first {num} images of "
        f"their lists. Not placed, and left where the list says: {', '.join(failed)}. {KEY}"
    )
    return (
        f'<section id="poses"><h2>Poses</h2><p class="note">{note}</p>'
        f'<div class="charts">{"".join(charts)}</div></section>'
    )


def _errors(scenes: Sequence[Posed], name: str) -> tuple[np.ndarray, np.ndarray]:
    parts = [posed.mapped.errors(posed.cameras[name]) for posed in scenes]
    rotation, translation = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    return rotation, translation


def camera_svg(posed: Posed, query: int) -> str:
    """Where a query's camera is among the map's points, from above: placed by both lists, and true;
    "" where the truth is not told.
    """
    truth = posed.mapped.truth
    if not truth.known[query]:
        return ""
    middle, parts, said = truth.positions[query], [], []
    offsets = {n: c.poses.positions[query] - middle for n, c in posed.cameras.items()}
    near = [float(np.abs(o[:2]).max()) for o in offsets.values() if np.abs(o[:2]).max() < 5 * HALF]
    half = max(HALF, 1.2 * max(near, default=0.0))
    points, cameras = posed.mapped.around(middle, half)
    points = points[np.linspace(0, len(points) - 1, min(len(points), POINTS)).astype(int)]
    for kind, places, size in (("point", points, 1.2), ("photo", cameras, 2.6)):
        parts.append(_dots(kind, to_pixels(places[:, :2] - middle[:2], half), size))
    parts.append(_camera("true", "true camera", truth.rotations[query], np.zeros(2), half))
    for name, kind in zip(LISTS, ("old", "new"), strict=True):
        cameras_of = posed.cameras[name]
        words = f"{name}: {metres(float(np.linalg.norm(offsets[name])))} off"
        by = int(cameras_of.agreeing[query])
        words += f", {by} keypoints agree" if by else ", not placed in the map"
        said.append(words)
        rotation = cameras_of.poses.rotations[query]
        parts.append(_camera(kind, words, rotation, offsets[name][:2], half))
    label = "the query's camera among the points of the map, from above"
    return (
        f'<figure class="posed">{frame(half, parts, label)}'
        f"<figcaption>camera, by {'; '.join(map(escape, said))}</figcaption></figure>"
    )


def _dots(kind: str, places: np.ndarray, size: float) -> str:
    inside = places[((places >= 0) & (places <= SIZE)).all(axis=1)]
    path = "".join(f"M{x:.0f} {y:.0f}h0" for x, y in inside)
    return f'<path class="{kind}" stroke-width="{size:g}" d="{path}"/>' if path else ""


def _camera(kind: str, words: str, rotation: np.ndarray, offset: np.ndarray, half: float) -> str:
    """A mark with an arrow along the camera's axis."""
    ((x, y),) = to_pixels(offset[None], half)
    ahead = rotation[:2, 2] * ARROW
    shape = {"true": '<circle r="5"/>', "new": '<rect x="-4" y="-4" width="8" height="8"/>'}
    mark = shape.get(kind, '<path d="M0 -6 L5 4 H-5 Z"/>')
    return (
        f'<g class="pose {kind}" transform="translate({x:.1f} {y:.1f})"><title>{escape(words)}'
        f'</title><path class="axis" d="M0 0L{ahead[0]:.1f} {-ahead[1]:.1f}"/>{mark}</g>'
    )
