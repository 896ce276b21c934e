"""Fit a calibration by maximum likelihood: of a relevant candidate, or of "none of these".

The loss of a query is -log sum_{i relevant} p_i, or -log p_none where its list holds none.

Weak priors about the defaults keep what few queries cannot tell. What a database cannot show of
itself keeps its default: the error of a query's compass beyond that of the database (a floor), a
device's position, and, where it has few sessions, how queries are spread over places (gamma).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.optimize import isotonic_regression, minimize

from gcsa.places.calibration import Calibration, adapted
from gcsa.places.samples import Sample, contrast

# Standard deviations of the priors: of log temperature and log sigma (a factor of 2), of "none", of
# the logit of outliers, of gamma, of the logarithm of radio's weight.
WIDTHS = {
    "temperature": 0.7,
    "none": 2.0,
    "sigma": 0.5,
    "outliers": 1.5,
    "gamma": 0.5,
    "radio": 0.5,
}
# So many sessions show how queries are spread; of fewer, what a query leaves out betrays its place.
MANY = 10
# Photos of one visit are more alike than those of a query to come: temperature of other sessions
# over that of the own session, on the miniworld's training cities (25.3 / 32.4).
ONE_VISIT = 0.78
# A query's own compass is no better than this, whatever the headings of a database say.
COMPASS_FLOOR = math.radians(10)
OUTLIER_FLOOR = 0.05
# Spreads tried, relative to the rule's reach; a prior of one doubling about the default.
# No smaller: a query resembles what stands ahead and behind, so that p is wide where the place is
# certain; an image at the edge of this width must not win by reaching over all of it.
SPREADS = np.geomspace(0.2, 1.0, 17)
# Counts that each bin of a density has before anything is counted.
PSEUDO = 5.0
BINS = 12
# Edges of bins of numbers of inliers; the last one is above any.
DOUBLING = np.array([0, 8, 11, 14, 17, 20, 25, 32, 45, 64, 100, 1e4])


@dataclass(frozen=True, eq=False)
class Terms:
    """A sample as tensors, float64, (Q, N): looks is the similarity above the list's mean."""

    looks: torch.Tensor
    turn: torch.Tensor
    turn_known: torch.Tensor
    log_photos: torch.Tensor
    radio: torch.Tensor
    valid: torch.Tensor
    relevant: torch.Tensor
    weight: torch.Tensor


def fit(
    samples: list[Sample],
    source: str,
    reach: float,
    sessions: int = 0,
    defaults: Calibration | None = None,
    descriptors: str = "",
) -> Calibration:
    """The calibration that explains the samples best.

    source: "database" or "scenes", where they come from; reach: of the rule, metres. sessions: of
    the database that the queries were taken from, Database.sessions.
    """
    start = adapted(defaults or Calibration(), contrast(samples))
    start = replace(start, spread=min(start.spread, reach / 4))
    radio = [s.measured["radio"] for s in samples if "radio" in s.measured]
    if radio:
        start = replace(start, radio=radio_density(samples))
    if any("inliers" in s.measured for s in samples):
        start = replace(start, inliers=inliers_density(samples))
    found = _fit_evidence(samples, start, source, source == "scenes" or sessions >= MANY)
    found = replace(found, spread=_fit_spread(samples, found, reach, start.spread))
    if source == "database" and sessions == 1:
        found = replace(found, temperature=found.temperature * ONE_VISIT)
    return replace(
        found, source=source, queries=sum(len(s.weight) for s in samples), descriptors=descriptors
    )


def _fit_evidence(
    samples: list[Sample], start: Calibration, source: str, free_gamma: bool
) -> Calibration:
    terms = [_terms(s, start) for s in samples]
    free = {
        "temperature": True,
        "none": True,
        "sigma": any(t.turn_known.any() for t in terms),
        "outliers": any(t.turn_known.any() for t in terms),
        "gamma": free_gamma,
        "radio": any(t.radio.any() for t in terms),
    }
    centre = _packed(start)
    width = np.array([WIDTHS[name] if free[name] else 1e-9 for name in WIDTHS])

    def loss(unit: np.ndarray) -> tuple[float, np.ndarray]:
        step = torch.tensor(unit, requires_grad=True)
        numbers = torch.tensor(centre) + torch.tensor(width) * step
        value = sum(_loss(t, numbers) for t in terms) + 0.5 * step.square().sum()
        (slope,) = torch.autograd.grad(value, step)
        return value.item(), slope.numpy()

    best = minimize(loss, np.zeros(len(width)), jac=True, method="L-BFGS-B")
    return _unpacked(centre + width * best.x, start, source)


