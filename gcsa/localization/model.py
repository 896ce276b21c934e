"""A map of photos at known poses: COLMAP's text model, without its points, read and written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from gcsa.datasets.folder.from_sfm import read_colmap_images
from gcsa.datasets.hloc import MOST_FIELDS
from gcsa.datasets.lamar.cameras import split
from gcsa.datasets.lamar.records import Camera
from gcsa.errors import InputError
from gcsa.files import make_folder, write_text
from gcsa.files.lines import fields_by_line
from gcsa.localization.poses import Poses
from gcsa.localization.views import Views


def read_model(folder: Path) -> Views:
    """The images of the model in ``folder``, cameras.txt and images.txt, in the model's world."""
    if not (folder / "images.txt").is_file() and (folder / "images.bin").is_file():
        raise InputError(
            f"{folder / 'images.bin'}: only text is read; convert it by "
            "'colmap model_converter --output_type TXT'"
        )
    cameras = _cameras(folder / "cameras.txt")
    (names, rotations, positions), numbers = read_colmap_images(folder / "images.txt")
    for name, number in zip(names, numbers, strict=True):
        if number not in cameras:
            raise InputError(f"{folder / 'cameras.txt'}: no camera {number}, of image '{name}'")
    poses = Poses(np.swapaxes(rotations, 1, 2), positions)
    listed = [cameras[number] for number in numbers]
    return Views(np.array(names), poses, listed, [None] * len(names))


def _cameras(path: Path) -> dict[str, Camera]:
    found = {}
    form = "CAMERA_ID MODEL WIDTH HEIGHT PARAMS..."
    for number, fields in fields_by_line(path, range(5, MOST_FIELDS), form, comments=True):
        try:
            size = int(fields[2]), int(fields[3])
            camera = Camera(fields[1], *size, tuple(float(field) for field in fields[4:]))
            split(camera.model, camera.params)
        except (ValueError, InputError) as error:
            raise InputError(f"{path}: line {number}: {error}; expected '{form}'") from error
        found[fields[0]] = camera
    return found


def write_model(folder: Path, views: Views) -> None:
    """Write the images whose poses are known into ``folder``: what :func:`read_model` reads.

    points3D.txt is written too, empty: COLMAP and hloc triangulate into such a model. Images with
    the same intrinsics have one camera.
    """
    rows, cameras = np.flatnonzero(views.poses.known), dict[Camera, int]()
    numbers = [cameras.setdefault(views.cameras[row], len(cameras) + 1) for row in rows]
    back = views.poses[rows].inverse()
    images = [
        f"{i} {_joined((*q, *t))} {camera} {name}\n\n"
        for i, (q, t, camera, name) in enumerate(
            zip(back.quaternions(), back.positions, numbers, views.names[rows], strict=True), 1
        )
    ]
    optics = [
        f"{number} {camera.model} {camera.width} {camera.height} {_joined(camera.params)}\n"
        for camera, number in cameras.items()
    ]
    make_folder(folder)
    write_text(folder / "cameras.txt", "".join(optics))
    write_text(folder / "images.txt", "".join(images))
    write_text(folder / "points3D.txt", "")


def _joined(values: Iterable[float]) -> str:
    return " ".join(repr(float(value)) for value in values)
