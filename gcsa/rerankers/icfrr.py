"""Iterative cluster-free re-ranking (ICFRR).

Hudson, Smith: "If At First You Don't Succeed: Test-time Re-ranking for Zero-shot, Cross-domain
Retrieval", arXiv 2303.17703. G database images; w a falling weight of neighbour ranks r = 0, 1, ...

    support(j) = mean over the KQ best images a of the list of w[r], where j is the r-th nearest
                 database image of a (0 where it is not among the KG nearest)
    score(j)   = base(j) + beta * support(j)

and the list is ordered by score, again and again. ``base`` is one of

    position    the first-round score of the position where j stands now, as the authors'
                implementation has it; an image inherits the score of the one whose place it takes
    accumulate  the last score of j, as the paper has it
    anchored    the first-round score of j

No (G, G) ranks are needed: the KG nearest of the listed images are looked for once, an image is
never its own neighbour, and the weights are added as whole numbers, so that equal support is
equal on every device.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gcsa.ranking.lists import Ranking
from gcsa.rerankers.lists import at_least, batches, listed_rows, num_of, one_of
from gcsa.rerankers.similarity import Similarity

BASES = ("position", "accumulate", "anchored")
WEIGHTS = ("database", "neighbours")
SCALES = ("distance", "score")


@dataclass
class ICFRRConfig:
    """ICFRR; the defaults are the authors' for Sketchy, with lists of a whole database."""

    KG: int = 125  # neighbours of a database image that it supports; at most all others
    KQ: int = 100  # best images of a list, whose neighbours are supported; at most all
    beta: float = 0.5  # weight of the support
    iterations: int = 5  # at most; a list that repeats an earlier order is done sooner
    base: str = "position"  # position (as published) | accumulate (the paper) | anchored
    weights: str = "database"  # fall to 0 over all ranks (as published) | over the neighbours'
    scale: str = "distance"  # first-round cosines as -|q - x| (as published) | score: as they are
    K: int = 0  # candidates re-ranked; 0: all listed

    def __post_init__(self):
        at_least("icfrr.KG", self.KG, 1)
        at_least("icfrr.KQ", self.KQ, 1)
        at_least("icfrr.beta", self.beta, 0)
        at_least("icfrr.iterations", self.iterations, 0)
        at_least("icfrr.K", self.K, 0)
        one_of("icfrr.base", self.base, BASES)
        one_of("icfrr.weights", self.weights, WEIGHTS)
        one_of("icfrr.scale", self.scale, SCALES)


@dataclass(frozen=True, eq=False)
class Outcome:
    """Re-ranked lists, and how each came to its end.

    iterations: (Q,) int64, those computed. period: (Q,) int64: 1 where an iteration changed
    nothing, more where a cycle of that many orders was met, 0 where neither.
    """

    candidates: Ranking
    iterations: np.ndarray
    period: np.ndarray


def icfrr(similarity: Similarity, candidates: Ranking, config: ICFRRConfig) -> Ranking:
    """The first K candidates as ``config.iterations`` iterations order them."""
    return iterate(similarity, candidates, config).candidates


@torch.inference_mode()
def iterate(similarity: Similarity, candidates: Ranking, config: ICFRRConfig) -> Outcome:
    """As :func:`icfrr`, with how many iterations each list took.

    With the bases "position" and "anchored" the next order follows from the last one alone. Once
    an order comes back, only what is left over of whole cycles is computed: the result is that of
    all iterations. With "accumulate" scores go on growing, and all are computed.
    """
    K = num_of(similarity, candidates, config.K)
    rows = listed_rows(candidates.indices[:, :K])
    scores = np.empty((len(candidates), K), dtype=np.float32)
    iterations, period = np.zeros((2, len(candidates)), dtype=np.int64)
    support = Support(similarity, rows, config)
    supported = min(config.KQ, K) * support.weights.numel()
    list_bytes = K * (64 + 4 * config.iterations) + 24 * supported + 16 * len(rows)
    for part in batches(len(candidates), list_bytes, similarity.device):
        indices = candidates.indices[part, :K]
        numbers = np.where(indices >= 0, np.searchsorted(rows, indices), len(rows))
        base = torch.from_numpy(candidates.scores[part, :K]).to(similarity.device)
        lists = _Lists(support, torch.from_numpy(numbers).to(similarity.device), base, config)
        lists.run()
        scores[part] = lists.scores.cpu().numpy()
        iterations[part], period[part] = lists.last.cpu().numpy(), lists.period.cpu().numpy()
    return Outcome(candidates.reordered(scores), iterations, period)


