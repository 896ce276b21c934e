"""What hloc reads: a COLMAP model of the map, keypoints, matches; names alone, no numbers."""

import itertools
import struct
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from gcsa.datasets.lamar.scene import read_scene


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
