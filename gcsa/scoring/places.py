"""How many places a list names before the right one, and how far its first image is off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gcsa.config import Config
from gcsa.evaluation.metrics import KS
from gcsa.evaluation.places import distance_figures, first_distances, place_numbers, place_recall
from gcsa.evaluation.truth import Truth, labels, num_relevant
from gcsa.ranking.lists import Ranking
from gcsa.scoring.split import JudgedScene


def place_figures(
    config: Config, scenes: Sequence[JudgedScene], rankings: Sequence[Ranking]
) -> dict[str, float]:
    """{"place recall@1": share, "median m": metres, "within 5 m": share, ...} of ranked lists.

    Over all queries together that have a relevant image. {} where positions of the database or
    of the queries are not known.
    """
    relevant, numbers, away = [], [], []
    rule = config.data.val_labels
    for ranked, ranking in zip(scenes, rankings, strict=True):
        scene, truth = ranked.scene, ranked.truth
        known = isinstance(truth, Truth) and np.isfinite(truth.positions).any()
        if not known or scene.database.positions is None:
            return {}
        kept = np.flatnonzero(num_relevant(rule, scene, ranked.judged, config.fov) > 0)
        lists = ranking.indices
        relevant.append(labels(rule, scene, ranked.judged, lists, config.fov)[kept])
        numbers.append(place_numbers(scene, lists[kept], rule, config.fov, max(KS)))
        away.append(first_distances(scene, ranked.judged.positions[kept], lists[kept]))
    width = min(part.shape[1] for part in relevant)
    hits, places = (np.concatenate([a[:, :width] for a in part]) for part in (relevant, numbers))
    return place_recall(hits, places) | distance_figures(np.concatenate(away))


def show_places(figures: dict[str, float]) -> str:
    """One line of place recall, one of distances."""
    recall = "  ".join(
        f"R@{name.partition('@')[2]} {100 * value:.2f}"
        for name, value in figures.items()
        if name.startswith("place")
    )
    within = "  ".join(
        f"{name} {100 * value:.2f}" for name, value in figures.items() if name.startswith("within")
    )
    return (
        f"places (further photos of one count once)  {recall}\n"
        f"first image  median {figures['median m']:.1f} m  {within}"
    )
