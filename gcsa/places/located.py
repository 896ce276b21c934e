"""Ranked lists that come with an answer: where each query was taken, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gcsa.errors import InputError
from gcsa.places.calibration import Calibration
from gcsa.places.locator import Locator
from gcsa.places.logits import Logits
from gcsa.places.settings import PosteriorConfig
from gcsa.ranking.lists import Ranking


@dataclass(frozen=True, eq=False)
class Located(Ranking):
    """Ranked lists of Q queries, and the posterior that they follow from.

    scores: (Q, N) the probability that an image is relevant, of the images in their order (not
    falling where the objective is not precision). probability: (Q, N), that the query was taken
    where the image was. none: (Q,), that it was taken at none of them. confidence: (Q,), that the
    place with most mass is right. position: (Q, 2) metres, NaN where no positions are known.
    radius: (Q,) metres about it that hold 68 % of the mass. calibration: what it is weighed by.
    """

    probability: np.ndarray
    none: np.ndarray
    confidence: np.ndarray
    position: np.ndarray
    radius: np.ndarray
    calibration: Calibration

    COLUMNS = ("indices", "scores", "probability")


def located(
    locator: Locator,
    candidates: Ranking,
    config: PosteriorConfig,
    K: int = 0,
    left_out: np.ndarray | None = None,
    logits: Logits | None = None,
) -> Located:
    """The lists in the order of the posterior over their first K candidates, all for 0.

    left_out: (Q, n) bool, images that are no candidates of a query. logits: of the first K, see
    :meth:`gcsa.places.locator.Locator.weigh`. Candidates beyond K stay behind, in their order, with
    scores of -inf and no probability.
    """
    width = candidates.indices.shape[1]
    if K < 0:
        raise InputError(f"K: {K} is less than 0")
    K = min(K, width) if K else width
    head = Ranking(candidates.indices[:, :K], candidates.scores[:, :K])
    found = locator.locate(head, config, left_out, logits)
    rest = np.broadcast_to(np.arange(K, width), (len(head), width - K))
    order = np.concatenate([found.order, rest], axis=1)
    indices = np.take_along_axis(candidates.indices, order, axis=1)
    scores = np.full(indices.shape, -np.inf, dtype=np.float32)
    scores[:, :K] = np.take_along_axis(found.scores, found.order, axis=1)
    scores[indices < 0] = -np.inf
    probability = np.zeros(indices.shape, dtype=np.float32)
    probability[:, :K] = np.take_along_axis(found.probability, found.order, axis=1)
    return Located(
        indices,
        scores,
        probability,
        found.none,
        found.confidence,
        found.position,
        found.radius,
        locator.calibration,
    )
