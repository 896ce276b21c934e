"""Where a query was taken: the posterior over its candidates, and the rankings that follow.

p_i = softmax(evidence of candidate i), with one hypothesis more, "none of these"; the relevance of
image j is g_j = sum_i p_i K(j, i), K of :mod:`gcsa.places.kernels`. Ranked by falling g the
expected number of relevant images in every prefix is the largest possible (objective "precision").
For at least one relevant image among the first (objective "recall") each next image is the one that
adds most to sum_i p_i (1 - prod_l (1 - K(l, i))), l the images listed before: monotone and
submodular, so the greedy list is within 1 - 1/e of the best (Nemhauser, Wolsey and Fisher, 1978).

Q queries, B of them in a block, N candidates, H hypotheses that carry mass.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from gcsa.places.kernels import Hypotheses, Kernel, Places, distances
from gcsa.places.standing import Observed, Spread, standing_of

# Values of a kernel's block: what stays in a core's cache.
BLOCK = 1 << 18
# Steps to the top of the density from the candidate with most mass about it.
SHIFTS = 5
# Distances from its mean that stand for a 2D Gaussian, in standard deviations: the medians of its
# inner, middle and outer third.
RINGS = tuple(math.sqrt(-2 * math.log(1 - share)) for share in (1 / 6, 1 / 2, 5 / 6))


@dataclass(frozen=True)
class RankingConfig:
    """How lists are made of a posterior.

    precision: 1 for the objective "precision", 0 for "recall", or a weight between the two. cut:
    hypotheses below this probability are left out; most: and all but so many. depth: so many images
    are chosen one by one where precision is below 1; those after them follow by what they would add
    next. share: of the mass that the radius holds.
    """

    precision: float = 1.0
    cut: float = 1e-3
    most: int = 64
    depth: int = 32
    share: float = 0.68

    def __post_init__(self) -> None:
        if not 0 <= self.precision <= 1:
            raise ValueError(f"precision: {self.precision} is not between 0 and 1")


@dataclass(frozen=True, eq=False)
class Posterior:
    """The answer of each query, as arrays.

    order: (Q, N) columns of the candidates, best first, padding last. scores: (Q, N) float32, g of
    each column, 0 where padded. probability: (Q, N) float32, p of each column; none: (Q,), of
    "none of these". best: (Q,) column of the image about which most mass lies. confidence: (Q,)
    that mass: the probability that ``best`` is relevant. position: (Q, 2) float64, metres, the top
    of the density near ``best``; NaN where unknown. radius: (Q,) metres about it that hold the
    share of the mass that is not with "none of these".
    """

    order: np.ndarray
    scores: np.ndarray
    probability: np.ndarray
    none: np.ndarray
    best: np.ndarray
    confidence: np.ndarray
    position: np.ndarray
    radius: np.ndarray


def posterior(
    evidence: torch.Tensor | np.ndarray,
    rows: torch.Tensor | np.ndarray,
    none: float,
    kernel: Kernel,
    places: Places | None = None,
    spread: Spread | None = None,
    observed: Observed | None = None,
    config: RankingConfig | None = None,
) -> Posterior:
    """Rank the candidates of Q queries, and say where each was taken.

    evidence: (Q, N) log-likelihood ratios, -inf where padded. rows: (Q, N) int64 rows of the
    database, -1 where padded. none: the logit of "none of these". Without ``places`` the kernel
    must be one that reads rows alone. Everything is computed where ``evidence`` lies.
    """
    config, evidence = config or RankingConfig(), torch.as_tensor(evidence)
    rows = torch.as_tensor(rows).to(evidence.device)
    # All in the order of the evidence: it breaks ties, and no column is special.
    first = torch.argsort(evidence, dim=1, descending=True, stable=True)
    evidence, rows = evidence.gather(1, first), rows.gather(1, first)
    observed = None if observed is None else observed.of_columns(first)
    chance, missing = probabilities(evidence, none)
    mass, order = torch.zeros_like(chance), torch.zeros_like(first)
    answer = torch.full((len(chance), 3), torch.nan, device=chance.device)
    for block, count in _blocks(chance, config):
        listed = rows[block]
        weight, standing = standing_of(
            chance, rows, block, count, places, spread, observed, config.cut
        )
        values = kernel(standing, listed)
        mass[block] = torch.bmm(weight[:, None], values)[:, 0].masked_fill_(listed < 0, 0)
        key = mass[block] if config.precision == 1 else _cover(values, weight, listed, config)
        key = key.masked_fill(listed < 0, -1)
        order[block] = torch.argsort(key, dim=1, descending=True, stable=True)
        if places is not None:
            best = listed.gather(1, mass[block].argmax(1)[:, None])
            answer[block] = _place(best, weight, standing, places, config)
    return _collected(first, order, mass, chance, missing, answer, places)


def probabilities(evidence: torch.Tensor, none: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Softmax with "none of these": (Q, N) log evidence -> (Q, N) and (Q,) float32."""
    logits = torch.nn.functional.pad(evidence, (0, 1), value=none)
    chance = torch.softmax(logits.to(torch.float64), dim=1).to(torch.float32)
    return chance[:, :-1], chance[:, -1]


