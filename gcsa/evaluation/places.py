"""Places instead of images: how many places a list names before the right one, and how far off.

mAP@k rewards a list for further photos of a place it has already named, and recall@k counts them as
tries of their own. Place recall@k counts places: an image that shows the place of one listed before
it (the rule between the two database images) is no new try.
"""

from __future__ import annotations

import numpy as np

from gcsa.errors import given
from gcsa.evaluation.metrics import KS
from gcsa.scene import Scene
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import Poses, Rule, one_place

# Metres within which the first image is counted.
WITHIN = (5.0, 10.0, 25.0)


def place_numbers(
    scene: Scene, indices: np.ndarray, rule: str, fov: FovConfig, most: int = max(KS)
) -> np.ndarray:
    """Which place of its list each image stands for: (Q, N) int64, 1 for the first.

    indices: (Q, N) rows of the database, best first, -1 where padded. An image belongs to the first
    place whose founder, the image that was new, it shares a place with by ``rule``. Numbers beyond
    ``most`` places, and padding, are most + 1.
    """
    poses, named = Poses.of(scene.database, scene.name), Rule.of(rule)
    number = np.full(indices.shape, most + 1, dtype=np.int64)
    queries, open_ = np.arange(len(indices)), indices >= 0
    for place in range(1, most + 1):
        alive = queries[open_.any(axis=1)]
        if len(alive) == 0:
            break
        founder = indices[alive, open_[alive].argmax(axis=1)]
        line, column = np.nonzero(open_[alive])
        same = one_place(named, fov, poses, founder[line], indices[alive[line], column])
        same |= founder[line] == indices[alive[line], column]
        line, column = alive[line[same]], column[same]
        number[line, column] = place
        open_[line, column] = False
    return number


def place_recall(
    relevant: np.ndarray, numbers: np.ndarray, ks: tuple[int, ...] = KS
) -> dict[str, float]:
    """{"place recall@1": ...}: share of queries with a relevant image among the first k places.

    relevant: (Q, N) bool, of the listed images; numbers: (Q, N) of :func:`place_numbers`. Leave
    out queries without any relevant image. NaN without queries.
    """
    found = np.where(relevant, numbers, np.iinfo(np.int64).max).min(axis=1, initial=2**62)
    return {
        f"place recall@{k}": float((found <= k).mean()) if len(found) else float("nan") for k in ks
    }


def first_distances(scene: Scene, positions: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Metres from the true ``positions`` (Q, 2+) of queries to their first images, (Q,).

    Horizontally; infinite where a list is empty or the image's position unknown, NaN where the
    query's is.
    """
    known = given(scene.database.positions, f"{scene.name}: positions of the database")
    first = indices[:, 0]
    offset = positions[:, :2] - known[np.maximum(first, 0), :2]
    away = np.hypot(offset[:, 0], offset[:, 1])
    lost = (first < 0) | np.isnan(known[np.maximum(first, 0)]).any(axis=1)
    return np.where(lost & np.isfinite(positions[:, :2]).all(axis=1), np.inf, away)


def distance_figures(away: np.ndarray) -> dict[str, float]:
    """{"median m": ..., "within 5 m": ...} of distances (Q,); queries of NaN are left out."""
    away = away[~np.isnan(away)]
    if len(away) == 0:
        return {"median m": float("nan"), **{f"within {w:g} m": float("nan") for w in WITHIN}}
    shares = {f"within {w:g} m": float((away <= w).mean()) for w in WITHIN}
    # Of an even number the lower middle: a mean with an infinite one would be infinite.
    return {"median m": float(np.quantile(away, 0.5, method="lower")), **shares}
