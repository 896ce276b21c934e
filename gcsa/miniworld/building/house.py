"""One building in the world frame: storeys with walls, floors, lamps, things that stand about."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from gcsa.miniworld.building.fixtures import furnish
from gcsa.miniworld.building.graph import Graph, walk_graph
from gcsa.miniworld.building.layout import Layout, draw_layout, draw_open, sides, stretches
from gcsa.miniworld.building.pictures import SCHEMES
from gcsa.miniworld.building.plan import NAMES, STOREYS, Size
from gcsa.miniworld.building.schemes import Schemes, draw_schemes
from gcsa.miniworld.building.textures import library_of
from gcsa.miniworld.plan import random_of
from gcsa.miniworld.raycast import Walls

CELL = 0.2  # metres of the rasters of floor and ceiling


@dataclass(frozen=True)
class Frame:
    """Plan coordinates to the world: a turn (counter-clockwise) and a shift."""

    turn: float  # radians
    shift: np.ndarray  # (2,) metres

    @property
    def matrix(self) -> np.ndarray:
        c, s = np.cos(self.turn), np.sin(self.turn)
        return np.array([[c, -s], [s, c]])

    def to_world(self, points) -> np.ndarray:
        return points @ self.matrix.T + self.shift

    def to_plan(self, points) -> np.ndarray:
        return (points - self.shift) @ self.matrix


@dataclass(frozen=True)
class Storey:
    """One storey. Heights of its walls count from its own floor, which lies at `level`."""

    level: float  # metres
    walls: dict[str, Walls]  # "map" and "query": posters change in between
    graph: Graph  # plan coordinates
    is_open: np.ndarray  # (D,) doors
    material: np.ndarray  # (nx, ny) uint8 raster of the floor: scheme + 1, 0 outside
    things: tuple[np.ndarray, np.ndarray, np.ndarray]  # points, sizes, kinds of sprites; world


@dataclass(frozen=True)
class House:
    """A building of a scene."""

    name: str
    number: int
    frame: Frame
    layout: Layout
    storeys: list[Storey]
    corner: np.ndarray  # (2,) of the rasters, plan coordinates
    lamp: np.ndarray  # (nx, ny) bool
    colors: np.ndarray  # (SCHEMES + 1, 3) of the materials


@lru_cache(maxsize=4)
def house_of(name: str, size: Size, seed: int) -> House:
    """Build a scene's building again, the same in every process."""
    number = NAMES.index(name)
    shape = size.shapes[size.scenes.index(name)]
    random = random_of(seed, "building", "house", number)
    layout, library = draw_layout(shape), library_of(seed)
    frame = Frame(random.uniform(0, 2 * np.pi), random.uniform(-40, 40, 2))
    pattern = np.random.SeedSequence(int(random.integers(2**32)))
    shades = random.uniform(80, 190, (SCHEMES + 1, 1))
    colors = shades * random.normal(1, 0.1, (SCHEMES + 1, 3))
    schemes = draw_schemes(layout, STOREYS, random)
    storeys = []
    for level in range(STOREYS):
        random = random_of(seed, "building", "storey", number, level)
        is_open = draw_open(layout, random)
        walls, later = furnish(layout, is_open, library, schemes[level], pattern, random).walls()
        now = _placed(walls, frame)
        both = {"map": now, "query": replace(now, texture=later)}
        graph = walk_graph(layout, is_open)
        things = _things(graph, frame, shape.corridor, random)
        material = _floors(layout, schemes[level])
        storeys.append(Storey(level * shape.storey, both, graph, is_open, material, things))
    corner = layout.extent[0]
    return House(name, number, frame, layout, storeys, corner, _lamps(layout), colors)


def _placed(walls: Walls, frame: Frame) -> Walls:
    ends = {n: frame.to_world(getattr(walls, n)).astype(np.float32) for n in ("start", "end")}
    heights = {n: getattr(walls, n).astype(np.float32) for n in ("base", "top")}
    return replace(walls, **ends, **heights)


def _raster(layout: Layout, dtype) -> np.ndarray:
    low, high = layout.extent
    return np.zeros(np.ceil((high - low) / CELL).astype(int) + 1, dtype)


def _cells(layout: Layout, low, high) -> tuple[slice, slice]:
    """The part of a raster from one point to another."""
    ends = [np.round((np.array(p) - layout.extent[0]) / CELL).astype(int) for p in (low, high)]
    return slice(ends[0][0], ends[1][0]), slice(ends[0][1], ends[1][1])


def _floors(layout: Layout, schemes: Schemes) -> np.ndarray:
    """Materials of a storey's floor."""
    raster = _raster(layout, np.uint8)
    for space in layout.spaces:
        axis = 0 if space.wing < 0 else 1
        cuts = np.arange(space.low[axis], space.high[axis], CELL)
        for cut in cuts:
            low, high = np.array(space.low), np.array(space.high)
            low[axis], high[axis] = cut, min(cut + 2 * CELL, high[axis])
            raster[_cells(layout, low, high)] = schemes.at(space, (low + high) / 2) + 1
    return raster


def _lamps(layout: Layout) -> np.ndarray:
    """Where the lamps of the ceiling are."""
    raster = _raster(layout, bool)
    for space in layout.spaces:
        extent = np.array(space.high) - space.low
        long = int(extent.argmax())
        half = np.where(np.arange(2) == long, 0.6, 0.15)
        for along in np.arange(1.4, extent[long] - 0.6, 2.8):
            middle = np.array(space.centre)
            middle[long] = space.low[long] + along
            raster[_cells(layout, middle - half, middle + half + CELL)] = True
    return raster


def _things(graph: Graph, frame: Frame, corridor: float, random):
    """Plants, bins and chairs that stand at the walls for good."""
    count = max(len(graph.points) // 14, 1)
    near = graph.points[random.choice(len(graph.points), count, replace=False)]
    shift = random.choice([-1, 1], (count, 2)) * (corridor / 2 - 0.35)
    kind = random.integers(0, 3, count)
    size = np.array([(0.7, 1.5), (0.35, 0.6), (0.5, 0.9)])[kind]
    return frame.to_world(near + shift), size, kind


def partitions(house: House, level: int) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends (S, 2) of all walls of a storey, furnished or not, in plan coordinates."""
    layout, found = house.layout, []
    gaps = [d for d, o in zip(layout.doors, house.storeys[level].is_open, strict=True) if o]
    for space in layout.spaces:
        for start, end in sides(space):
            across = (end - start) / np.linalg.norm(end - start)
            for low, high in stretches(start, end, gaps):
                found.append((start + low * across, start + high * across))
    return np.array([f[0] for f in found]), np.array([f[1] for f in found])