def _packed(c: Calibration) -> np.ndarray:
    outliers = math.log(c.compass_outliers / (1 - c.compass_outliers))
    logs = math.log(c.temperature), c.none, math.log(c.compass_sigma), outliers
    return np.array([*logs, c.gamma, math.log(c.radio_weight)])


def _unpacked(numbers: np.ndarray, start: Calibration, source: str) -> Calibration:
    temperature, none, sigma, outliers, gamma, radio = (float(v) for v in numbers)
    sigma, share = math.exp(sigma), 1 / (1 + math.exp(-outliers))
    if source == "database":
        sigma, share = max(sigma, COMPASS_FLOOR), max(share, OUTLIER_FLOOR)
    return replace(
        start,
        temperature=math.exp(temperature),
        none=none,
        compass_sigma=sigma,
        compass_outliers=share,
        gamma=gamma,
        radio_weight=math.exp(radio),
    )


def _terms(s: Sample, start: Calibration) -> Terms:
    mean = (s.similarity * s.valid).sum(1) / np.maximum(s.valid.sum(1), 1)
    photos = np.where(np.isfinite(s.photos) & (s.photos > 0), s.photos, 1.0)
    radio = np.zeros(s.similarity.shape)
    if "radio" in s.measured:
        knots, values = start.radio
        affinity = s.measured["radio"]
        radio = np.where(np.isnan(affinity), 0.0, np.interp(affinity, knots, values))
    arrays = (
        np.where(s.valid, s.similarity - mean[:, None], 0.0),
        np.nan_to_num(s.turn),
        np.isfinite(s.turn) & s.valid,
        np.log(photos),
        radio,
        s.valid,
        s.relevant,
        s.weight,
    )
    return Terms(*(torch.from_numpy(np.ascontiguousarray(a)) for a in arrays))


def _logits(t: Terms, numbers: torch.Tensor) -> torch.Tensor:
    """The sum of the evidence, (Q, N), as the module evidence has it; -inf where padded."""
    temperature, sigma, radio = numbers[0].exp(), numbers[2].exp(), numbers[5].exp()
    outliers = torch.sigmoid(numbers[3])
    whole = math.sqrt(2 * math.pi) * sigma * torch.erf(math.pi / (math.sqrt(2) * sigma))
    ratio = torch.exp(-0.5 * (t.turn / sigma) ** 2) * (2 * math.pi / whole)
    compass = torch.log(outliers + (1 - outliers) * ratio)
    total = temperature * t.looks - numbers[4] * t.log_photos + radio * t.radio
    total = total + torch.where(t.turn_known, compass, 0.0)
    return torch.where(t.valid, total, -torch.inf)


def _loss(t: Terms, numbers: torch.Tensor) -> torch.Tensor:
    logits = _logits(t, numbers)
    none = numbers[1].expand(len(logits))
    whole = torch.logaddexp(torch.logsumexp(logits, 1), none)
    found = t.relevant.any(1)
    chosen = torch.where(t.relevant | ~found[:, None], logits, -torch.inf)
    right = torch.where(found, torch.logsumexp(chosen, 1), none)
    return (t.weight * (whole - right)).sum()


def chances(s: Sample, calibration: Calibration) -> tuple[np.ndarray, np.ndarray]:
    """The posterior of a sample's candidates (Q, N), and of "none of these" (Q,)."""
    logits = _logits(_terms(s, calibration), torch.tensor(_packed(calibration)))
    logits = torch.nn.functional.pad(logits, (0, 1), value=calibration.none)
    chance = torch.softmax(logits, 1).numpy()
    return chance[:, :-1], chance[:, -1]


