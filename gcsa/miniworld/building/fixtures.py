"""Walls of a storey and what hangs on them: doors, posters, boards, windows."""

from dataclasses import dataclass, field

import numpy as np

from gcsa.miniworld.building.layout import DOOR_TOP, ZONE, Layout, Space, sides, stretches
from gcsa.miniworld.building.schemes import Schemes
from gcsa.miniworld.building.textures import Library
from gcsa.miniworld.raycast import Walls

PROUD = 0.02  # metres that things stand out from the wall
SLOT = 1.7  # metres from one thing on a corridor wall to the next
# What hangs on corridor walls, and how often.
CORRIDOR = {
    "": 0.12, "poster": 0.4, "board": 0.12, "extinguisher": 0.06, "radiator": 0.1,
    "lockers": 0.1, "switch": 0.06, "exit": 0.04,
}  # fmt: skip
ROOM = {"": 0.1, "shelf": 0.3, "whiteboard": 0.2, "poster": 0.3, "radiator": 0.1}
OWN = 0.4  # chance that a place does not follow the pattern of its building
CHANGED = 0.12  # share of posters and boards that are others when the queries are taken


@dataclass
class Surfaces:
    """Walls under construction, in plan coordinates; `later` are textures in query sessions."""

    library: Library
    rows: list[tuple] = field(default_factory=list)

    def add(self, start, end, heights, texture, tint, later=None) -> None:
        """Add one rectangle between two heights."""
        later = texture if later is None else later
        self.rows.append((start, end, *heights, texture, tint, later))

    def hang(self, start, end, along, kind, number, later=None) -> None:
        """Hang a picture of a kind on the wall from `start` to `end`, `along` metres from start."""
        later = number if later is None else later
        sort = self.library.kinds[kind]
        across = (end - start) / np.linalg.norm(end - start)
        middle = start + along * across + PROUD * np.array([across[1], -across[0]])
        half = sort.width / 2 * across
        now, then = (sort.first + n % sort.count for n in (number, later))
        self.add(middle - half, middle + half, (sort.base, sort.top), now, (1.0, 1.0, 1.0), then)

    def walls(self) -> tuple[Walls, np.ndarray]:
        """All walls, and their textures (S,) when the queries are taken."""
        *reals, texture, tint, later = zip(*self.rows, strict=True)
        start, end, base, top = (np.array(values, np.float64) for values in reals)
        textures, tints = np.array(texture, np.int32), np.array(tint, np.float32)
        return Walls(start, end, base, top, textures, tints), np.array(later, np.int32)


def furnish(
    layout: Layout,
    is_open: np.ndarray,
    library: Library,
    schemes: Schemes,
    pattern: np.random.SeedSequence,
    random: np.random.Generator,
) -> Surfaces:
    """Build one storey. `pattern` seeds what all storeys and wings have in common."""
    surfaces = Surfaces(library)
    for number, space in enumerate(layout.spaces):
        open_here = [d for d, o in zip(layout.doors, is_open, strict=True) if o]
        if space.kind == "room" and not any(d.inside == number for d in open_here):
            continue
        paint = random.normal(1, 0.015, 3)
        # Wings repeat each other; so do the rooms.
        key = {"corridor": min(space.wing, 0) + 1, "room": 2, "hall": 3}[space.kind]
        for side, (start, end) in enumerate(sides(space)):
            template = np.random.default_rng([*pattern.generate_state(2), key, side])
            _build(surfaces, layout, is_open, schemes, number, (start, end), paint)
            _fill(surfaces, layout, space, side, (start, end), template, random)
    return surfaces


def _by_zone(start, across, low: float, high: float) -> list[tuple[float, float]]:
    """Cut the part of a wall from `low` to `high` where zones meet."""
    axis = int(np.abs(across).argmax())
    ends = (start + low * across)[axis], (start + high * across)[axis]
    first, last = (int(np.ceil(e / ZONE - 1e-9)) for e in sorted(ends))
    cuts = sorted(abs(k * ZONE - start[axis]) for k in range(first, last))
    edges = [low, *(c for c in cuts if low + 0.01 < c < high - 0.01), high]
    return list(zip(edges[:-1], edges[1:], strict=True))


def _on(door, start, end) -> float | None:
    """Metres from `start` to a door of this wall, None for doors elsewhere."""
    axis = 0 if start[0] == end[0] else 1
    along = abs(door.centre - start[1 - axis])
    length = np.abs(end - start).sum()
    low, high = sorted((start[1 - axis], end[1 - axis]))
    on = door.axis == axis and abs(door.at - start[axis]) < 1e-6 and low < door.centre < high
    return float(along) if on and along < length else None


def _build(surfaces, layout: Layout, is_open, schemes, number, wall, paint) -> None:
    """The wall itself, with its doors."""
    start, end = wall
    space, ceiling = layout.spaces[number], layout.shape.ceiling
    across = (end - start) / np.linalg.norm(end - start)
    kinds = surfaces.library.kinds
    gaps = [d for d, o in zip(layout.doors, is_open, strict=True) if o]
    for low, high in stretches(start, end, gaps):
        for a, b in _by_zone(start, across, low, high):
            scheme = schemes.at(space, start + (a + b) / 2 * across)
            texture = kinds["wall"].first + scheme
            surfaces.add(start + a * across, start + b * across, (0, ceiling), texture, paint)
    for door, opened in zip(layout.doors, is_open, strict=True):
        along = _on(door, start, end)
        if along is None or number not in (door.inside, door.outside) or door.wide:
            continue
        if not opened:
            surfaces.hang(start, end, along, "door", schemes.at(space, door.point))
            continue
        low, high = along - door.width / 2, along + door.width / 2
        ends = start + low * across, start + high * across
        surfaces.add(*ends, (DOOR_TOP, ceiling), kinds["lintel"].first, paint)


def _fill(surfaces, layout, space: Space, side, wall, template, random) -> None:
    """Hang things wherever there is room between the doors."""
    start, end = wall
    length = float(np.abs(end - start).sum())
    doors = [(d, _on(d, start, end)) for d in layout.doors]
    taken = [(a - d.width / 2, a + d.width / 2) for d, a in doors if a is not None]
    if not taken and (space.kind != "corridor" or length < 5):
        surfaces.hang(start, end, length / 2, "window", layout.shape.wings)
        taken.append((length / 2 - 0.8, length / 2 + 0.8))
    for along in np.arange(1.0, length - 0.9, SLOT):
        kind, number = _choice(space, template)
        own_kind, own_number = _choice(space, random)
        chance, other, new = random.random(3)
        if chance < OWN:
            kind = own_kind
        if other < 0.7:
            number = own_number
        if space.kind != "room" and new < 0.02:
            kind = "mural"
        half = surfaces.library.kinds[kind].width / 2 if kind else 0
        free = all(along + half < a - 0.1 or along - half > b + 0.1 for a, b in taken)
        later = int(random.integers(100)) if random.random() < CHANGED else number
        if kind and free:
            later = later if kind in ("poster", "board") else number
            surfaces.hang(start, end, along, kind, number, later)


def _choice(space: Space, random: np.random.Generator) -> tuple[str, int]:
    table = ROOM if space.kind == "room" else CORRIDOR
    kind = str(random.choice(list(table), p=list(table.values())))
    return kind, int(random.integers(100))
