"""Overlap of fields of view by Shapely: any angle, no compiler; the compiled ones must equal it.

See gcsa.sideinfo.fov for the definition, src_c/geos.c for why fields that only touch need care.
Poses (m, 3) are x, y and heading in radii and radians, of a camera as another one sees it, itself
at the origin with heading 0.
"""

from __future__ import annotations

import numpy as np
import shapely

_TOUCH, _GRID = 1e-11, 1e-12  # in radii: as in src_c/geos.c
_CHUNK = 1 << 22  # numbers held at a time: bounds the memory


def overlaps(a, b, i, j, radius, reach, whole, angle, points, num_threads, out) -> None:
    """As gcsa._kernels.convex_overlaps, for any angle and on one thread."""
    if out.ndim == 2:
        i, j, out = np.repeat(i, len(j)), np.tile(j, len(i)), out.reshape(-1)
    dx, dy = b[j, 0] - a[i, 0], b[j, 1] - a[i, 1]
    with np.errstate(over="ignore", invalid="ignore"):  # nan is near to nothing
        near = dx * dx + dy * dy <= reach * reach
    same = near & (i == j) & (a is b)
    out[:] = same
    pairs, step = np.flatnonzero(near & ~same), max(1, _CHUNK // points**2)
    for part in (pairs[start : start + step] for start in range(0, len(pairs), step)):
        one, other = a[i[part]], b[j[part]]
        poses = np.column_stack([(other[:, :2] - one[:, :2]) / radius, _heading(other)])
        areas = _shared(_seen_from(poses, _heading(one)), angle, points)
        out[part] = np.minimum(areas / whole, 1)


def vertices(poses, angle, points) -> np.ndarray:
    """Sectors (m, points, 2) of radius 1 at poses (m, 3): the apex, then the arc clockwise."""
    arc = np.linspace(-angle / 2, angle / 2, points - 1)
    sin, cos = np.sin(poses[:, 2:]), np.cos(poses[:, 2:])
    out = np.repeat(poses[:, None, :2], points, axis=1)
    out[:, 1:, 0] += sin * np.cos(arc) + cos * np.sin(arc)
    out[:, 1:, 1] += cos * np.cos(arc) - sin * np.sin(arc)
    return out


def _heading(cameras) -> np.ndarray:
    return np.arctan2(cameras[:, 2], cameras[:, 3])


def _seen_from(poses, heading) -> np.ndarray:
    """Poses (m, 3) as a camera at the origin with that heading (m,) sees them."""
    (x, y, other), sin, cos = poses.T, np.sin(heading), np.cos(heading)
    return np.column_stack([x * cos - y * sin, x * sin + y * cos, other - heading])


def _shared(poses, angle, points) -> np.ndarray:
    """Areas (m,) that the field at the origin shares with those at poses (m, 3)."""
    out, meet = np.zeros(len(poses)), ~_apart(poses, angle, points)
    grid = None if angle <= np.pi else _GRID
    one = shapely.polygons(vertices(np.zeros((1, 3)), angle, points))
    others = shapely.polygons(vertices(poses[meet], angle, points))
    out[meet] = shapely.area(shapely.intersection(one, others, grid_size=grid))
    return out


def _apart(poses, angle, points) -> np.ndarray:
    """Whether an edge of one field has the other field wholly on its far side, (m,)."""
    side, half = angle / 2, angle / 2 / (points - 2)
    chords = np.linspace(half - side, side - half, points - 2)
    outward = np.append(chords, [-side - np.pi / 2, side + np.pi / 2])
    offset = np.append(np.full(len(chords), np.cos(half)), [0, 0])
    if angle > np.pi:  # then the field, not convex, is on both sides of its straight edges
        outward, offset = outward[:-2], offset[:-2]
    normals = np.stack([np.sin(outward), np.cos(outward)])
    back = _seen_from(poses * [-1, -1, 0], poses[:, 2])
    views = (vertices(p, angle, points) for p in (poses, back))
    beyond = [(seen @ normals).min(1) >= offset - _TOUCH for seen in views]
    return np.any(beyond, axis=(0, 2))
