"""Fields of view by hand, for the tests of fov: plain polygons, one pair at a time."""

import numpy as np
import shapely

from gcsa.sideinfo import fov

QUARTER = np.pi / 2


def polygon(position, heading, radius=50.0, angle=QUARTER, points=16):
    arc = [heading + angle * (k / (points - 2) - 0.5) for k in range(points - 1)]
    x, y = position
    return shapely.Polygon(
        [(x, y)] + [(x + radius * np.sin(a), y + radius * np.cos(a)) for a in arc]
    )


def plain_overlap(position_a, heading_a, position_b, heading_b, **field):
    a, b = polygon(position_a, heading_a, **field), polygon(position_b, heading_b, **field)
    return a.intersection(b).area / a.area


def street(n=60, state=0, width=150.0):
    """Cameras at UTM coordinates."""
    rng = np.random.default_rng(state)
    return rng.uniform(0, width, (n, 2)) + [6.2e5, 5.1e6], rng.uniform(-9, 9, n)


def one_pair(offset, turn, **kwargs):
    return fov.overlap_of_pairs([[0, 0]], [0.0], [offset], [turn], **kwargs)[0]


def widest(backend):
    """Degrees that a backend can take, at the most."""
    return 180 if backend == "convex" else 350
