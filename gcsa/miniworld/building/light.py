"""Floors, ceilings and light: from what a camera sees to a photograph."""

from dataclasses import dataclass

import numpy as np

from gcsa.miniworld.building.house import CELL, House
from gcsa.miniworld.building.pictures import LAMP, PANE
from gcsa.miniworld.raycast import Camera, View, Walls, plane_points

CEILING, LAMP_OFF = (212, 212, 208), (190, 190, 188)


@dataclass(frozen=True)
class Condition:
    """The circumstances of one sub-session."""

    epoch: str  # "map" or "query": which posters hang
    lights: bool
    daylight: float  # 0 (night) .. 1
    exposure: float  # factor
    balance: tuple[float, float, float]  # white balance, factor per channel
    grain: float  # standard deviation of the noise, 0..255
    blur: float  # chance that a frame is blurred by motion
    color: float  # saturation, 0 (grey) .. 1


def draw_condition(device: str, epoch: str, random: np.random.Generator) -> Condition:
    """Map sessions are taken in good light; queries when they please."""
    late = epoch == "query"
    lights = not (late and random.random() < 0.25)
    phone = device == "phone"
    return Condition(
        epoch=epoch,
        lights=lights,
        daylight=float(random.uniform(0.1, 1.0) if late else random.uniform(0.7, 1.0)),
        exposure=float(random.normal(1.0, 0.1 if late else 0.05)),
        balance=tuple(random.normal(1.0, 0.03 if late else 0.02, 3)),
        grain=float(random.uniform(1, 3) if late else random.uniform(0.5, 2)),
        blur=(0.1 if phone else 0.06) if late else 0.03,
        color=0.75 if device == "hololens" else 1.0,
    )


def paint_planes(view: View, camera: Camera, house: House, level: int) -> None:
    """Paint floor and ceiling into the open pixels of a view whose heights count from the floor."""
    row, col, distance, points = plane_points(camera, 0.0, np.isinf(view.range))
    plan = house.frame.to_plan(points)
    view.color[row, col] = np.clip(_floor(house, level, plan, distance), 0, 255)
    view.range[row, col] = distance
    ceiling = house.layout.shape.ceiling
    row, col, distance, points = plane_points(camera, ceiling, np.isinf(view.range))
    plan = house.frame.to_plan(points)
    fade = np.exp(-distance / 12)
    joint = ((plan % 0.6) < 0.04).any(1)
    view.color[row, col] = (np.array(CEILING) * (1 - 0.14 * joint * fade)[:, None]).astype(np.uint8)
    lamp = raster_at(house, house.lamp, plan)
    view.color[row[lamp], col[lamp]] = LAMP_OFF
    view.glow[row[lamp], col[lamp]] = PANE + 1
    view.range[row, col] = distance


def raster_at(house: House, raster: np.ndarray, plan: np.ndarray) -> np.ndarray:
    """Values of a raster at points (P, 2) in plan coordinates."""
    cell = np.floor((plan - house.corner) / CELL).astype(np.int64)
    cell = np.clip(cell, 0, np.array(raster.shape) - 1)
    return raster[cell[:, 0], cell[:, 1]]


def _floor(house: House, level: int, plan, distance) -> np.ndarray:
    material = raster_at(house, house.storeys[level].material, plan)
    cell = np.floor(plan * 4).astype(np.int64)
    mottle = ((cell[:, 0] * 73856093) ^ (cell[:, 1] * 19349663)) % 97 / 96 - 0.5
    fade = np.exp(-distance / 7)
    tiled = ((plan % 0.8) < 0.05).any(1) & (material % 2 == 0)
    shade = 1 + (0.06 * mottle - 0.16 * tiled) * fade
    return house.colors[material] * shade[:, None]


def photograph(
    view: View, camera: Camera, walls: Walls, condition: Condition, random: np.random.Generator
) -> np.ndarray:
    """Light the view and return the image (H, W, 3) uint8."""
    color = view.color.astype(np.float32)
    if len(walls):
        e = walls.end - walls.start
        e = e / np.maximum(np.hypot(*e.T), 1e-6)[:, None]
        light = 0.92 + 0.1 * (e[:, 0] * 0.8 + e[:, 1] * 0.6)
        color *= np.where(view.wall >= 0, light[view.wall], 1.0)[..., None].astype(np.float32)
    color *= _brightness(view, condition)[..., None]
    _glow(view, condition, color)
    color *= condition.exposure * np.asarray(condition.balance, np.float32)
    grey = color @ np.array([[0.299], [0.587], [0.114]], np.float32)
    color = grey + condition.color * (color - grey)
    if random.random() < condition.blur:
        color = _blurred(color, int(random.integers(3, 7)))
    color = color + condition.grain * random.standard_normal(color.shape[:2], np.float32)[..., None]
    return np.clip(color, 0, 255).astype(np.uint8)


def _brightness(view: View, condition: Condition) -> np.ndarray:
    """(H, W) light on each surface: lamps, or what comes in by the windows."""
    far = np.exp(-np.minimum(view.range, 1e3) / 18)
    if condition.lights:
        return (0.72 + 0.28 * far).astype(np.float32)
    # Cameras expose for the dark, but not in full.
    return ((0.62 + 0.2 * condition.daylight) * (0.6 + 0.4 * far)).astype(np.float32)


def _glow(view: View, condition: Condition, color: np.ndarray) -> None:
    pane, lamp = view.glow == PANE, (view.glow == PANE + 1) & condition.lights
    sky = np.array((225, 235, 250), np.float32) * condition.daylight
    color[pane] = np.maximum(sky, 24)
    color[lamp] = (255, 252, 240)
    always = view.glow == LAMP
    color[always] = view.color[always]


def _blurred(color: np.ndarray, width: int) -> np.ndarray:
    """Mean of `width` columns: the camera turns."""
    padded = np.pad(color, ((0, 0), (width // 2, width - 1 - width // 2), (0, 0)), "edge")
    total = np.cumsum(padded, 1, dtype=np.float32)
    total = np.concatenate([np.zeros_like(total[:, :1]), total], 1)
    return (total[:, width:] - total[:, :-width]) / width
