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
backend: "convex" (compiled, angle <= pi), "geos" (compiled, any angle), "shapely" (neither), or
    None for the first of these that is there and can. The numbers agree within 1e-9,
    of fields of at least half a degree.
num_threads: of the compiled backends, where there are pairs enough to share; the numbers do not
    depend on it.

ValueError names what does not fit: a shape, a setting, or a camera that is not finite. Where GEOS
fails, RuntimeError (shapely.GEOSException from "shapely") holds its words.

GEOS alone errs on a few fields that only touch: those with straight sides on one line, from both
sides of it, such as two cameras on a grid in one place, or one of them moved along that side, that
are turned by the opening (or, moved, face opposite ways). Where such sides differ in their last
bits GEOS 3.11.1 and 3.14.1 can return most or all of a field instead of nothing: for 22 of 2
million pairs that do not overlap, on a grid of 5 m and 22.5 degrees with noise of 1e-16 radii. So
"geos" and "shapely" first test whether an edge separates the fields; "convex" has no such case.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from gcsa.sideinfo import fov_shapely

try:
    from gcsa import _kernels
except ImportError:  # not compiled: see setup.py
    _kernels = None

CUTOFFS = ("exact", "published")
MAX_POINTS = 1024
_THIN = 1e-6  # radians: a thinner sector, or gap of one, is lost in rounding
_CHUNK = 1 << 20  # pairs handled at a time: bounds the memory

# The fastest first. What they take and do: gcsa._kernels.convex_overlaps.__doc__
BACKENDS: dict[str, Callable] = {
    name: getattr(_kernels, f"{name}_overlaps")
    for name in ("convex", "geos")
    if hasattr(_kernels, f"{name}_overlaps")
}
BACKENDS["shapely"] = fov_shapely.overlaps


@dataclass
class FovConfig:
    """The field of view that the positional affinity and the training labels use."""

    radius: float = 50.0  # metres
    angle: float = 90.0  # degrees, full opening
    points: int = 16  # polygon vertices, apex included
    cutoff: str = "exact"  # exact | published
    height: float = 3.0  # metres; cameras further apart in height do not overlap (3D positions)

    def kwargs(self) -> dict:
        """The arguments of this module's functions: angle in radians."""
        field = {"radius": self.radius, "angle": float(np.deg2rad(self.angle))}
        return {**field, "points": self.points, "cutoff": self.cutoff}


def backend(angle: float = np.pi / 2) -> str:
    """The backend that None stands for, for fields of that angle."""
    return next(name for name in BACKENDS if name != "convex" or angle <= np.pi)


def sectors(positions, headings, radius=50.0, angle=np.pi / 2, points=16) -> np.ndarray:
    """Polygons (n, points, 2) in metres of n cameras: the apex, then the arc clockwise."""
    field = _field(radius, angle, points)
    _cameras(positions, headings)
    positions = np.asarray(positions, dtype=np.float64)
    poses = np.column_stack([np.zeros_like(positions), headings])
    return positions[:, None] + radius * fov_shapely.vertices(poses, field.angle, field.points)


def overlap_of_pairs(positions_a, headings_a, positions_b, headings_b,
                     radius=50.0, angle=np.pi / 2, points=16, cutoff="exact",
                     backend=None, num_threads=1, pairs=None) -> np.ndarray:  # fmt: skip
    """Overlaps (m,) of camera k of a with camera k of b: positions (m, 2), headings (m,).

    pairs: (i, j), each (m,) int: of camera i[k] of a with j[k] of b instead; positions and
    headings are then of n and n' cameras, and those in no pair may hold nan.
    """
    field = _field(radius, angle, points, cutoff, backend, num_threads)
    n, m = np.size(headings_a), np.size(headings_b)
    i, j = (np.arange(n), np.arange(m)) if pairs is None else pairs
    i, j = _indices(i, n, "i of pairs"), _indices(j, m, "j of pairs")
    if len(i) != len(j):
        raise ValueError(f"as many cameras of a as of b make pairs, not {len(i)} and {len(j)}")
    a = _cameras(positions_a, headings_a, _members(i, n), of=" of a")
    b = _cameras(positions_b, headings_b, _members(j, m), of=" of b")
    return _overlaps(field, a, b, i, j, np.empty(len(i)))


