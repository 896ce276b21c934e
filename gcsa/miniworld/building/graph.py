"""Where people walk on a storey: points a metre apart in corridors and halls, and in open rooms."""

from dataclasses import dataclass

import numpy as np

from gcsa.miniworld.building.layout import Layout, Space


@dataclass(frozen=True)
class Graph:
    """points (N, 2) metres in plan coordinates; neighbours: N lists of indices."""

    points: np.ndarray
    neighbours: list[list[int]]

    def tour(self) -> list[int]:
        """All points, each once, depth first: the way of someone who visits everything."""
        seen, order, stack = set(), [], [0]
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                order.append(node)
                stack += reversed(self.neighbours[node])
        return order

    def wander(self, random: np.random.Generator, metres: float) -> np.ndarray:
        """Points (M, 2) of a walk that turns back at dead ends only."""
        node, before = int(random.integers(len(self.points))), -1
        path, walked = [node], 0.0
        while walked < metres:
            ahead = [n for n in self.neighbours[node] if n != before] or [before]
            before, node = node, ahead[random.integers(len(ahead))]
            walked += float(np.linalg.norm(self.points[node] - self.points[before]))
            path.append(node)
        return self.points[path]


def walk_graph(layout: Layout, is_open: np.ndarray) -> Graph:
    """The graph of one storey, of the spaces that can be entered."""
    points: list[np.ndarray] = []
    links: list[tuple[int, int]] = []
    of_space: dict[int, range] = {}
    for number, space in enumerate(layout.spaces):
        entered = [d for d, o in zip(layout.doors, is_open, strict=True) if o]
        if space.kind == "room" and not any(d.inside == number for d in entered):
            continue
        line = _line(space)
        of_space[number] = range(len(points), len(points) + len(line))
        links += [(i, i + 1) for i in of_space[number][:-1]]
        points += line
    for door, opened in zip(layout.doors, is_open, strict=True):
        if opened:
            middle = len(points)
            points.append(door.point)
            for number in (door.inside, door.outside):
                near = min(of_space[number], key=lambda i: np.linalg.norm(points[i] - door.point))
                links.append((near, middle))
    neighbours: list[list[int]] = [[] for _ in points]
    for a, b in links:
        neighbours[a].append(b)
        neighbours[b].append(a)
    return Graph(np.array(points), neighbours)


def _line(space: Space) -> list[np.ndarray]:
    """Points along the middle of a space, from one end to the other."""
    if space.kind == "room":
        return [space.centre]
    extent = np.array(space.high) - space.low
    axis = int(extent.argmax())
    count = max(round(extent[axis] - 1.6) + 1, 2)
    along = np.linspace(space.low[axis] + 0.8, space.high[axis] - 0.8, count)
    across = space.centre[1 - axis]
    return [np.array((a, across) if axis == 0 else (across, a)) for a in along]
