"""The first round, the re-rankers without training, the posterior and matching, by the CPU and
beside it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from networks import CPU
from results import Results

from gcsa.local.matching import Side
from gcsa.places.calibration import Calibration
from gcsa.ranking.lists import Ranking
from gcsa.ranking.retrieval import retrieve
from gcsa.rerankers import RERANKERS, apply
from gcsa.rerankers.posterior import PosteriorConfig, posterior
from gcsa.scoring.split import JudgedScene
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import Rule

NUM = 40  # candidates


def check(results: Results, judged: JudgedScene, device: torch.device, tiny: bool) -> None:
    """All rows of this file."""
    scene = judged.scene
    first = retrieve(scene, NUM, CPU, "fp32")
    for search in ("fp32", "half"):
        results.compare(
            f"first round, {search}",
            "scores of all lists, against fp32",
            lambda s=search: _apart(first, retrieve(scene, NUM, device, s)),
            1e-5,
        )
    for name, method in RERANKERS.items():

        def ranked(where: torch.device, name: str = name, kind: type = method.config) -> Ranking:
            return apply(name, scene, first, kind(), Rule.of("dist"), FovConfig(), where)

        results.compare(
            name,
            "queries whose first ten images differ, share",
            lambda ranked=ranked: _reordered(ranked(CPU), ranked(device)),
            0.05,
        )
    for rule in ("fov",) if tiny else ("dist", "pose", "fov"):
        for objective in ("precision", "recall"):
            results.compare(
                f"posterior, {rule}, {objective}",
                "confidence and position, in metres",
                _located(judged, first, rule, objective, device),
                1e-2,
            )
    if not tiny:
        results.compare("matching", "XFeat and LighterGlue, matches lost, share", _matched, 0.05)


def _apart(a: Ranking, b: Ranking) -> float:
    return float(np.abs(a.scores - b.scores).max())


def _reordered(a: Ranking, b: Ranking) -> float:
    """Equal scores may stand in another order: lists are compared by what they hold."""
    some = [set(x) != set(y) for x, y in zip(a.indices[:, :10], b.indices[:, :10], strict=True)]
    return float(np.mean(some))


def _located(
    judged: JudgedScene, first: Ranking, rule: str, objective: str, device: torch.device
) -> Callable[[], float]:
    def difference() -> float:
        found = [
            posterior(
                judged.scene,
                first,
                PosteriorConfig(objective=objective),
                Rule.of(rule),
                FovConfig(),
                Calibration(),
                where,
            )
            for where in (CPU, device)
        ]
        sure = np.abs(found[0].confidence - found[1].confidence).max()
        return float(max(sure, np.nanmax(np.abs(found[0].position - found[1].position))))

    return difference


def _matched() -> float:
    """XFeat's package takes a GPU by itself; beside it mutual neighbours, by NumPy."""
    from PIL import Image

    from gcsa.local import xfeat
    from gcsa.local.matching import mutual

    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).resize((320, 240), Image.Resampling.BICUBIC)
    find = xfeat.finder(256)
    sides = []
    for turned in (image, image.crop((16, 8, 316, 232)).resize((320, 240))):
        points, _, descriptors = find(turned)
        sides.append(Side(points + 0.5, descriptors, turned.size))
    rows, _ = xfeat.lighterglue()(*sides)
    known = {tuple(pair) for pair in mutual(sides[0].descriptors, sides[1].descriptors, 1.0)[0]}
    lost = [pair for pair in known if tuple(pair) not in set(map(tuple, rows))]
    return len(lost) / max(1, len(known)) if len(rows) == 0 else 0.0
