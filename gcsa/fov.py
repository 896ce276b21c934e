"""How much two cameras see of the same ground: overlap of 2D fields of view.

A field of view is a circular sector drawn as a polygon: the apex at the camera, the other vertices
evenly spaced on the arc. The overlap of two equal fields is area(intersection) / area(one field).
It is the positional affinity, and the label of training pairs, of Hanning, Flood and Larsson,
"Visual Re-Ranking with Non-Visual Side Information", SCIA 2025, arXiv 2504.11134. Arguments:

positions, headings: (n, 2) real, (east, north) in metres; (n,) real, radians clockwise from north.
radius, angle, points: the field: metres; full opening in radians; vertices, the apex included.
    0 < angle < 2 pi, 3 <= points <= 1024, and neighbours on the arc less than pi apart:
    angle / (points - 2) < pi.
cutoff: "exact": fields overlap up to 2 radius apart, and the polygon's own area counts as 1.
    "published": cameras more than radius apart have overlap 0, and the area of the circular sector
    counts as 1, so that only a camera with itself reaches 1 (the published compiled path).
mask: False for cameras to leave out; their overlaps are 0, and they may hold nan.
backend: "geos" (compiled), "shapely" (the same numbers), or None for the best there is.

ValueError names what does not fit: a shape, a setting, or a camera that is not finite. Where GEOS
fails, RuntimeError (shapely.GEOSException from "shapely") holds its words.
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
MAX_POINTS = 1024
_THIN = 1e-6  # radians: a thinner sector, or gap of one, is lost in rounding
_TOUCH, _GRID = 1e-11, 1e-12  # in radii: as in src_c/fov.c
_CHUNK = 1 << 22  # numbers held at a time: bounds the memory, and lets Ctrl-C in between


@dataclass
class FovConfig:
    """The field of view that the positional affinity and the training labels use."""

    radius: float = 50.0  # metres
    angle: float = 90.0  # degrees, full opening
    points: int = 16  # polygon vertices, apex included
    cutoff: str = "exact"  # exact | published
    height: float = 3.0  # metres; cameras further apart in height do not overlap (3D positions)

    def kwargs(self) -> dict:
        """The arguments of this module's functions: angle in radians, the fastest backend."""
        angle = float(np.deg2rad(self.angle))
        fastest = "convex" if "convex" in BACKENDS and angle <= np.pi else None
        names = {"cutoff": self.cutoff, "backend": fastest}
        return {"radius": self.radius, "angle": angle, "points": self.points, **names}


def backend() -> str:
    """The default backend: "geos", or "shapely" where the install found no GEOS or no compiler."""
    return next(iter(BACKENDS))


def sectors(positions, headings, radius=50.0, angle=np.pi / 2, points=16) -> np.ndarray:
    """Polygons (n, points, 2) in metres of n cameras: the apex, then the arc clockwise."""
    field = _field(radius, angle, points)
    positions, headings = _cameras(positions, headings)
    poses = np.column_stack([np.zeros_like(positions), headings])
    return positions[:, None] + field.radius * _vertices(poses, field)


def overlap_of_pairs(positions_a, headings_a, positions_b, headings_b, radius=50.0, angle=np.pi / 2,
                     points=16, cutoff="exact", backend=None) -> np.ndarray:  # fmt: skip
    """Overlaps (m,) of camera k of a with camera k of b: positions (m, 2), headings (m,)."""
    field = _field(radius, angle, points, cutoff, backend)
    a = _cameras(positions_a, headings_a, of=" of a")
    b = _cameras(positions_b, headings_b, of=" of b", count=len(a[1]))
    return _overlaps(field, a, np.arange(len(a[1])), b, np.arange(len(a[1])))


def overlap_with(position, heading, positions, headings, radius=50.0, angle=np.pi / 2,
                 points=16, cutoff="exact", mask=None, backend=None) -> np.ndarray:  # fmt: skip
    """Overlaps (n,) of one camera, position (2,) and heading a number, with n, mask (n,) bool."""
    field = _field(radius, angle, points, cutoff, backend)
    one = _cameras(np.asarray(position)[None], np.asarray(heading)[None], of=" (the one)")
    cameras = _cameras(positions, headings, mask)
    every = np.arange(len(cameras[1]))
    return _overlaps(field, one, np.zeros_like(every), cameras, every)


