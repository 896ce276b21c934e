"""The street network of a city: bent streets between jittered crossings."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

STEP = 2.0  # metres between the points of a polyline


@dataclass(frozen=True)
class Street:
    """A street between two crossings."""

    ends: tuple[int, int]  # numbers of the crossings
    points: np.ndarray  # (P, 2) metres, evenly spaced, from the first end to the second
    half_width: float  # of the carriageway, metres
    covered: bool  # whether database drives come here

    @property
    def length(self) -> float:
        return float(np.hypot(*np.diff(self.points, axis=0).T).sum())


def network(random: np.random.Generator, length: float) -> list[Street]:
    """Draw streets of about `length` metres in all.

    Crossings lie on a bent, jittered grid; some streets are left out, as long as all stay joined.
    In all but the smallest cities no database drive covers one of the streets.
    """
    blocks = max(length / 130, 4)  # a block is about 130 m long
    across = max(round(np.sqrt(blocks / 2) + 0.4), 2)
    down = max(round((blocks / 0.88 + across) / (2 * across - 1)), 2)
    nodes = _crossings(random, across, down)
    pairs = _edges(random, across, down, drop=0.12)
    chords = sum(np.hypot(*(nodes[a] - nodes[b])) for a, b in pairs)
    nodes = nodes * (length / (1.02 * chords))  # a bent street is about 2 % longer
    loose = int(random.integers(len(pairs))) if len(pairs) > 8 else -1  # none in a village
    return [
        Street((a, b), _bend(random, nodes[a], nodes[b]), _half_width(random), i != loose)
        for i, (a, b) in enumerate(pairs)
    ]


def _half_width(random) -> float:
    return float(random.choice([3.2, 4.0, 5.5], p=[0.35, 0.45, 0.2]))


def _crossings(random, across, down) -> np.ndarray:
    """Places (across * down, 2) on a grid of unit spacing, bent, jittered and turned."""
    grid = np.stack(np.meshgrid(np.arange(across), np.arange(down), indexing="ij"), -1)
    nodes = grid.reshape(-1, 2) + random.uniform(-0.16, 0.16, (across * down, 2))
    bend = random.uniform(0, 2 * np.pi, 2)  # a slow wave, so that rows are not straight
    nodes = nodes + 0.2 * np.sin(nodes[:, ::-1] / 1.4 + bend)
    turn = random.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return (nodes - nodes.mean(0)) @ rotation.T


def _edges(random, across, down, drop) -> list[tuple[int, int]]:
    pairs = [(i * down + j, i * down + j + 1) for i in range(across) for j in range(down - 1)]
    pairs += [(i * down + j, (i + 1) * down + j) for i in range(across - 1) for j in range(down)]
    for pair in [pairs[i] for i in random.permutation(len(pairs))[: int(drop * len(pairs))]]:
        rest = [p for p in pairs if p != pair]
        if _joined(rest, across * down):
            pairs = rest
    return pairs


def _joined(pairs, count) -> bool:
    reached, grown = {0}, True
    while grown:
        new = {b for a, b in pairs if a in reached} | {a for a, b in pairs if b in reached}
        grown = not new <= reached
        reached |= new
    return len(reached) == count


def _bend(random, a, b) -> np.ndarray:
    """A curve from a to b with a random sideways bulge, resampled evenly."""
    chord = b - a
    normal = np.array([-chord[1], chord[0]])
    middle = (a + b) / 2 + normal * np.clip(random.normal(0, 0.12), -0.25, 0.25)
    t = np.linspace(0, 1, 400)[:, None]
    return resample((1 - t) ** 2 * a + 2 * t * (1 - t) * middle + t**2 * b, STEP)


def resample(points: np.ndarray, step: float) -> np.ndarray:
    """Place points evenly, about `step` metres apart, along a polyline (P, 2)."""
    run = arc_length(points)
    at = np.linspace(0, run[-1], max(round(run[-1] / step), 1) + 1)
    return along(points, run, at)


def arc_length(points: np.ndarray) -> np.ndarray:
    """(P,) metres from the start of a polyline (P, 2)."""
    return np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])


def along(points: np.ndarray, run: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Points (N, 2) at the arc lengths `at` (N,)."""
    return np.stack([np.interp(at, run, points[:, 0]), np.interp(at, run, points[:, 1])], 1)


def clearance(streets: list[Street], points: np.ndarray) -> np.ndarray:
    """Metres (N,) from points (N, 2) to the edge of the nearest carriageway, negative inside."""
    tree = cKDTree(np.concatenate([s.points for s in streets]))
    widths = np.concatenate([np.full(len(s.points), s.half_width) for s in streets])
    best = np.full(len(points), np.inf)
    distance, index = tree.query(points, k=min(8, len(widths)))
    for d, i in zip(distance.T, index.T, strict=True):
        best = np.minimum(best, d - widths[i])
    return best