def _blocks(chance: torch.Tensor, config: RankingConfig) -> Iterator[tuple[torch.Tensor, int]]:
    """(queries, how many hypotheses they need at most), queries of like need together."""
    need = (chance >= config.cut).sum(1).clamp(min=1, max=config.most)
    by_need = torch.argsort(need, stable=True)
    sizes, start = need[by_need].tolist(), 0
    while start < len(sizes):
        stop = start + 1
        # It ends where it is full, or where its smallest would be padded to twice its need.
        while (
            stop < len(sizes)
            and (stop + 1 - start) * sizes[stop] * chance.shape[1] <= BLOCK
            and sizes[stop] <= 2 * sizes[start] + 4
        ):
            stop += 1
        yield by_need[start:stop], sizes[stop - 1]
        start = stop


def _cover(
    values: torch.Tensor, weight: torch.Tensor, rows: torch.Tensor, config: RankingConfig
) -> torch.Tensor:
    """Keys (B, N) to sort by: images in the greedy order, then the others by what they would add.

    Keys of chosen images are above 1, and those of the others at most 1.
    """
    key = torch.zeros(rows.shape, dtype=torch.float32, device=rows.device)
    left, closed = weight.clone(), (rows < 0)
    base = config.precision * torch.bmm(weight[:, None], values)[:, 0]
    each = torch.arange(len(rows), device=rows.device)
    for step in range(min(config.depth, rows.shape[1])):
        gain = torch.bmm(left[:, None], values)[:, 0].mul_(1 - config.precision).add_(base)
        gain.masked_fill_(closed, -1)
        best, chosen = gain.max(1)
        # Where nothing adds any more the others follow by their evidence.
        key[each, chosen] = torch.where(best > 0, 2.0 + config.depth - step, key[each, chosen])
        closed[each, chosen] = True
        left *= 1 - values[each, :, chosen]
    gain = torch.bmm(left[:, None], values)[:, 0].mul_(1 - config.precision).add_(base)
    return torch.where(key > 0, key, gain.clamp_(max=1))


def _place(
    best: torch.Tensor,
    weight: torch.Tensor,
    standing: Hypotheses,
    places: Places,
    config: RankingConfig,
) -> torch.Tensor:
    """East, north and radius (B, 3) of the top of the density next to ``best`` (B, 1) rows."""
    known = places.known[best.clamp(min=0)] & (best >= 0)
    top = places.positions[best.clamp(min=0)]
    variance = standing.spread**2
    for _ in range(SHIFTS):
        near = (standing.position - top).square().sum(-1)
        share = weight / variance**2 * torch.exp(-0.5 * near / variance) + 1e-30
        top = (share[..., None] * standing.position).sum(1, keepdim=True)
        top = top / share.sum(1)[:, None, None]
    radius = _radius(top, weight, standing, config.share)
    return torch.cat([top[:, 0], radius[:, None]], 1).masked_fill_(~known, torch.nan)


def _radius(
    top: torch.Tensor, weight: torch.Tensor, standing: Hypotheses, share: float
) -> torch.Tensor:
    """Distance from ``top`` (B, 1, 2) within which the share of the mass lies: (B,)."""
    rings = torch.tensor(RINGS, device=top.device)
    away = distances(top, standing.position)[:, 0].square()[..., None]
    away = (away + (standing.spread[..., None] * rings) ** 2).flatten(1)
    away, by_distance = torch.sort(away, dim=1)
    mass = weight.repeat_interleave(len(RINGS), 1).gather(1, by_distance).cumsum(1)
    reached = torch.searchsorted(mass, share * mass[:, -1:]).clamp(max=away.shape[1] - 1)
    return away.gather(1, reached)[:, 0].sqrt()


def _collected(
    first: torch.Tensor,
    order: torch.Tensor,
    mass: torch.Tensor,
    chance: torch.Tensor,
    missing: torch.Tensor,
    answer: torch.Tensor,
    places: Places | None,
) -> Posterior:
    """The answer with columns as the caller counts them; ``first`` (Q, N) took them in order."""
    confidence, best = mass.max(1)
    order = first.gather(1, order)
    scores = torch.zeros_like(mass).scatter_(1, first, mass)
    probability = torch.zeros_like(chance).scatter_(1, first, chance)
    best = first.gather(1, best[:, None])[:, 0]
    centre = np.zeros(2) if places is None else places.centre
    found = answer.cpu().numpy().astype(np.float64)
    return Posterior(
        order=order.cpu().numpy(),
        scores=scores.cpu().numpy(),
        probability=probability.cpu().numpy(),
        none=missing.cpu().numpy(),
        best=best.cpu().numpy(),
        confidence=confidence.cpu().numpy(),
        position=found[:, :2] + centre,
        radius=found[:, 2],
    )
