"""The plan of a storey: corridors, rooms and a hall as rectangles, and the doors between them.

Plan coordinates are metres along the spine (x) and along the wings (y); north is +y.
"""

from dataclasses import dataclass

import numpy as np

from gcsa.miniworld.building.plan import Shape

DOOR_WIDTH, DOOR_TOP = 1.0, 2.1
ROOM_DEPTH = 5.0  # of the rooms on the far side of the spine
OPEN_SHARE = 0.22  # of the doors
ZONE = 7.0  # metres of a corridor that are decorated alike


@dataclass(frozen=True)
class Space:
    """A rectangle that one can walk in. wing: which one it belongs to, -1 for the spine."""

    kind: str  # corridor, room or hall
    low: tuple[float, float]
    high: tuple[float, float]
    wing: int

    @property
    def centre(self) -> np.ndarray:
        return (np.array(self.low) + self.high) / 2


@dataclass(frozen=True)
class Door:
    """A door or a wide opening in the wall line where coordinate `axis` is `at`."""

    axis: int
    at: float
    centre: float  # along the wall
    width: float
    inside: int  # numbers of the two spaces
    outside: int
    wide: bool = False  # as high as the ceiling, never closed

    @property
    def point(self) -> np.ndarray:
        return np.array((self.at, self.centre) if self.axis == 0 else (self.centre, self.at))


@dataclass(frozen=True)
class Layout:
    """What the storeys of a building have in common."""

    shape: Shape
    spaces: list[Space]
    doors: list[Door]

    @property
    def extent(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner."""
        return (
            np.min([s.low for s in self.spaces], 0),
            np.max([s.high for s in self.spaces], 0),
        )


def draw_layout(shape: Shape) -> Layout:
    """Lay out a building."""
    width, end = shape.corridor, shape.wings * shape.pitch
    spaces = [Space("corridor", (0.0, 0.0), (end, width), -1)]
    doors: list[Door] = []
    for wing in range(shape.wings):
        _add_wing(shape, wing, spaces, doors)
    _add_south(shape, end, spaces, doors)
    return Layout(shape, spaces, doors)


def _add_wing(shape: Shape, wing: int, spaces: list[Space], doors: list[Door]) -> None:
    width = shape.corridor
    depth = (shape.pitch - width) / 2
    left = wing * shape.pitch + depth
    number = len(spaces)
    spaces.append(Space("corridor", (left, width), (left + width, width + shape.length), wing))
    doors.append(Door(1, width, left + width / 2, width, number, 0, wide=True))
    for i in range(int(shape.length / shape.room + 1e-6)):
        low, high = width + i * shape.room, width + (i + 1) * shape.room
        sides = ((left - depth, left, left), (left + width, left + width + depth, left + width))
        for x0, x1, wall in sides:
            doors.append(Door(0, wall, low + 0.3 * shape.room, DOOR_WIDTH, len(spaces), number))
            spaces.append(Space("room", (x0, low), (x1, high), wing))


def _add_south(shape: Shape, end: float, spaces: list[Space], doors: list[Door]) -> None:
    middle, left = round((end - shape.hall) / 2, 3), 0.0
    while left < end - 1:
        hall = shape.hall > 0 and abs(left - middle) < 1e-6
        right = left + (shape.hall if hall else shape.room * 1.2)
        edge = middle if shape.hall > 0 and left < middle - 1e-6 else end
        right = edge if right > edge - 2 else right
        kind, depth = ("hall", 1.6 * ROOM_DEPTH) if hall else ("room", ROOM_DEPTH)
        opening = (right - left - 1.0) if hall else DOOR_WIDTH
        doors.append(Door(1, 0.0, (left + right) / 2, opening, len(spaces), 0, wide=hall))
        spaces.append(Space(kind, (left, -depth), (right, 0.0), -1))
        left = right


def zone_at(space: Space, point) -> tuple[int, int]:
    """The zone of a point of a space: its wing, and how far along; a room lies in one zone."""
    where = np.asarray(point) if space.kind == "corridor" else space.centre
    return space.wing, int(where[0 if space.wing < 0 else 1] // ZONE)


def zones(layout: Layout) -> list[tuple[int, int]]:
    """All zones of a storey, sorted."""
    last: dict[int, int] = {}
    for space in layout.spaces:
        wing, along = zone_at(space, space.high)
        last[wing] = max(last.get(wing, 0), along)
    return sorted((wing, along) for wing in last for along in range(last[wing] + 1))


def draw_open(layout: Layout, random: np.random.Generator) -> np.ndarray:
    """Which doors of one storey stand open, (D,) bool."""
    chance = random.random(len(layout.doors))
    return (chance < OPEN_SHARE) | np.array([door.wide for door in layout.doors])


def sides(space: Space) -> list[tuple[np.ndarray, np.ndarray]]:
    """The four walls of a space as (start, end), start at the left as seen from inside."""
    (x0, y0), (x1, y1) = space.low, space.high
    corners = [(x0, y1), (x1, y1), (x1, y0), (x0, y0)]
    return [(np.array(corners[i]), np.array(corners[(i + 1) % 4])) for i in range(4)]


def stretches(start, end, gaps: list[Door]) -> list[tuple[float, float]]:
    """The parts of a wall that remain between gaps, as (from, to) metres from its start."""
    length = float(np.abs(end - start).sum())
    axis = 0 if start[0] == end[0] else 1
    sign = 1 if end[1 - axis] > start[1 - axis] else -1
    cuts = [0.0]
    found = []
    for gap in gaps:
        middle = sign * (gap.centre - start[1 - axis])
        if gap.axis == axis and abs(gap.at - start[axis]) < 1e-6 and 0 < middle < length:
            found.append((middle - gap.width / 2, middle + gap.width / 2))
    for low, high in sorted(found):
        cuts += [low, high]
    pairs = zip(cuts[::2], [*cuts[1::2], length], strict=True)
    return [(a, b) for a, b in pairs if b - a > 0.02]