def overlap_with(position, heading, positions, headings,
                 radius=50.0, angle=np.pi / 2, points=16, cutoff="exact",
                 mask=None, backend=None) -> np.ndarray:  # fmt: skip
    """Overlaps (n,) of one camera, position (2,) and heading a number, with n, mask (n,) bool."""
    field = _field(radius, angle, points, cutoff, backend)
    one = _cameras(np.asarray(position)[None], np.asarray(heading)[None], of=" (the one)")
    cameras = _cameras(positions, headings, mask)
    out = np.empty((1, len(cameras)))
    return _overlaps(field, one, cameras, [0], np.arange(len(cameras)), out)[0]


def overlap_pairs(positions, headings,
                  radius=50.0, angle=np.pi / 2, points=16, cutoff="exact",
                  mask=None, backend=None, num_threads=1) -> np.ndarray:  # fmt: skip
    """Overlaps (n, n) of n cameras, the diagonal 1; mask (n,) bool, or (n, n) bool of pairs."""
    field = _field(radius, angle, points, cutoff, backend, num_threads)
    n = np.size(headings)
    wanted = _mask(mask, (n, n) if np.ndim(mask) == 2 else (n,))
    seen = wanted if wanted.ndim == 1 else wanted.any(0) | wanted.any(1)
    cameras, every = _cameras(positions, headings, seen), np.arange(n)
    out = _overlaps(field, cameras, cameras, every, every, np.empty((n, n)))
    return out if wanted.ndim == 1 else np.where(wanted, out, 0)


def overlap_block(positions, headings, candidates, rows, anchors,
                  radius=50.0, angle=np.pi / 2, points=16, cutoff="exact",
                  mask=None, backend=None, num_threads=1) -> np.ndarray:  # fmt: skip
    """Overlaps (B, rows, anchors) of the first rows with the first anchors of B candidate lists.

    candidates: (B, N) int, indices of cameras, or -1 for padding, with 0; mask: (n,) bool. A camera
    with itself is 1. A pair is computed once in a list; cameras in no list may hold nan.
    """
    field = _field(radius, angle, points, cutoff, backend, num_threads)
    candidates = _indices(candidates, np.size(headings), "candidates", "(B, N)", least=-1)
    if not (0 <= rows <= candidates.shape[1] and 0 <= anchors <= candidates.shape[1]):
        raise ValueError(f"rows {rows}, anchors {anchors} must be from 0 to {candidates.shape[1]}")
    listed = np.unique(candidates[candidates >= 0])
    cameras = _cameras(positions, headings, mask, only=listed)
    cameras = np.append(cameras, [[np.nan, np.nan, 0, 1]], axis=0)  # padding: near to nothing
    places = np.where(candidates < 0, len(listed), np.searchsorted(listed, candidates))
    out = np.empty((len(places), rows, anchors))
    for block, place in zip(out, places, strict=True):
        _overlaps(field, cameras, cameras, place[:rows], place[:anchors], block)
    return out


def overlap_sparse(positions, headings,
                   radius=50.0, angle=np.pi / 2, points=16, cutoff="exact",
                   mask=None, backend=None, num_threads=1) -> csr_array:  # fmt: skip
    """The positive entries of overlap_pairs (n, n), indices sorted; mask: (n,) bool.

    Memory grows with the number of pairs within reach, not with n * n. By benchmarks/fov.py, for
    50,000 cameras on streets, 3.1 million pairs, it takes half a second on one thread, as long as
    1,500 blocks of 319 x 127 computed directly. A block is read from it in 0.25 ms instead of
    computed in 0.35 ms (0.85 ms where a third of the list is one crowd), so that it pays from about
    5,000 lists on (1,000). For labels, each pair once, it never does: 23 ms directly, 62 ms by it,
    for 2,000 queries.
    """
    field = _field(radius, angle, points, cutoff, backend, num_threads)
    cameras = _cameras(positions, headings, mask)
    seen = np.flatnonzero(_mask(mask, (len(cameras),))).astype(np.int32)
    reach = field.reach * (1 + 1e-9)  # a bit more: the backend decides
    near = seen[cKDTree(cameras[seen, :2]).query_pairs(reach, output_type="ndarray")]
    found = [(seen, seen, np.ones(len(seen)))]
    for i, j in (near[start : start + _CHUNK].T for start in range(0, len(near), _CHUNK)):
        overlaps = _overlaps(field, cameras, cameras, i, j, np.empty(len(i)))
        i, j, overlaps = (array[overlaps > 0] for array in (i, j, overlaps))
        found += [(i, j, overlaps), (j, i, overlaps)]
    i, j, overlaps = map(np.concatenate, zip(*found, strict=True))
    return csr_array((overlaps, (i, j)), shape=(len(cameras), len(cameras)))


