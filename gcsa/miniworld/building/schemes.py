"""Colour schemes: a few ways to decorate, each used for several zones of a building."""

from dataclasses import dataclass

import numpy as np

from gcsa.miniworld.building.layout import Layout, Space, zone_at, zones
from gcsa.miniworld.building.pictures import SCHEMES

SAME_ABOVE = 0.25  # share of the zones of an upper storey that look as those below
REPEATED = 0.2  # share of the zones that do not care what else is on their storey


@dataclass(frozen=True)
class Schemes:
    """Scheme numbers of the zones of one storey."""

    of_zone: dict[tuple[int, int], int]

    def at(self, space: Space, point) -> int:
        """The scheme at a point of a space."""
        return self.of_zone[zone_at(space, point)]


def draw_schemes(layout: Layout, storeys: int, random: np.random.Generator) -> list[Schemes]:
    """Decorate all storeys."""
    out: list[Schemes] = []
    for level in range(storeys):
        chosen: dict[tuple[int, int], int] = {}
        for zone in zones(layout):
            scheme, chance = _draw_scheme(zone, chosen, random), random.random()
            if level and chance < SAME_ABOVE:
                scheme = out[0].of_zone[zone]
            chosen[zone] = scheme
        out.append(Schemes(chosen))
    return out


def _draw_scheme(zone: tuple[int, int], chosen: dict, random: np.random.Generator) -> int:
    """As a rule one of those least used so far, never that of the zone before."""
    wing, along = zone
    used = np.bincount(list(chosen.values()), minlength=SCHEMES).astype(float)
    if random.random() < REPEATED:
        used[:] = 0
    used[chosen.get((wing, along - 1), [])] = np.inf
    return int(random.choice(np.flatnonzero(used == used.min())))