def overlap_pairs(positions, headings, radius=50.0, angle=np.pi / 2,
                  points=16, cutoff="exact", mask=None, backend=None) -> np.ndarray:  # fmt: skip
    """Overlaps (n, n) of n cameras, the diagonal 1; mask (n,) bool, or (n, n) bool of pairs."""
    field = _field(radius, angle, points, cutoff, backend)
    n = np.size(headings)
    wanted = _mask(mask, (n, n) if np.ndim(mask) == 2 else (n,))
    wanted = wanted if wanted.ndim == 2 else wanted[:, None] & wanted
    cameras = _cameras(positions, headings, wanted.any(0) | wanted.any(1))
    near = _near(cameras[0][:, None], cameras[0], field)
    i, j = np.nonzero(np.triu(near & (wanted | wanted.T), 1))  # each unordered pair once
    out = np.eye(n)
    out[i, j] = out[j, i] = _overlaps(field, cameras, i, cameras, j)
    return np.where(wanted, out, 0)


def overlap_block(positions, headings, candidates, rows, anchors, radius=50.0, angle=np.pi / 2,
                  points=16, cutoff="exact", mask=None, backend=None) -> np.ndarray:  # fmt: skip
    """Overlaps (B, rows, anchors) of the first rows with the first anchors of B candidate lists.

    candidates: (B, N) int, indices of cameras, or -1 for padding, with 0; mask: (n,) bool. A camera
    with itself is 1. A pair is computed once, in however many lists; unlisted cameras never.
    """
    field = _field(radius, angle, points, cutoff, backend)
    n = np.size(headings)
    candidates = _candidates(candidates, n, rows, anchors)
    used = np.zeros(n, bool)
    used[candidates[candidates >= 0]] = True
    cameras = _cameras(positions, headings, used & _mask(mask, (n,)))
    places = np.append(cameras[0], [[np.nan, np.nan]], axis=0)  # index -1 is near to nothing
    row, anchor = candidates[:, :rows, None], candidates[:, None, :anchors]
    near = _near(places[row], places[anchor], field)
    out = (near & (row == anchor)).astype(np.float64)
    b, r, a = np.nonzero(near & (row != anchor))
    i, j = candidates[b, r], candidates[b, a]
    pairs, which = np.unique(np.minimum(i, j) * n + np.maximum(i, j), return_inverse=True)
    i, j = np.divmod(pairs, max(n, 1))
    out[b, r, a] = _overlaps(field, cameras, i, cameras, j)[which]
    return out


def overlap_sparse(positions, headings, radius=50.0, angle=np.pi / 2,
                   points=16, cutoff="exact", mask=None, backend=None) -> csr_array:  # fmt: skip
    """The positive entries of overlap_pairs (n, n), indices sorted; mask: (n,) bool.

    Memory grows with the number of pairs that overlap, not with n * n.
    """
    field = _field(radius, angle, points, cutoff, backend)
    cameras = _cameras(positions, headings, mask)
    n = len(cameras[1])
    seen = np.flatnonzero(_mask(mask, (n,))).astype(np.int32)  # half the memory of int64
    found = [(seen, seen, np.ones(len(seen)))]
    for i, j in _pairs_within(cameras[0][seen], field):
        i, j = seen[i], seen[j]
        overlaps = _overlaps(field, cameras, i, cameras, j)
        i, j, overlaps = (array[overlaps > 0] for array in (i, j, overlaps))
        found += [(i, j, overlaps), (j, i, overlaps)]
    i, j, overlaps = map(np.concatenate, zip(*found, strict=True))
    out = csr_array((overlaps, (i, j)), shape=(n, n))
    out.sort_indices()
    return out


def _near(a, b, field) -> np.ndarray:
    """Whether positions a and b (..., 2) are within reach; nan is near to nothing."""
    with np.errstate(over="ignore", invalid="ignore"):
        dx, dy = a[..., 0] - b[..., 0], a[..., 1] - b[..., 1]
        return dx * dx + dy * dy <= field.reach**2


