"""Render the frames of a drive."""

from pathlib import Path

import numpy as np
from PIL import Image

from gcsa.files import replacing
from gcsa.miniworld.drives import Drive
from gcsa.miniworld.layout import City, Library, cars, park_cars
from gcsa.miniworld.light import photograph
from gcsa.miniworld.plan import Size, random_of
from gcsa.miniworld.raycast import View, Walls, cast, nearby, paint_walls, panorama, perspective
from gcsa.miniworld.sprites import paint_sprites

REACH = 130.0  # metres


def render_drive(drive: Drive, city: City, library: Library, size: Size, random):
    """Yield one image (H, W, 3) uint8 a frame; a panorama is 1.5 times as wide and 2:1."""
    walls = Walls.join(city.walls, park_cars(random, city.streets, random.uniform(0.1, 0.35)))
    eye, pitch = random.uniform(1.7, 2.1), random.normal(0, 0.01)
    for i in range(len(drive)):
        shake = pitch + random.normal(0, 0.005)
        here, heading = drive.position[i], drive.heading[i]
        if drive.panorama:
            pixels = size.width * 3 // 2, size.width * 3 // 4
            camera = panorama(here, eye, heading, pixels)
        else:
            camera = perspective(here, eye, heading, (size.width, size.height), pitch=shake)
        traffic = _with_traffic(random, drive, i, walls)
        image = render_image(camera, traffic, city, library, drive, random)
        yield _dashboard(image) if drive.dashboard and not drive.panorama else image


def render_image(camera, walls: Walls, city: City, library: Library, drive: Drive, random):
    """Render one image (H, W, 3) uint8 under the drive's condition."""
    near = walls.take(nearby(walls, camera, REACH))
    view = View.empty(camera)
    paint_walls(view, camera, near, cast(near, camera, reach=REACH), library.atlas)
    things, pictures = city.sprites, library.pictures[drive.condition.season]
    paint_sprites(view, camera, things.points, things.size, things.kind, pictures)
    return photograph(view, camera, near, city.ground, drive.condition, random)


def _with_traffic(random, drive: Drive, i: int, walls: Walls) -> Walls:
    """Sometimes another car drives ahead of the camera or comes towards it."""
    if random.random() > 0.12:
        return walls
    ahead = np.array([np.sin(drive.heading[i]), np.cos(drive.heading[i])])
    left = np.array([-ahead[1], ahead[0]])
    oncoming = random.random() < 0.5
    where = drive.position[i] + random.uniform(9, 30) * ahead + (3.2 * left if oncoming else 0)
    course = drive.heading[i] + (np.pi if oncoming else 0)
    return Walls.join(walls, cars(random, where[None], np.array([course])))


def _dashboard(image: np.ndarray) -> np.ndarray:
    """Cover the lowest rows with the dashboard of the car that carries the camera."""
    high, wide = image.shape[:2]
    arch = 0.88 + 0.06 * np.linspace(-1, 1, wide) ** 2
    image = image.copy()
    image[np.arange(high)[:, None] > arch * high] = (26, 26, 28)
    return image


def save_drive(drive: Drive, folder: Path, images) -> None:
    """Write the images of a drive as <key>.jpg."""
    for key, image in zip(drive.keys, images, strict=True):
        with replacing(folder / f"{key}.jpg", durable=False) as temporary:
            Image.fromarray(image).save(temporary, "JPEG", quality=88)


def is_saved(drive: Drive, folder: Path) -> bool:
    """Whether an earlier run has written all images of a drive."""
    return all((folder / f"{key}.jpg").exists() for key in drive.keys)


def drive_random(seed: int, city: int, role: str, drive: Drive) -> np.random.Generator:
    """Return the generator for everything that passes: cars, shake, clouds, noise."""
    return random_of(seed, "render", city, role, drive.number)