class Support:
    """Which of the listed images support which, and how much.

    rows: (U,) listed database rows, in order; images are numbered by their place in it, and U
    stands for all others.
    """

    def __init__(self, similarity: Similarity, rows: np.ndarray, config: ICFRRConfig):
        device, self.size = similarity.device, len(rows)
        listed = torch.from_numpy(rows).to(device)
        place = torch.full((similarity.num_database,), self.size, dtype=torch.int32, device=device)
        place[listed] = torch.arange(self.size, dtype=torch.int32, device=device)
        found = similarity.neighbours(listed, config.KG)[1]  # (U, KG)
        KG, others = found.shape[1], similarity.num_database - 1
        shape = (self.size + 1, KG)
        self.neighbours = torch.full(shape, self.size, dtype=torch.int32, device=device)
        for column in range(KG):
            self.neighbours[:-1, column] = place[found[:, column].long()]
        self.whole = max(1, others if config.weights == "database" else KG)
        self.weights = self.whole - torch.arange(KG, device=device)

    def __call__(self, supporters: Tensor) -> Tensor:
        """Sums (B, U+1) int64 of the weights, in units of 1 / ``whole``; supporters: (B, KQ)."""
        B = len(supporters)
        sums = torch.zeros(B, self.size + 1, dtype=torch.int64, device=supporters.device)
        supported = self.neighbours[supporters].long()  # (B, KQ, KG)
        weights = self.weights.expand_as(supported)
        return sums.scatter_add_(1, supported.flatten(1), weights.flatten(1))


class _Lists:
    """The iteration of a batch of lists.

    index: (B, K) numbers of the candidates, as Support has them. base: (B, K) first-round scores,
    falling. Ranking keep their first-round columns; ``order`` (B, K) lists these, best first.
    """

    def __init__(self, support: Support, index: Tensor, base: Tensor, config: ICFRRConfig):
        self.support, self.index, self.config = support, index, config
        if config.scale == "distance":
            base = -(2 - 2 * base).clamp(min=0).sqrt()
        self.base = base.masked_fill(index == support.size, -torch.inf)
        self.scores = self.base.clone()
        self.order = torch.arange(index.shape[1], device=index.device).expand_as(index).clone()
        self.period = torch.zeros(len(index), dtype=torch.int64, device=index.device)
        self.last = torch.full_like(self.period, config.iterations)
        known = (index < support.size).sum(1, keepdim=True)
        self.supporters = known.clamp(min=1, max=config.KQ)  # (B, 1), a shorter list has fewer

    def run(self) -> None:
        past = [self.order.int()]
        for iteration in range(1, self.config.iterations + 1):
            active = (self.last >= iteration).nonzero().squeeze(1)
            if len(active) == 0:
                return
            self._step(active)
            if self.config.base != "accumulate":
                self._stop_repeating(iteration, past)

    def _step(self, active: Tensor) -> None:
        index, order = self.index[active], self.order[active]
        best = index.gather(1, order[:, : self.config.KQ])
        sums = self.support(best).gather(1, index)
        support = sums / (self.support.whole * self.supporters[active])
        base = self.base[active]
        if self.config.base == "position":
            base = torch.empty_like(base).scatter_(1, order, base)
        elif self.config.base == "accumulate":
            base = self.scores[active]
        scores = base + self.config.beta * support
        self.scores[active] = scores
        # Equal scores keep their first-round order.
        self.order[active] = scores.sort(dim=1, descending=True, stable=True).indices

    def _stop_repeating(self, iteration: int, past: list[Tensor]) -> None:
        """Shorten the run of lists whose order was met before, by whole cycles."""
        now = self.order.int()
        for back, then in enumerate(reversed(past), start=1):
            again = (self.period == 0) & (now == then).all(dim=1)
            self.period[again] = back
            self.last[again] = iteration + (self.config.iterations - iteration) % back
        past.append(now)