class _Field(NamedTuple):
    compute: Callable  # one of BACKENDS, which takes what follows, in this order
    radius: float
    reach: float  # metres between cameras whose overlap is not 0 by definition
    whole: float  # the area that counts as overlap 1, at radius 1
    angle: float
    points: int
    num_threads: int


def _overlaps(field, a, b, i, j, out) -> np.ndarray:
    """Fill out with overlaps of cameras (n, 4) of a and b: (m,) by pairs, (R, A) all with all."""
    compute, *settings = field
    i, j = (np.ascontiguousarray(index, dtype=np.int64) for index in (i, j))
    compute(a, b, i, j, *settings, out)
    return out


def _field(radius, angle, points, cutoff="exact", name=None, num_threads=1) -> _Field:
    name = backend(angle) if name is None else name
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
    if not isinstance(num_threads, int | np.integer) or num_threads < 1:
        raise ValueError(f"num_threads must be a whole number from 1, not {num_threads}")
    polygon, sector = (points - 2) * np.sin(step) / 2, angle / 2  # their areas
    reach, whole = (2 * radius, polygon) if cutoff == "exact" else (radius, sector)
    return _Field(BACKENDS[name], radius, reach, whole, angle, int(points), int(num_threads))


def _numbers(array, name, shape) -> np.ndarray:
    """array as float64; a None in shape is any length."""
    array = np.asarray(array)
    lengths = [t if s is None else s for s, t in zip(shape, array.shape, strict=False)]
    if array.dtype.kind not in "biuf" or array.ndim != len(shape) or array.shape != (*lengths,):
        shape = str(shape).replace("None", "n")
        raise ValueError(f"{name} must be real, {shape}, not {array.dtype}, {array.shape}")
    return array.astype(np.float64, copy=False)


def _cameras(positions, headings, mask=None, of="", only=None) -> np.ndarray:
    """Cameras (n, 4): x, y, nan where masked out, and sine and cosine of the heading.

    of: whose they are, for messages. only: (m,) indices of the cameras to return.
    """
    positions = _numbers(positions, "positions" + of, (None, 2))
    headings = _numbers(headings, "headings" + of, (len(positions),))
    mask = _mask(mask, headings.shape)
    if only is not None:
        positions, headings, mask = positions[only], headings[only], mask[only]
    for quantity, values in (("position", positions), ("heading", headings)):
        if not (finite := np.isfinite(values)).all():
            for k in np.flatnonzero(mask & ~finite.reshape(len(mask), -1).all(1))[:1]:
                number = k if only is None else only[k]
                raise ValueError(f"{quantity} of camera {number}{of} is {values[k]}")
    if not mask.all():
        positions = np.where(mask[:, None], positions, np.nan)
        headings = np.where(mask, headings, 0)
    out = np.empty((len(mask), 4))
    out[:, :2] = positions
    np.sin(headings, out=out[:, 2])
    np.cos(headings, out=out[:, 3])
    return out


def _mask(mask, shape) -> np.ndarray:
    mask = np.ones(shape, bool) if mask is None else np.asarray(mask)
    if mask.dtype != bool or mask.shape != shape:
        raise ValueError(f"mask must be bool, {shape}, not {mask.dtype}, {mask.shape}")
    return mask


def _members(index, n) -> np.ndarray:
    """Whether each of 0 to n - 1 is in an index array, (n,) bool."""
    out = np.zeros(n, bool)
    out[index] = True
    return out


def _indices(index, n, name, shape="(m,)", least=0) -> np.ndarray:
    """index as int64, its values from least to n - 1."""
    index = np.asarray(index)
    if index.ndim != len(shape.split()) or index.dtype.kind not in "iu":
        raise ValueError(f"{name} must be int, {shape}, not {index.dtype}, {index.shape}")
    low, high = (index.min(), index.max()) if index.size else (least, n - 1)
    if low < least or high >= n:
        raise ValueError(f"{name} must be from {least} to {n - 1}, not {low}..{high}")
    return index.astype(np.int64, copy=False)