def _pairs_within(positions, field):
    """Yield index arrays (i, j), i < j, that together hold each pair within reach once."""
    tree, reach = cKDTree(positions), field.reach * (1 + 1e-9)  # a bit more: _near decides
    total = np.cumsum(tree.query_ball_point(positions, reach, return_length=True))
    cuts = np.flatnonzero(np.diff(8 * total // _CHUNK)) + 1
    for part in np.split(np.arange(len(positions)), cuts):
        near = cKDTree(positions[part]).sparse_distance_matrix(tree, reach, output_type="ndarray")
        i, j = part[near["i"]], near["j"]
        yield i[i < j], j[i < j]


class _Field(NamedTuple):
    radius: float
    angle: float
    points: int
    reach: float  # metres between cameras whose overlap is not 0 by definition
    whole: float  # the area that counts as overlap 1, at radius 1
    areas: Callable  # one of BACKENDS


def _overlaps(field, a, i, b, j) -> np.ndarray:
    """Overlaps (m,) of cameras i of a with cameras j of b, each (positions, headings).

    They depend only on the pose of one as the other sees it, in radii: there the large coordinates
    of UTM cost no precision.
    """
    out = np.zeros(len(i))
    near = np.flatnonzero(_near(a[0][i], b[0][j], field))
    step = max(1, _CHUNK // field.points**2)
    for part in (near[start : start + step] for start in range(0, len(near), step)):
        first, second = i[part], j[part]
        poses = np.column_stack([(b[0][second] - a[0][first]) / field.radius, b[1][second]])
        out[part] = field.areas(_seen_from(poses, a[1][first]), field)
    return np.clip(out / field.whole, 0, 1)


def _seen_from(poses, heading) -> np.ndarray:
    """Poses (x, y, heading) (m, 3) as a camera at the origin with that heading (m,) sees them."""
    (x, y, other), sin, cos = poses.T, np.sin(heading), np.cos(heading)
    return np.column_stack([x * cos - y * sin, x * sin + y * cos, other - heading])


def _vertices(poses, field) -> np.ndarray:
    """Sectors (m, points, 2) of radius 1 at poses (m, 3)."""
    arc = np.linspace(-field.angle / 2, field.angle / 2, field.points - 1)
    sin, cos = np.sin(poses[:, 2:]), np.cos(poses[:, 2:])
    out = np.repeat(poses[:, None, :2], field.points, axis=1)
    out[:, 1:, 0] += sin * np.cos(arc) + cos * np.sin(arc)
    out[:, 1:, 1] += cos * np.cos(arc) - sin * np.sin(arc)
    return out


def _apart(poses, field) -> np.ndarray:
    """Whether an edge of one field has the other field wholly on its far side, (m,)."""
    side, half = field.angle / 2, field.angle / 2 / (field.points - 2)
    chords = np.linspace(half - side, side - half, field.points - 2)
    outward = np.append(chords, [-side - np.pi / 2, side + np.pi / 2])
    offset = np.append(np.full(len(chords), np.cos(half)), [0, 0])
    if field.angle > np.pi:  # then the field, not convex, is on both sides of its straight edges
        outward, offset = outward[:-2], offset[:-2]
    normals = np.stack([np.sin(outward), np.cos(outward)])
    back = _seen_from(poses * [-1, -1, 0], poses[:, 2])
    beyond = [(_vertices(p, field) @ normals).min(1) >= offset - _TOUCH for p in (poses, back)]
    return np.any(beyond, axis=(0, 2))


def _shapely_areas(poses, field) -> np.ndarray:
    """The same steps as in src_c/fov.c, which says why fields that touch need care."""
    out, meet = np.zeros(len(poses)), ~_apart(poses, field)
    grid = None if field.angle <= np.pi else _GRID
    one = shapely.polygons(_vertices(np.zeros((1, 3)), field))
    others = shapely.polygons(_vertices(poses[meet], field))
    out[meet] = shapely.area(shapely.intersection(one, others, grid_size=grid))
    return out


def _compiled(function) -> Callable:
    """A function of gcsa._fov as a backend."""

    def areas(poses, field) -> np.ndarray:
        out = np.empty(len(poses))
        function(poses, field.angle, field.points, out)
        return out

    return areas


# (poses (m, 3) of the other camera at radius 1, field) -> areas of intersection (m,)
BACKENDS: dict[str, Callable] = {"shapely": _shapely_areas}
if _fov is not None:
    compiled = {"geos": _fov.intersection_areas, "convex": _fov.convex_areas}
    BACKENDS = {name: _compiled(function) for name, function in compiled.items()} | BACKENDS


def _field(radius, angle, points, cutoff="exact", name=None) -> _Field:
    name = backend() if name is None else name
    for word, what, known in (("cutoff", cutoff, CUTOFFS), ("backend", name, tuple(BACKENDS))):
        if what not in known:
            raise ValueError(f"{word} must be one of {', '.join(known)} here, not {what!r}")
    if not 0 < radius < np.inf:
        raise ValueError(f"radius must be positive metres, not {radius}")
    if not isinstance(points, int | np.integer) or not 3 <= points <= MAX_POINTS:
        raise ValueError(f"points must be a whole number from 3 to {MAX_POINTS}, not {points}")
    if not _THIN <= angle <= 2 * np.pi - _THIN:
        raise ValueError(f"angle must be between 0 and 2 pi radians, not {angle}")
    if (step := angle / (points - 2)) > np.pi - _THIN:
        raise ValueError(f"angle {angle} needs more than {points} points: neighbours < pi apart")
    if name == "convex" and angle > np.pi:
        raise ValueError(f"backend 'convex' is for angles up to pi, not {angle}")
    polygon, sector = (points - 2) * np.sin(step) / 2, angle / 2  # their areas
    reach, whole = (2 * radius, polygon) if cutoff == "exact" else (radius, sector)
    return _Field(float(radius), float(angle), int(points), reach, whole, BACKENDS[name])


def _numbers(array, name, shape) -> np.ndarray:
    """array as float64; a None in shape is any length."""
    array = np.asarray(array)
    lengths = [t if s is None else s for s, t in zip(shape, array.shape, strict=False)]
    if array.dtype.kind not in "biuf" or array.ndim != len(shape) or array.shape != (*lengths,):
        shape = str(shape).replace("None", "n")
        raise ValueError(f"{name} must be real, {shape}, not {array.dtype}, {array.shape}")
    return array.astype(np.float64, copy=False)


def _cameras(positions, headings, mask=None, of="", count=None):
    """Positions, nan where masked out, and headings, in [0, 2 pi), as float64."""
    positions = _numbers(positions, "positions" + of, (count, 2))
    headings = _numbers(headings, "headings" + of, (len(positions),))
    mask = _mask(mask, headings.shape)
    for quantity, values in (("position", positions.T), ("heading", headings[None])):
        for k in np.flatnonzero(mask & ~np.isfinite(values).all(0))[:1]:
            raise ValueError(f"{quantity} of camera {k}{of} is {values[:, k].squeeze()}")
    return np.where(mask[:, None], positions, np.nan), np.where(mask, headings, 0) % (2 * np.pi)


def _mask(mask, shape) -> np.ndarray:
    mask = np.ones(shape, bool) if mask is None else np.asarray(mask)
    if mask.dtype != bool or mask.shape != shape:
        raise ValueError(f"mask must be bool, {shape}, not {mask.dtype}, {mask.shape}")
    return mask


def _candidates(candidates, n, rows, anchors) -> np.ndarray:
    array = np.asarray(candidates)
    if array.ndim != 2 or array.dtype.kind not in "iu":
        raise ValueError(f"candidates must be int, (B, N), not {array.dtype}, {array.shape}")
    if array.size and not -1 <= array.min() <= array.max() < n:
        raise ValueError(f"candidates must be from -1 to {n - 1}, not {array.min()}..{array.max()}")
    if not (0 <= rows <= array.shape[1] and 0 <= anchors <= array.shape[1]):
        raise ValueError(f"rows {rows}, anchors {anchors} must be from 0 to {array.shape[1]}")
    return array.astype(np.int64, copy=False)
