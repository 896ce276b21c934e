"""Render the images of a recording, and the depth maps behind them."""

from pathlib import Path

import numpy as np
from PIL import Image

from gcsa.files import replacing
from gcsa.miniworld.building.capture import depth_path
from gcsa.miniworld.building.house import House
from gcsa.miniworld.building.light import paint_planes, photograph
from gcsa.miniworld.building.sessions import Recording, Shot
from gcsa.miniworld.building.textures import Library
from gcsa.miniworld.building.things import people, pictures_of
from gcsa.miniworld.plan import random_of
from gcsa.miniworld.raycast import View, Walls, cast, nearby, paint_walls, perspective
from gcsa.miniworld.sprites import paint_sprites

REACH = 70.0  # metres
LAYERS = 7  # posters, walls, lintels and rooms behind them, along one ray
DEPTH_STEP = 2  # image pixels to one of the depth map, across and down


def render_shot(shot: Shot, house: House, level: int, walls: Walls, library: Library, condition,
                pictures, random):  # fmt: skip
    """Return the image (H, W, 3) uint8 and the depth (H, W) float32 in metres, without people."""
    storey, lens = house.storeys[level], shot.lens
    eye, frame = shot.position[2] - storey.level, (lens.width, lens.height)
    camera = perspective(shot.position[:2], eye, shot.heading, frame, lens.fov, lens.pitch)
    near = walls.take(nearby(walls, camera, REACH))
    view = View.empty(camera)
    paint_walls(view, camera, near, cast(near, camera, LAYERS, REACH), library.atlas)
    paint_planes(view, camera, house, level)
    depth = np.where(np.isfinite(view.range), view.range * camera.depth, 0)
    for points, size, kind in (storey.things, people(shot, condition, random)):
        paint_sprites(view, camera, points, size, kind, pictures)
    return photograph(view, camera, near, condition, random), depth


def render_recording(
    recording: Recording, house: House, library: Library, folder: Path, depth: bool, seed: int
) -> None:
    """Render and save all images of a recording under `folder`, raw_data/ of its session."""
    key = house.number, recording.session, recording.number
    random = random_of(seed, "building", "render", *key)
    walls = house.storeys[recording.level].walls[recording.condition.epoch]
    pictures = pictures_of(seed)
    for shot in recording.shots:
        image, far = render_shot(
            shot, house, recording.level, walls, library, recording.condition, pictures, random
        )
        if depth:
            _save_depth(folder / depth_path(shot.path), far)
        with replacing(folder / shot.path, durable=False) as temporary:
            Image.fromarray(image).save(temporary, "JPEG", quality=88)


def _save_depth(path: Path, depth: np.ndarray) -> None:
    """16-bit PNG, millimetres, at a lower resolution; 0 is unknown."""
    small = np.round(depth[::DEPTH_STEP, ::DEPTH_STEP] * 1000)
    with replacing(path, durable=False) as temporary:
        Image.fromarray(np.clip(small, 0, 65535).astype(np.uint16)).save(temporary, "PNG")


def is_saved(recording: Recording, folder: Path) -> bool:
    """Whether an earlier run has written all images of a recording."""
    return all((folder / shot.path).exists() for shot in recording.shots)
