"""How much two cameras see of the same ground: overlap of 2D fields of view.

A field of view is a circular sector drawn as a polygon: the apex at the camera, the other vertices
evenly spaced on the arc. The overlap of two equal fields is area(intersection) / area(one field).
It is the positional affinity, and the relevance label of training pairs, of Hanning, Flood and
Larsson, "Visual Re-Ranking with Non-Visual Side Information", SCIA 2025, arXiv 2504.11134.

Positions are (east, north) in metres, headings radians clockwise from north. The overlap depends
only on the pose of one camera seen from the other, so all work is done there, with radius 1: UTM
coordinates with their six digits before the point never reach the geometry.

The arguments that all functions share:

radius, angle, points: the field: metres; full opening in radians; vertices, the apex included.
    0 < angle < 2 pi, and neighbours on the arc less than pi apart: angle / (points - 2) < pi.
cutoff: "exact": fields overlap up to 2 radius apart, and the polygon's own area counts as 1.
    "published": cameras more than radius apart have overlap 0, and the area of the circular sector
    counts as 1, so that only a camera with itself reaches 1 (the published compiled path).
mask: cameras to leave out are False; their overlaps are 0, and they may hold nan.
backend: "geos" (compiled), "shapely" (the same numbers, slower), or None for the best there is.

ValueError names what does not fit: a shape, a setting, or a camera that is not finite.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import shapely
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

try:
    from gcsa import _fov
except ImportError:  # built without GEOS: see setup.py
    _fov = None

CUTOFFS = ("exact", "published")
MAX_POINTS = 65536
_CHUNK = 1 << 20  # vertices at a time: bounds the memory, and lets Ctrl-C in between
_THIN = 1e-6  # radians: a sector, or a gap, thinner than this is lost in rounding
_TOUCH = 1e-12  # in radii: fields that share less than this only touch


@dataclass
class FovConfig:
    """The field of view that the positional affinity and the training labels use."""

    radius: float = 50.0  # metres
    angle: float = 90.0  # degrees, full opening
    points: int = 16  # polygon vertices, apex included
    cutoff: str = "exact"  # exact | published

    def kwargs(self) -> dict:
        """The arguments of the functions of this module, the angle in radians."""
        return {
            "radius": self.radius,
            "angle": float(np.deg2rad(self.angle)),
            "points": self.points,
            "cutoff": self.cutoff,
        }


# ---- the public functions


def backend() -> str:
    """The backend used by default: "geos", or "shapely" where gcsa._fov was not built.

    The install builds gcsa._fov where it finds GEOS (apt-get install libgeos-dev, or
    brew install geos) and a C compiler.
    """
    return "shapely" if _fov is None else "geos"


def sectors(positions, headings, radius=50.0, angle=np.pi / 2, points=16) -> np.ndarray:
    """Polygons of the fields of view, (n, points, 2), in metres: the apex, then the arc clockwise.

    positions: (n, 2), headings: (n,).
    """
    field = _field(radius, angle, points)
    positions, headings = _cameras(positions, headings)
    poses = np.column_stack([np.zeros_like(positions), headings])
    return positions[:, None] + field.radius * _vertices(poses, field)


def overlap_of_pairs(
    positions_a, headings_a, positions_b, headings_b,
    radius=50.0, angle=np.pi / 2, points=16, cutoff="exact", backend=None,
) -> np.ndarray:  # fmt: skip
    """Overlaps (m,) of m pairs: camera k of a with camera k of b.

    positions_a, positions_b: (m, 2), headings_a, headings_b: (m,).
    """
    field = _field(radius, angle, points, cutoff, backend)
    a = _cameras(positions_a, headings_a, names="_a")
    b = _cameras(positions_b, headings_b, names="_b", count=len(a[1]))
    near = np.flatnonzero(_near(a[0] - b[0], field))
    out = np.zeros(len(a[1]))
    out[near] = _overlaps(field, a, near, b, near)
    return out


def overlap_with(
    position, heading, positions, headings,
    radius=50.0, angle=np.pi / 2, points=16, cutoff="exact", mask=None, backend=None,
) -> np.ndarray:  # fmt: skip
    """Overlaps (n,) of one camera, position (2,) and heading (), with n others.

    positions: (n, 2), headings: (n,), mask: (n,) bool.
    """
    field = _field(radius, angle, points, cutoff, backend)
    one = _numbers(position, "position", (2,))[None], _numbers(heading, "heading", ())[None]
    _check_finite(*one, np.ones(1, bool), "the one camera")
    cameras = _cameras(positions, headings, mask)
    seen = _mask(mask, len(cameras[1]))
    near = np.flatnonzero(seen & _near(cameras[0] - one[0], field))
    out = np.zeros(len(seen))
    out[near] = _overlaps(field, one, np.zeros_like(near), cameras, near)
    return out


def overlap_pairs(
    positions, headings,
    radius=50.0, angle=np.pi / 2, points=16, cutoff="exact", mask=None, backend=None,
) -> np.ndarray:  # fmt: skip
    """Overlaps (n, n) of all pairs of n cameras: symmetric, the diagonal 1.

    positions: (n, 2), headings: (n,), mask: (n,) bool of cameras or (n, n) bool of pairs.
    """
    field = _field(radius, angle, points, cutoff, backend)
    n = len(_numbers(headings, "headings", (None,)))
    wanted = _pair_mask(mask, n)
    cameras = _cameras(positions, headings, wanted.any(0) | wanted.any(1))
    x, y = cameras[0].T
    near = _near(np.stack([x[:, None] - x, y[:, None] - y], -1), field)
    i, j = np.nonzero(np.triu(near & (wanted | wanted.T), 1))  # each unordered pair once
    out = np.eye(n)
    out[i, j] = out[j, i] = _overlaps(field, cameras, i, cameras, j)
    out[~wanted] = 0
    return out


def overlap_block(
    positions, headings, candidates, rows, anchors,
    radius=50.0, angle=np.pi / 2, points=16, cutoff="exact", mask=None, backend=None,
) -> np.ndarray:  # fmt: skip
    """Overlaps (B, rows, anchors) of the first rows with the first anchors of B candidate lists.

    positions: (n, 2), headings: (n,), candidates: (B, N) indices of cameras, -1 for padding, whose
    entries are 0; mask: (n,) bool of cameras. A camera with itself is 1. A pair that stands in
    several lists is computed once; cameras that are in no list are not looked at.
    """
    field = _field(radius, angle, points, cutoff, backend)
    n = len(_numbers(headings, "headings", (None,)))
    candidates = _candidates(candidates, n, rows, anchors)
    used = np.zeros(n, bool)
    used[candidates[candidates >= 0]] = True
    used &= _mask(mask, n)
    positions, headings = _cameras(positions, headings, used)
    row, anchor = candidates[:, :rows, None], candidates[:, None, :anchors]
    out = np.zeros((len(candidates), rows, anchors))
    if n == 0:
        return out
    x, y = positions.T
    valid = (row >= 0) & (anchor >= 0) & used[row] & used[anchor]
    near = valid & _near(np.stack([x[row] - x[anchor], y[row] - y[anchor]], -1), field)
    near &= row != anchor
    b, r, a = np.nonzero(near)
    i, j = candidates[b, r], candidates[b, a]
    pairs, place = np.unique(np.minimum(i, j) * n + np.maximum(i, j), return_inverse=True)
    cameras = positions, headings
    out[b, r, a] = _overlaps(field, cameras, pairs // n, cameras, pairs % n)[place]
    out[valid & (row == anchor)] = 1
    return out


def overlap_sparse(
    positions, headings,
    radius=50.0, angle=np.pi / 2, points=16, cutoff="exact", mask=None, backend=None,
) -> csr_array:  # fmt: skip
    """All positive overlaps of n cameras as a symmetric CSR array (n, n), indices sorted.

    positions: (n, 2), headings: (n,), mask: (n,) bool. The same numbers as overlap_pairs. Memory
    grows with the number of pairs that overlap, not with n * n.
    """
    field = _field(radius, angle, points, cutoff, backend)
    cameras = _cameras(positions, headings, mask)
    n = len(cameras[1])
    seen = np.flatnonzero(_mask(mask, n))
    rows, columns, values = [seen], [seen], [np.ones(len(seen))]
    for i, j in _pairs_within(cameras[0][seen], field.reach):
        i, j = seen[i], seen[j]
        keep = _near(cameras[0][i] - cameras[0][j], field)
        i, j = i[keep], j[keep]
        overlaps = _overlaps(field, cameras, i, cameras, j)
        i, j, overlaps = (a[overlaps > 0] for a in (i, j, overlaps))
        rows += [i, j]
        columns += [j, i]
        values += [overlaps, overlaps]
    index = np.concatenate(rows), np.concatenate(columns)
    out = csr_array((np.concatenate(values), index), shape=(n, n))
    out.sort_indices()
    return out


# ---- geometry of two fields, one of them at the origin with heading 0 and radius 1


class _Field(NamedTuple):
    radius: float
    angle: float
    points: int
    reach: float  # metres between cameras whose overlap is not 0 by definition
    whole: float  # the area that counts as overlap 1, at radius 1
    areas: Callable  # (m, 3) poses -> (m,) areas of the intersection


def _overlaps(field: _Field, a, i, b, j) -> np.ndarray:
    """Overlaps of cameras i of a with cameras j of b, each (positions, headings)."""
    out = np.empty(len(i))
    step = max(1, _CHUNK // field.points)
    for start in range(0, len(i), step):
        part = slice(start, start + step)
        turn = a[1][i[part]]
        dx, dy = (b[0][j[part]] - a[0][i[part]]).T / field.radius
        sin, cos = np.sin(turn), np.cos(turn)
        poses = np.column_stack([dx * cos - dy * sin, dx * sin + dy * cos, b[1][j[part]] - turn])
        out[part] = field.areas(poses, field)
    return np.clip(out / field.whole, 0, 1)


def _vertices(poses, field) -> np.ndarray:
    """Sectors (m, points, 2) of radius 1 at poses (x, y, heading) (m, 3)."""
    arc = (np.arange(field.points - 1) / (field.points - 2) - 0.5) * field.angle
    sin, cos = np.sin(poses[:, 2:]), np.cos(poses[:, 2:])
    out = np.repeat(poses[:, None, :2], field.points, axis=1)
    out[:, 1:, 0] += sin * np.cos(arc) + cos * np.sin(arc)
    out[:, 1:, 1] += cos * np.cos(arc) - sin * np.sin(arc)
    return out


def _shapely_areas(poses, field) -> np.ndarray:
    one = shapely.polygons(_vertices(np.zeros((1, 3)), field))
    return shapely.area(shapely.intersection(one, shapely.polygons(_vertices(poses, field))))


BACKENDS: dict[str, Callable] = {"shapely": _shapely_areas}


# ---- which pairs


def _near(offsets, field) -> np.ndarray:
    """Whether the offsets (..., 2) in metres are within reach."""
    with np.errstate(over="ignore"):
        return np.square(offsets).sum(-1) <= field.reach**2


def _pairs_within(positions, reach):
    """Yield index arrays (i, j), i < j, that hold each pair within reach once, and some more."""
    reach *= 1 + 1e-9
    if len(positions) == 0:
        return
    tree = cKDTree(positions)
    total = np.cumsum(tree.query_ball_point(positions, reach, return_length=True))
    start = 0
    while start < len(positions):
        before = total[start - 1] if start else 0
        stop = max(start + 1, np.searchsorted(total, before + _CHUNK, "right"))
        part = cKDTree(positions[start:stop])
        found = part.sparse_distance_matrix(tree, reach, output_type="ndarray")
        i, j = found["i"] + start, found["j"]
        yield i[i < j], j[i < j]
        start = stop


# ---- checks


def _field(radius, angle, points, cutoff="exact", backend=None) -> _Field:
    if not (np.isfinite(radius) and radius > 0):
        raise ValueError(f"radius must be positive metres, not {radius}")
    if int(points) != points or not 3 <= points <= MAX_POINTS:
        raise ValueError(f"points must be a whole number from 3 to {MAX_POINTS}, not {points}")
    if not _THIN <= angle <= 2 * np.pi - _THIN:
        raise ValueError(f"angle must be between 0 and 2 pi radians, not {angle}")
    step = angle / (points - 2)
    if step > np.pi - _THIN:
        least = int(np.floor(angle / np.pi)) + 3
        raise ValueError(f"angle {angle} needs points >= {least}, not {points}: neighbours on the "
                         "arc must be less than pi apart")  # fmt: skip
    if cutoff not in CUTOFFS:
        raise ValueError(f"cutoff must be one of {', '.join(CUTOFFS)}, not {cutoff!r}")
    polygon, sector = (points - 2) * np.sin(step) / 2, angle / 2
    reach, whole = (2 * radius, polygon) if cutoff == "exact" else (radius, sector)
    return _Field(float(radius), float(angle), int(points), reach, whole, _areas(backend))


def _areas(name) -> Callable:
    name = name or backend()
    if name not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, not {name!r}")
    return BACKENDS[name]


def _numbers(array, name, shape) -> np.ndarray:
    """array as float64 of the given shape, None for any length."""
    array = np.asarray(array)
    expected = "(" + ", ".join("n" if s is None else str(s) for s in shape) + ")"
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be real numbers of shape {expected}, not {array.dtype}")
    fits = all(s in (None, t) for s, t in zip(shape, array.shape, strict=False))
    if array.ndim != len(shape) or not fits:
        raise ValueError(f"{name} must have shape {expected}, not {array.shape}")
    return array.astype(np.float64, copy=False)


def _cameras(positions, headings, mask=None, names="", count=None):
    positions = _numbers(positions, "positions" + names, (count, 2))
    headings = _numbers(headings, "headings" + names, (len(positions),))
    _check_finite(positions, headings, _mask(mask, len(headings)), "camera {}" + names)
    return positions, headings


def _check_finite(positions, headings, mask, who):
    for quantity, values in (("position", positions), ("heading", headings)):
        finite = np.isfinite(values).reshape(len(values), -1).all(1)
        bad = np.flatnonzero(mask & ~finite)
        if len(bad):
            raise ValueError(f"{quantity} of {who.format(bad[0])} is {values[bad[0]]}")


def _mask(mask, n) -> np.ndarray:
    if mask is None:
        return np.ones(n, bool)
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.shape != (n,):
        raise ValueError(f"mask must be bool of shape ({n},), not {mask.dtype} {mask.shape}")
    return mask


def _pair_mask(mask, n) -> np.ndarray:
    if np.ndim(mask) == 2:
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != (n, n):
            raise ValueError(
                f"mask must be bool of shape ({n}, {n}), not {mask.dtype} {mask.shape}"
            )
        return mask
    mask = _mask(mask, n)
    return mask[:, None] & mask


def _candidates(candidates, n, rows, anchors) -> np.ndarray:
    candidates = np.asarray(candidates)
    if candidates.ndim != 2 or candidates.dtype.kind not in "iu":
        raise ValueError(
            f"candidates must be int of shape (B, N), not {candidates.dtype} {candidates.shape}"
        )
    if candidates.size and not (-1 <= candidates.min() and candidates.max() < n):
        raise ValueError(f"candidates must be from -1 to {n - 1}, found {candidates.min()} "
                         f"to {candidates.max()}")  # fmt: skip
    for name, count in (("rows", rows), ("anchors", anchors)):
        if not 0 <= count <= candidates.shape[1]:
            raise ValueError(f"{name} must be from 0 to {candidates.shape[1]}, not {count}")
    return candidates.astype(np.int64, copy=False)
