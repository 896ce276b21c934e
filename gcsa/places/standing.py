"""Where the query of a hypothesis stands: about the candidate, drawn to what its sensors say."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from gcsa.errors import given
from gcsa.places.kernels import Hypotheses, Places


@dataclass(frozen=True, eq=False)
class Observed:
    """What the query's own sensors say of where it stands; NaN is unknown.

    positions: (Q, 2), in the frame of the places, sigma (Q,) metres along an axis. headings: (Q,)
    radians. trust_position, trust_heading: (Q, N), the probability under each hypothesis that the
    sensor was not an outlier; None where there is no such sensor.
    """

    positions: torch.Tensor | None = None
    sigma: torch.Tensor | None = None
    trust_position: torch.Tensor | None = None
    headings: torch.Tensor | None = None
    turn: float = 0.0
    trust_heading: torch.Tensor | None = None

    def of_columns(self, columns: torch.Tensor) -> Observed:
        """With the columns of the candidates taken in the order (Q, N)."""
        names = ("trust_position", "trust_heading")
        known = {name: getattr(self, name) for name in names}
        taken = {n: t.gather(1, columns) for n, t in known.items() if t is not None}
        return replace(self, **taken)


@dataclass(frozen=True)
class Spread:
    """How far a query is from the photo that shows its place: metres along an axis, radians."""

    metres: float
    turn: float = 0.5


def standing_of(
    chance: torch.Tensor,
    rows: torch.Tensor,
    block: torch.Tensor,
    count: int,
    places: Places | None,
    spread: Spread | None,
    observed: Observed,
    cut: float,
) -> tuple[torch.Tensor, Hypotheses]:
    """The first ``count`` hypotheses of a block's queries: weights (B, H) and where they are.

    A hypothesis of which a sensor of the query knows more is split in two: the sensor is right,
    and the query stands between photo and reading by the precision of both, or it is an outlier.
    """
    weight, row = chance[block, :count], rows[block, :count]
    weight = torch.where(weight >= cut, weight, 0)
    column = torch.arange(count, device=row.device).expand_as(row)
    nowhere = torch.zeros_like(weight)
    if places is None or spread is None:
        return weight, Hypotheses(column, row, nowhere, nowhere, nowhere, nowhere)
    at = row.clamp(min=0)
    position, heading = places.positions[at], places.headings[at]
    wide, turn = nowhere + spread.metres, nowhere + spread.turn
    parts = weight, column, row, position, wide, heading, turn
    if observed.trust_position is not None:
        parts = _by_position(parts, block, observed, observed.trust_position)
    if observed.trust_heading is not None:
        parts = _by_heading(parts, block, observed, observed.trust_heading)
    return parts[0], Hypotheses(*parts[1:])


def _by_position(
    parts: tuple, block: torch.Tensor, observed: Observed, trusted: torch.Tensor
) -> tuple:
    """Hypotheses split by whether the device's position is right."""
    weight, column, row, position, wide, heading, turn = parts
    trust = torch.gather(trusted[block], 1, column)
    reading = given(observed.positions, "positions of the device")[block][:, None]
    sigma = given(observed.sigma, "accuracy of the device's positions")[block][:, None]
    variance = 1 / (1 / wide**2 + 1 / sigma**2)
    between = variance[..., None] * (
        position / wide[..., None] ** 2 + reading / sigma[..., None] ** 2
    )
    right = (between, torch.sqrt(variance), heading, turn)
    return _split(weight, trust, (column, row), right, (position, wide, heading, turn))


def _by_heading(
    parts: tuple, block: torch.Tensor, observed: Observed, trusted: torch.Tensor
) -> tuple:
    """Hypotheses split by whether the query's compass is right."""
    weight, column, row, position, wide, heading, turn = parts
    trust = torch.gather(trusted[block], 1, column)
    away = given(observed.headings, "headings of the device")[block][:, None] - heading
    away = torch.remainder(away + math.pi, 2 * math.pi) - math.pi
    variance = 1 / (1 / turn**2 + 1 / observed.turn**2)
    right = (position, wide, heading + away * variance / observed.turn**2, torch.sqrt(variance))
    return _split(weight, trust, (column, row), right, (position, wide, heading, turn))


def _split(
    weight: torch.Tensor, trust: torch.Tensor, where: tuple, right: tuple, wrong: tuple
) -> tuple:
    """Both cases of each hypothesis; a case without weight takes the values of the other."""
    known = trust > 0
    right = tuple(torch.where(_like(known, r), r, w) for r, w in zip(right, wrong, strict=True))
    weights = torch.cat([weight * trust, weight * (1 - trust)], 1)
    pairs = zip((*where, *right), (*where, *wrong), strict=True)
    return (weights, *(torch.cat(pair, 1) for pair in pairs))


def _like(mask: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return mask[..., None] if values.dim() > mask.dim() else mask