def _fit_spread(
    samples: list[Sample], calibration: Calibration, reach: float, default: float
) -> float:
    """Metres: most likely for where the queries are, sum_i p_i N(x_q; x_i, s^2) of a sample.

    Only queries that have a relevant candidate count; elsewhere the density is that of a disc of
    four reaches, so that a place missed says nothing of the spread.
    """
    spreads = SPREADS * reach
    score = -0.5 * (np.log(spreads / default) / math.log(2)) ** 2
    floor = 1 / (math.pi * (4 * reach) ** 2)
    for s in samples:
        kept = s.relevant.any(1)
        chance, away = chances(s, calibration)[0][kept], s.distance[kept]
        away = np.where(np.isfinite(away), away, np.inf)
        for k, spread in enumerate(spreads):
            density = np.exp(-0.5 * (away / spread) ** 2) / (2 * math.pi * spread**2)
            likely = (chance * density).sum(1) + floor * (1 - chance.sum(1) + 1e-3)
            score[k] += (s.weight[kept] * np.log(likely)).sum()
    return float(spreads[score.argmax()])


def radio_density(samples: list[Sample]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """log p(affinity | relevant) / p(affinity | not) over bins of as many pairs each."""
    same, other = _known_pairs(samples, "radio")
    edges = np.unique(np.quantile(np.concatenate([same, other]), np.linspace(0, 1, BINS + 1)))
    return _density(same, other, edges) or Calibration().radio


def inliers_density(samples: list[Sample]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The same over numbers of inliers, in bins that double: most pairs have next to none."""
    same, other = _known_pairs(samples, "inliers")
    return _density(same, other, DOUBLING) or Calibration().inliers


def _known_pairs(samples: list[Sample], kind: str) -> tuple[np.ndarray, np.ndarray]:
    """What was measured of relevant pairs, and of the others."""
    parts: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for s in samples:
        known = np.isfinite(s.measured[kind]) & s.valid
        parts[0].append(s.measured[kind][known & s.relevant])
        parts[1].append(s.measured[kind][known & ~s.relevant])
    return np.concatenate(parts[0]), np.concatenate(parts[1])


def _density(
    same: np.ndarray, other: np.ndarray, edges: np.ndarray
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Centres of the bins and log-likelihood ratios; None where too little is known.

    Rising by isotonic regression: more alike never speaks against a place.
    """
    if len(same) < BINS or len(edges) < 3:
        return None
    counts = [np.histogram(values, edges)[0] for values in (same, other)]
    share = [(c + PSEUDO / len(c)) / (c.sum() + PSEUDO) for c in counts]
    ratio = isotonic_regression(np.log(share[0] / share[1]), weights=sum(counts) + PSEUDO).x
    centres = (edges[:-1] + edges[1:]) / 2
    return tuple(map(float, centres)), tuple(map(float, ratio))


def overlap_relevance(
    samples: list[Sample], calibration: Calibration, overlaps: list, knots: np.ndarray
) -> np.ndarray:
    """P(j relevant | the query stands where i stands) over the overlap of i and j, at ``knots``.

    overlaps: of each sample, a csr_array (n, n). Pairs count by p_i, of relevant i alone.
    """
    hits, count = np.zeros(len(knots)), np.zeros(len(knots))
    for s, matrix in zip(samples, overlaps, strict=True):
        chance = chances(s, calibration)[0] * s.relevant
        for q in np.flatnonzero(s.relevant.any(1)):
            likely = np.argsort(-chance[q])[:4]
            likely = likely[s.relevant[q, likely]]
            others = np.flatnonzero(s.valid[q])
            block = matrix[s.rows[q, likely]][:, s.rows[q, others]].toarray()
            bins = np.abs(block[..., None] - knots).argmin(-1)
            weight = np.repeat(chance[q, likely][:, None], len(others), 1)
            np.add.at(count, bins, weight)
            np.add.at(hits, bins, weight * s.relevant[q, others])
    default = np.interp(knots, *calibration.overlap)
    value = (hits + PSEUDO * default) / (count + PSEUDO)
    return isotonic_regression(value, weights=count + PSEUDO).x.clip(0, 1)
