"""The images of LaMAR sessions as cameras in space, and which see the same, by geometry alone.

An image is positive to a query if their fields of view overlap by a third (radius 10 m, 90
degrees) and their heights differ by at most 3 m. Where both have depth maps walls count too: the
fields must overlap at all, and a fifth of the query's surface must be seen by the image.

Depth maps are those of depths.txt (16-bit PNG, metres times 1000) that belong to an image's own
camera at its own timestamp: pixel by pixel, at any resolution, the distance along the camera's
axis. 0 is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from gcsa.datasets.lamar.cameras import pixels_to_rays, rays_to_pixels
from gcsa.datasets.lamar.capture import find
from gcsa.datasets.lamar.records import Camera
from gcsa.datasets.lamar.scene import Part
from gcsa.datasets.lamar.table import Kind, read_table
from gcsa.errors import InputError, MissingFileError, given
from gcsa.evaluation.truth import Truth
from gcsa.imaging import opened
from gcsa.localization.poses import Poses
from gcsa.scene import Scene
from gcsa.sideinfo import fov
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import OVERLAP

FIELD = FovConfig(radius=10.0)
HEIGHT = 3.0  # metres; further apart two cameras are on different floors
SEEN = 0.2  # share of the query's surface that a positive sees, where there are depth maps
CHUNK = 512  # queries whose neighbours are looked up at a time
GRID = 12  # depth is compared at GRID x GRID pixels, spread evenly
AGREE = 0.05  # share of the depth that two surfaces may be apart, and at least 0.05 m
MAPS_KEPT = 2048  # depth maps that stay in memory, thinned to at most
MAP_SIDE = 256  # pixels along their longer side: 500 MB in all, at the most


@dataclass(frozen=True, eq=False)
class Views:
    """Images with known cameras, row by row.

    names: (n,) str, relative to the scene's folder. poses: camera-to-world. cameras: n of them.
    depth_paths: depth map files, None where an image has none.
    """

    names: np.ndarray
    poses: Poses
    cameras: list[Camera]
    depth_paths: list[Path | None]

    @cached_property
    def has_depth(self) -> np.ndarray:
        """(n,) bool: which images have a depth map."""
        return np.array([path is not None for path in self.depth_paths])

    @staticmethod
    def of(parts: Sequence[Part]) -> Views:
        """The images of some sessions, one after another."""
        rotations, positions = zip(*(part.poses() for part in parts), strict=True)
        return Views(
            names=np.concatenate([part.names for part in parts]),
            poses=Poses(np.concatenate(rotations), np.concatenate(positions)),
            cameras=[camera for part in parts for camera in part.cameras()],
            depth_paths=[path for part in parts for path in _depth_paths(part)],
        )


def _depth_paths(part: Part) -> list[Path | None]:
    session, rows = part.session, part.rows
    columns: dict[str, Kind] = {"timestamp": int, "sensor_id": "category", "depth_path": str}
    table = read_table(session.folder / "depths.txt", columns, widths=(3,))
    if table is None:
        return [None] * len(rows)
    images, folder = session.listed, session.folder / "raw_data"
    keys = table.numbers("timestamp"), table.strings("sensor_id")
    found = find(images.timestamps[rows], images.sensor_ids[rows], *keys)
    paths = table.strings("depth_path")
    return [folder / paths[row] if row >= 0 else None for row in found]


def geometric(
    scene: Scene,
    truth: Truth,
    queries: np.ndarray,
    database: np.ndarray,
    views: tuple[Views, Views],
) -> np.ndarray:
    """Whether pairs of a query (m,) and a database image (m,) are positive by geometry: (m,) bool.

    views: the images of the queries and of the database, for their depth maps.
    """
    a = truth.positions[queries]
    b = given(scene.database.positions, f"{scene.name}: positions")[database]
    heading_a = given(truth.headings, f"{scene.name}: headings of the queries")[queries]
    heading_b = given(scene.database.headings, f"{scene.name}: headings")[database]
    with np.errstate(invalid="ignore"):
        known = np.isfinite(heading_a + heading_b) & (np.abs(a[:, 2] - b[:, 2]) <= HEIGHT)
    overlap = np.zeros(len(queries))
    overlap[known] = fov.overlap_of_pairs(
        a[known, :2], heading_a[known], b[known, :2], heading_b[known], **FIELD.kwargs()
    )
    positive = overlap >= OVERLAP
    depth = views[0].has_depth[queries] & views[1].has_depth[database]
    for i in np.flatnonzero(depth & (overlap > 0)):
        share = seen_share(views[0], int(queries[i]), views[1], int(database[i]))
        positive[i] = share >= SEEN
    return positive


def geometry_labels(
    scene: Scene,
    truth: Truth,
    topk: np.ndarray,
    own_queries: bool,
    views: tuple[Views, Views],
) -> tuple[np.ndarray, np.ndarray | None]:
    """Labels (Q, N) bool of candidates (Q, N), and how many database images are positive, (Q,).

    own_queries: the queries are the database images: only the candidates are looked at, and there
    are no numbers (None). views: see :func:`geometric`.
    """
    labels = np.zeros(topk.shape, dtype=bool)
    if own_queries:
        for start in range(0, len(topk), CHUNK):
            query, column = np.nonzero(topk[start : start + CHUNK] >= 0)
            database = topk[start + query, column]
            labels[start + query, column] = geometric(scene, truth, start + query, database, views)
        return labels, None
    num_pos = np.zeros(len(topk), dtype=np.int64)
    positions = given(scene.database.positions, f"{scene.name}: positions")
    for query, database in _near(truth.positions, positions):
        positive = geometric(scene, truth, query, database, views)
        num_pos += np.bincount(query[positive], minlength=len(topk))
        key = query[positive] * len(scene.database) + database[positive]
        rows = np.unique(query)
        keys = rows[:, None] * len(scene.database) + topk[rows]
        labels[rows] = np.isin(keys, key) & (topk[rows] >= 0)
    return labels, num_pos


def _near(queries: np.ndarray, database: np.ndarray):
    """Yield (query (m,), database (m,)) rows of all pairs whose fields may overlap, in chunks."""
    rows = np.flatnonzero(np.isfinite(database).all(axis=1))
    known = np.flatnonzero(np.isfinite(queries).all(axis=1))
    tree = cKDTree(database[rows, :2])
    for start in range(0, len(known), CHUNK):
        chunk = known[start : start + CHUNK]
        near = tree.query_ball_point(queries[chunk, :2], 2 * FIELD.radius * (1 + 1e-9))
        flat = np.concatenate([np.asarray(n, dtype=np.int64) for n in near])
        yield np.repeat(chunk, [len(n) for n in near]), rows[flat]


def seen_share(a: Views, i: int, b: Views, j: int) -> float:
    """The share of what image i of ``a`` sees that image j of ``b`` sees too; both have depth.

    Of the sampled pixels of image i that have a depth, those whose points lie ahead of camera j,
    in its picture, and at the depth that its own map has there: neither hidden nor beyond.
    """
    points = _points(a, i)
    if len(points) == 0 or not b.poses.known[j]:
        return 0.0
    local = (points - b.poses.positions[j]) @ b.poses.rotations[j]
    local = local[local[:, 2] > 0]
    camera, depth = b.cameras[j], _depth(b.depth_paths[j])
    pixels = rays_to_pixels(camera.model, camera.params, local[:, :2] / local[:, 2:])
    cells, inside = _cells(pixels, camera, depth)
    there, expected = depth[cells[inside, 1], cells[inside, 0]], local[inside, 2]
    agree = (there > 0) & (np.abs(there - expected) <= AGREE * np.maximum(expected, 1))
    return float(agree.sum() / len(points))


@lru_cache(maxsize=MAPS_KEPT)
def _points(views: Views, row: int) -> np.ndarray:
    """World points (m, 3) at the sampled pixels of an image that have a depth."""
    camera, depth = views.cameras[row], _depth(views.depth_paths[row])
    steps = (np.arange(GRID) + 0.5) / GRID
    x, y = np.meshgrid(steps * camera.width, steps * camera.height)
    pixels = np.stack([x.ravel(), y.ravel()], axis=1)
    cells, _ = _cells(pixels, camera, depth)
    values = depth[cells[:, 1], cells[:, 0]]
    rays = pixels_to_rays(camera.model, camera.params, pixels)
    good = (values > 0) & np.isfinite(rays).all(axis=1)
    local = np.column_stack([rays, np.ones(len(rays))])[good] * values[good, None]
    points = local @ views.poses.rotations[row].T + views.poses.positions[row]
    return points[np.isfinite(points).all(axis=1)]


def _cells(pixels: np.ndarray, camera: Camera, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Column and row (m, 2) of the depth map at pixels (m, 2), and which lie in the image (m,)."""
    size = np.array([camera.width, camera.height])
    inside = np.all((pixels >= 0) & (pixels < size), axis=1)
    scaled = np.where(inside[:, None], pixels, 0) * (np.array(depth.shape[::-1]) / size)
    return np.minimum(scaled.astype(np.int64), np.array(depth.shape[::-1]) - 1), inside


@lru_cache(maxsize=MAPS_KEPT)
def _depth(path: Path) -> np.ndarray:
    """A depth map (h, w) float32, metres; of a large one every so many pixels."""
    if not path.is_file():
        raise MissingFileError(f"{path}: no such depth map, although depths.txt lists it")
    with opened(path) as (image, _):
        step = -(-max(image.size) // MAP_SIDE)
        values = np.asarray(image)[::step, ::step]
    if values.ndim != 2:
        raise InputError(f"{path}: a picture in colours; expected a depth map, a number a pixel")
    return values.astype(np.float32) / 1000
