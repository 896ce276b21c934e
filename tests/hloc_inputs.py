"""What hloc reads: a COLMAP model of the map, keypoints, matches; names alone, no numbers."""

import itertools
import struct
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from gcsa.datasets.lamar.cameras import rays_to_pixels
from gcsa.datasets.lamar.scene import read_scene
from gcsa.localization.views import Views


def write_images(path: Path, names: Sequence[str]) -> None:
    """COLMAP's images.bin of images with two points each."""
    records = [struct.pack("<Q", len(names))]
    for number, name in enumerate(names):
        head = struct.pack("<I7dI", number + 1, 1, 0, 0, 0, 0, 0, 0, 1)
        points = struct.pack("<Q2dQ2dQ", 2, 1.5, 0, 2**64 - 1, 2.5, 0, 7)
        records.append(head + str(name).encode() + b"\0" + points)
    path.write_bytes(b"".join(records))


def write_hloc(hall: Path, matched: bool = True) -> None:
    """What hloc reads, without numbers: a model of the map, keypoints, matches of all pairs."""
    scene, _ = read_scene(hall / "datasets/lamar", "CAB")
    queries, database = scene.queries.names, scene.database.names
    (hall / "reference_sfm_CAB").mkdir(exist_ok=True)
    write_images(hall / "reference_sfm_CAB/images.bin", database)
    with h5py.File(hall / "features_CAB", "w") as file:
        for name in (*queries, *database):
            file[f"{name}/keypoints"] = np.zeros((0, 2))
    with h5py.File(hall / "matches_CAB", "w") as file:
        for a, b in itertools.product(queries, database) if matched else ():
            file[f"{a.replace('/', '-')}/{b.replace('/', '-')}/matches0"] = np.zeros(0)


def write_local(path: Path, views: Views, noise: float = 0.2, without: Sequence[str] = ()) -> None:
    """Local features of random points in space as the images of known poses truly see them.

    noise: standard deviation of keypoints, pixels. without: images that see nothing.
    """
    random, middle = np.random.default_rng(0), np.nanmean(views.poses.positions, axis=0)
    points = middle + random.uniform(-1, 1, (1500, 3)) * [12, 12, 3]
    looks = random.normal(size=(len(points), 32))
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    with h5py.File(path, "w") as file:
        for row, name in enumerate(views.names):
            camera = views.cameras[row]
            local = (points - views.poses.positions[row]) @ views.poses.rotations[row]
            ahead = (local[:, 2] > 1) & (local[:, 2] < 12) & (name not in without)
            rays = local[:, :2] / np.where(ahead, local[:, 2], 1)[:, None]
            pixels = rays_to_pixels(camera.model, camera.params, rays)
            seen = ahead & ((pixels >= 0) & (pixels < [camera.width, camera.height])).all(axis=1)
            at = pixels[seen] + noise * random.normal(size=(seen.sum(), 2))
            file[f"{name}/keypoints"] = at - 0.5
            file[f"{name}/descriptors"] = looks[seen].T


def write_shifted(path: Path, shifts: dict[str, tuple[float, float] | None]) -> None:
    """Features of images of the same random points, moved by (x, y), or of others for None."""
    random = np.random.default_rng(0)
    points, rows = random.uniform(0, 200, (40, 2)), random.normal(size=(16, 40))
    with h5py.File(path, "w") as file:
        for name, shift in shifts.items():
            if shift is None:
                rows, shift = random.normal(size=(16, 40)), (0, 0)
            file[f"{name}/keypoints"] = points + shift
            file[f"{name}/descriptors"] = rows / np.linalg.norm(rows, axis=0)
