"""Ray caster in two and a half dimensions: vertical textured walls seen by an upright camera.

Nothing here knows about streets. World axes are x = east, y = north, z = up, in metres; angles
are clockwise from north, in radians. Letters: W image columns, H image rows, S walls, L layers
(the nearest L walls met by each column's ray).
"""

from dataclasses import dataclass

import numpy as np

from gcsa.miniworld.atlas import Atlas


@dataclass(frozen=True)
class Walls:
    """S vertical rectangles. A wall is seen from the side where `start` is at the left."""

    start: np.ndarray  # (S, 2) float32, metres
    end: np.ndarray  # (S, 2) float32, metres
    base: np.ndarray  # (S,) float32, metres above the ground
    top: np.ndarray  # (S,) float32
    texture: np.ndarray  # (S,) int32, number in the atlas
    tint: np.ndarray  # (S, 3) float32, factor on the texture's colour

    def __len__(self) -> int:
        return len(self.start)

    def take(self, index: np.ndarray) -> "Walls":
        """Return the walls chosen by an index array or a mask."""
        return Walls(**{name: value[index] for name, value in vars(self).items()})

    @staticmethod
    def join(*parts: "Walls") -> "Walls":
        """Return all walls of the parts, in order."""
        return Walls(
            **{name: np.concatenate([vars(p)[name] for p in parts]) for name in vars(parts[0])}
        )


@dataclass(frozen=True)
class Camera:
    """An upright camera. Column w looks along heading + angle[w].

    A point at range d (metres in the ground plane, along the column's ray) and height z appears in
    the row whose slope is (z - eye) / (d * depth[w]).
    """

    position: np.ndarray  # (2,) float64, metres
    eye: float  # height of the camera above the ground, metres
    heading: float  # radians
    angle: np.ndarray  # (W,) float32, radians, increasing to the right
    depth: np.ndarray  # (W,) float32, range to image depth: cos(angle), or 1 for a cylinder
    slope: np.ndarray  # (H,) float32, from the top row to the bottom row

    @property
    def rays(self) -> np.ndarray:
        """(W, 2) float32 unit directions."""
        bearing = self.heading + self.angle
        return np.stack([np.sin(bearing), np.cos(bearing)], 1).astype(np.float32)


def perspective(position, eye, heading, size, fov=np.pi / 2, pitch=0.0) -> Camera:
    """Pinhole camera of `size` = (width, height) pixels and horizontal field of view `fov`.

    A small `pitch` (radians, up) moves the horizon and leaves verticals upright.
    """
    width, height = size
    focal = width / 2 / np.tan(fov / 2)
    across = (np.arange(width) + 0.5 - width / 2) / focal
    slope = (height / 2 - np.arange(height) - 0.5) / focal + np.tan(pitch)
    angle = np.arctan(across)
    return Camera(np.asarray(position, float), eye, heading, *_float32(angle, np.cos(angle), slope))


def panorama(position, eye, heading, size) -> Camera:
    """Equirectangular camera: columns cover the full circle, rows 180 degrees of elevation."""
    width, height = size
    angle = ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    slope = np.tan((0.5 - (np.arange(height) + 0.5) / height) * np.pi)
    parts = _float32(angle, np.ones(width), slope)
    return Camera(np.asarray(position, float), eye, heading, *parts)


def _float32(*arrays):
    return [np.asarray(a, np.float32) for a in arrays]


def nearby(walls: Walls, camera: Camera, reach: float) -> np.ndarray:
    """Return the indices of walls that face the camera and come within about `reach` metres."""
    q = walls.start - camera.position.astype(np.float32)
    e = walls.end - walls.start
    faces = _cross(e, -q) < 0
    middle = q + 0.5 * e
    length2 = (e * e).sum(1)
    near = (middle * middle).sum(1) < (reach + 0.5 * np.sqrt(length2)) ** 2
    return np.flatnonzero(faces & near)


@dataclass(frozen=True)
class Hits:
    """The nearest walls along each column's ray, nearest first; range inf stands for none."""

    range: np.ndarray  # (W, L) float32, metres along the ray
    wall: np.ndarray  # (W, L) int
    along: np.ndarray  # (W, L) float32, metres from the wall's start


