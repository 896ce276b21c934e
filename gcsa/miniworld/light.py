"""Weather, season and time of day: from what a camera sees to a photograph."""

from dataclasses import dataclass

import numpy as np

from gcsa.miniworld.ground import EARTH, KERB, MARKING, PAVEMENT, ROAD, Ground
from gcsa.miniworld.raycast import Camera, View, Walls, plane_points

PALETTES = {
    "summer": {EARTH: (96, 112, 66), PAVEMENT: (158, 154, 148), ROAD: (98, 98, 100)},
    "autumn": {EARTH: (136, 106, 62), PAVEMENT: (150, 136, 116), ROAD: (90, 86, 84)},
    "winter": {EARTH: (120, 116, 98), PAVEMENT: (148, 146, 146), ROAD: (92, 92, 96)},
    "snow": {EARTH: (236, 238, 244), PAVEMENT: (226, 228, 234), ROAD: (160, 162, 168)},
}
FIXED = {MARKING: (222, 222, 216), KERB: (186, 184, 180)}


@dataclass(frozen=True)
class Condition:
    """The circumstances of one drive."""

    date: str  # YYYY-MM-DD
    season: str  # of the trees: summer, autumn or winter
    snow: bool
    night: bool
    clear: bool  # blue sky and sun, else overcast
    sun: float  # direction of the sun, radians
    haze: float  # metres at which contrast falls to 37 %
    exposure: float  # factor
    balance: tuple[float, float, float]  # white balance, factor per channel
    grain: float  # standard deviation of the noise, 0..255
    phase: int  # which windows are lit


def photograph(
    view: View,
    camera: Camera,
    walls: Walls,
    ground: Ground,
    condition: Condition,
    random: np.random.Generator,
) -> np.ndarray:
    """Light the view and return the image (H, W, 3) uint8."""
    color = _wall_light(view, camera, walls, condition)
    _ground(view, camera, ground, condition, color)
    sky = np.isinf(view.range)
    horizon = _sky(camera, condition, random)
    air = np.exp(-np.where(sky, 0, view.range) / condition.haze)[..., None]
    color = color * air + horizon.mean((0, 1)) * (1 - air)
    color[sky] = horizon[sky]
    if condition.night:
        color = _night(view, camera, condition, color)
    color *= condition.exposure * np.asarray(condition.balance, np.float32)
    color += condition.grain * random.standard_normal(color.shape, np.float32)
    return np.clip(color, 0, 255).astype(np.uint8)


def _wall_light(view, camera, walls, condition) -> np.ndarray:
    """Albedo times the light that falls on each wall."""
    color = view.color.astype(np.float32)
    if len(walls):
        e = walls.end - walls.start
        e = e / np.maximum(np.hypot(*e.T), 1e-6)[:, None]
        toward_sun = e[:, 1] * np.sin(condition.sun) - e[:, 0] * np.cos(condition.sun)
        strength = 0.35 if condition.clear and not condition.night else 0.08
        light = 0.9 + strength * np.clip(toward_sun, -0.6, 1)
        color *= np.where(view.wall >= 0, light[view.wall], 1.0)[..., None].astype(np.float32)
    return color


def _ground(view, camera, ground, condition, color) -> None:
    row, col, distance, points = plane_points(camera, 0.0, np.isinf(view.range))
    palette = PALETTES["snow" if condition.snow else condition.season] | FIXED
    if condition.snow:
        palette |= {MARKING: (168, 170, 174), KERB: (214, 216, 220)}
    table = np.array([palette[k] for k in range(5)], np.float32)
    cell = np.floor(points * 3).astype(np.int64)  # patches of a third of a metre
    mottle = ((cell[:, 0] * 73856093) ^ (cell[:, 1] * 19349663)) % 97 / 96 - 0.5
    fade = 1 / (1 + distance / 8)
    color[row, col] = table[ground.at(points)] * (1 + 0.16 * mottle * fade)[:, None]
    view.range[row, col] = np.minimum(distance, 1e4)


def _sky(camera, condition, random) -> np.ndarray:
    """(H, W, 3) sky, also behind everything else."""
    up = np.clip(camera.slope, 0, 1)[:, None, None]
    if condition.night:
        low, high = np.array((44, 40, 46)), np.array((12, 13, 24))
    elif condition.clear:
        low, high = np.array((206, 220, 234)), np.array((104, 152, 214))
    else:
        low, high = np.array((206, 208, 212)), np.array((176, 180, 188))
    shape = len(camera.slope), len(camera.angle)
    clouds = random.random((5, 8))
    rows = np.linspace(0, 3.99, shape[0]).astype(int)
    cols = np.linspace(0, 6.99, shape[1])
    left = cols.astype(int)
    blend = cols - left
    cloud = clouds[rows][:, left] * (1 - blend) + clouds[rows][:, left + 1] * blend
    sky = low + (high - low) * up + (6 if condition.night else 18) * (cloud - 0.5)[..., None]
    return np.broadcast_to(sky, (*shape, 3)).astype(np.float32)


def _night(view, camera, condition, color) -> np.ndarray:
    """Darkness, headlights, lit windows and lamps."""
    beam = np.maximum(np.cos(camera.angle), 0) ** 2
    head = 0.5 * beam / (1 + (view.range / 14) ** 2)
    lit_ground = np.where(view.range < 1e3, 0.26 + head, 1.0)
    color = color * lit_ground[..., None] * np.array((1.08, 0.98, 0.84), np.float32)
    number = view.glow.astype(int)
    chance = (number * 37 + np.maximum(view.wall, 0) * 11 + condition.phase) % 256
    window = (number > 0) & (number < 255) & (chance < 90)
    color[window] = np.array((238, 200, 128)) * (0.6 + chance[window, None] / 220)
    color[number == 255] = (255, 240, 206)
    return color
