"""Where the query of a hypothesis stands: about the candidate, drawn to what its device says."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import torch

from gcsa.errors import given
from gcsa.places.kernels import Hypotheses, Places
from gcsa.scene import Scene


@dataclass(frozen=True, eq=False)
class Observed:
    """What the device of a query says of where it stands, beyond the evidence.

    positions: (Q, 2), in the frame of the places, NaN unknown; sigma (Q,) metres along an axis.
    trust: (Q, N), the probability under each hypothesis that the position is no outlier, 0 where
    there is none (:func:`gcsa.sideinfo.evidence.trust`).
    """

    positions: torch.Tensor
    sigma: torch.Tensor
    trust: torch.Tensor

    def of_columns(self, columns: torch.Tensor) -> Observed:
        """With the columns of the candidates taken in the order (Q, N)."""
        return replace(self, trust=self.trust.gather(1, columns))


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
    observed: Observed | None,
    cut: float,
) -> tuple[torch.Tensor, Hypotheses]:
    """The first ``count`` hypotheses of a block's queries: weights (B, H) and where they are.

    Where the device states a position each hypothesis is split in two: the position is right, and
    the query stands between photo and reading by the precision of both, or it is an outlier.
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
    if observed is not None:
        parts = _by_position(parts, block, observed)
    return parts[0], Hypotheses(*parts[1:])


def _by_position(parts: tuple, block: torch.Tensor, observed: Observed) -> tuple:
    """Hypotheses split by whether the device's position is right."""
    weight, column, row, position, wide, heading, turn = parts
    trust = torch.gather(observed.trust[block], 1, column)
    reading, sigma = observed.positions[block][:, None], observed.sigma[block][:, None]
    variance = 1 / (1 / wide**2 + 1 / sigma**2)
    between = variance[..., None] * (
        position / wide[..., None] ** 2 + reading / sigma[..., None] ** 2
    )
    right = (between, torch.sqrt(variance), heading, turn)
    return _split(weight, trust, (column, row), right, (position, wide, heading, turn))


def _split(
    weight: torch.Tensor, trust: torch.Tensor, where: tuple, right: tuple, wrong: tuple
) -> tuple:
    """Both cases of each hypothesis; a case without weight takes the values of the other."""
    known = trust > 0
    kept = [torch.where(_like(known, r), r, w) for r, w in zip(right, wrong, strict=True)]
    weights = torch.cat([weight * trust, weight * (1 - trust)], 1)
    pairs = zip((*where, *kept), (*where, *wrong), strict=True)
    return (weights, *(torch.cat(pair, 1) for pair in pairs))


def _like(mask: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return mask[..., None] if values.dim() > mask.dim() else mask


def area_of(scene: Scene) -> float:
    """Square metres of the box about all known positions, one at the least; of joined scenes the
    sum."""
    positions = given(scene.database.positions, f"{scene.name}: positions of the database")
    ends = scene.parts or (0, len(positions))
    parts = [positions[a:b] for a, b in itertools.pairwise(ends)]
    known = [part[np.isfinite(part).all(1), :2] for part in parts]
    return sum(float(max(1.0, np.prod(np.ptp(k, axis=0) + 1.0))) for k in known if len(k)) or 1.0