def cast(walls: Walls, camera: Camera, layers: int = 4, reach: float = 150.0) -> Hits:
    """Meet every ray with every wall and keep the nearest `layers` hits of each ray."""
    rays = camera.rays  # (W, 2)
    if len(walls) == 0:
        nothing = np.full((len(rays), 1), np.inf, np.float32)
        return Hits(nothing, np.zeros(nothing.shape, int), np.zeros_like(nothing))
    q = walls.start - camera.position.astype(np.float32)  # (S, 2)
    e = walls.end - walls.start
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = 1 / _cross(rays[:, None], e)  # (W, S); infinite for parallel rays
        distance = _cross(q, e) * inverse
        share = _cross(q, rays[:, None]) * inverse
        slack = 1e-4  # closes hairline cracks between walls that share an end
        met = (distance > 0.05) & (distance < reach) & (share >= -slack) & (share <= 1 + slack)
    distance = np.where(met, distance, np.inf).astype(np.float32)
    layers = min(layers, len(walls))
    if layers < len(walls):
        order = np.argpartition(distance, layers - 1, axis=1)[:, :layers]
    else:
        order = np.broadcast_to(np.arange(len(walls)), distance.shape)
    kept = np.take_along_axis(distance, order, 1)
    order = np.take_along_axis(order, np.argsort(kept, axis=1, kind="stable"), 1)
    length = np.sqrt((e * e).sum(1))
    share = np.take_along_axis(np.where(met, share, 0), order, 1)
    along = np.clip(share, 0, 1 - 1e-6) * length[order]
    return Hits(np.take_along_axis(distance, order, 1), order, along.astype(np.float32))


def _cross(a, b):
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


@dataclass
class View:
    """What the camera sees, before light: painted in place, nearest first."""

    color: np.ndarray  # (H, W, 3) uint8 albedo
    glow: np.ndarray  # (H, W) uint8: 0 for matt surfaces, else the number of a window
    range: np.ndarray  # (H, W) float32 metres along the ray, inf where nothing is painted
    wall: np.ndarray  # (H, W) int32, -1 where no wall is seen

    @staticmethod
    def empty(camera: Camera) -> "View":
        shape = len(camera.slope), len(camera.angle)
        return View(
            np.zeros((*shape, 3), np.uint8),
            np.zeros(shape, np.uint8),
            np.full(shape, np.inf, np.float32),
            np.full(shape, -1, np.int32),
        )


def paint_walls(view: View, camera: Camera, walls: Walls, hits: Hits, atlas: Atlas) -> None:
    """Paint the hit walls into the open pixels of `view`, from the nearest layer to the last."""
    for layer in range(hits.range.shape[1]):
        distance, wall = hits.range[:, layer], hits.wall[:, layer]
        if not np.isfinite(distance).any():
            break
        flat = np.where(np.isfinite(distance), distance, 0)
        height = camera.eye + camera.slope[:, None] * (flat * camera.depth)  # (H, W)
        shown = (height >= walls.base[wall]) & (height < walls.top[wall])
        shown &= np.isfinite(distance) & np.isinf(view.range)
        row, col = np.nonzero(shown)
        _paint_pixels(view, camera, walls, atlas, layer, hits, row, col, height[row, col])


def _paint_pixels(view, camera, walls, atlas, layer, hits, row, col, height):
    wall, distance = hits.wall[col, layer], hits.range[col, layer]
    up = (height - walls.base[wall]) / (walls.top[wall] - walls.base[wall])
    step = np.abs(np.diff(camera.slope)).min()  # of slope between rows, at the horizon
    pixel = distance * camera.depth[col] * step  # metres covered by one pixel
    texel = atlas.fetch(walls.texture[wall], hits.along[col, layer], up, pixel)
    solid = texel[:, 4] > 127
    row, col, wall, texel = row[solid], col[solid], wall[solid], texel[solid]
    tinted = texel[:, :3] * walls.tint[wall]
    view.color[row, col] = np.minimum(tinted, 255)
    view.glow[row, col] = texel[:, 3]
    view.range[row, col] = distance[solid]
    view.wall[row, col] = wall


def plane_points(camera: Camera, height: float, open_pixels: np.ndarray):
    """Meet open pixels with the horizontal plane at `height`: a floor or a ceiling.

    Returns (row, col, range, points): indices (P,), metres along the ray (P,), world x, y (P, 2).
    """
    drop = height - camera.eye
    toward = camera.slope * drop > 0
    row, col = np.nonzero(open_pixels & toward[:, None])
    distance = drop / (camera.slope[row] * camera.depth[col])
    points = camera.position + distance[:, None] * camera.rays[col]
    return row, col, distance.astype(np.float32), points
