"""Whether the confidence of located lists comes true.

The answer of a query is the first image of its list, and it is right where that image is relevant
by ``data.val_labels``: confidence is the probability of just that. Of a query without any relevant
image every answer is wrong, and it counts as such: the confidence ought to be low there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from gcsa.config import Config
from gcsa.evaluation.confidence import auc_pr, error_by_chance, expected_calibration_error
from gcsa.evaluation.truth import Truth, labels
from gcsa.places.located import Located
from gcsa.ranking.lists import Ranking
from gcsa.scoring.split import JudgedScene


@dataclass(frozen=True, eq=False)
class Answers:
    """The first images of Q queries' lists, and those of the first round, whose similarity to the
    query is the trivial rule of how sure one is.

    confidence, similarity: (Q,) float; correct, first_correct: (Q,) bool.
    """

    confidence: np.ndarray
    correct: np.ndarray
    similarity: np.ndarray
    first_correct: np.ndarray


def answers_of(
    config: Config, scenes: Sequence[JudgedScene], rankings: Sequence[Ranking]
) -> Answers | None:
    """The answers of all scenes together; None where lists have none, or no rule judges them."""
    parts = []
    for judged, ranking in zip(scenes, rankings, strict=True):
        if not isinstance(ranking, Located) or not isinstance(judged.truth, Truth):
            return None
        first = judged.candidates
        right, first_right = (_first_relevant(config, judged, r.indices) for r in (ranking, first))
        parts.append(Answers(ranking.confidence, right, first.scores[:, 0], first_right))
    names = [field.name for field in fields(Answers)]
    return Answers(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


def _first_relevant(config: Config, judged: JudgedScene, indices: np.ndarray) -> np.ndarray:
    rule = config.data.val_labels
    return labels(rule, judged.scene, judged.judged, indices[:, :1], config.fov)[:, 0]


def confidence_figures(
    config: Config, scenes: Sequence[JudgedScene], rankings: Sequence[Ranking]
) -> dict[str, float]:
    """:func:`figures_of` all queries together, {} where lists have no answer."""
    found = answers_of(config, scenes, rankings)
    return {} if found is None else figures_of(found)


def figures_of(found: Answers) -> dict[str, float]:
    """{"ECE", "ECE by chance", "AUC-PR", "AUC-PR first round"}.

    The expected calibration error, and what so few queries would show were the confidence exactly
    true; the area under precision and recall of the answers by their confidence, and that of the
    first round's by their similarity.
    """
    return {
        "ECE": expected_calibration_error(found.confidence, found.correct),
        "ECE by chance": error_by_chance(found.confidence),
        "AUC-PR": auc_pr(found.confidence, found.correct),
        "AUC-PR first round": auc_pr(found.similarity, found.first_correct),
    }


def show_confidence(figures: dict[str, float]) -> str:
    """One line: does the confidence come true, and does it tell right answers from wrong ones."""
    return (
        f"confidence  ECE {figures['ECE']:.3f} ({figures['ECE by chance']:.3f} by chance alone)  "
        f"AUC-PR {figures['AUC-PR']:.3f} (first round by similarity "
        f"{figures['AUC-PR first round']:.3f})"
    )
