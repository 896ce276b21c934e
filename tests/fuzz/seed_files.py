"""The files that the readers read before they are made wrong."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from landmarks import write_landmarks
from PIL import Image
from worlds import write_descriptors

from gcsa.config import Config
from gcsa.datasets.folder.exif import read_pose
from gcsa.datasets.lamar.label_files import LabelFile, save_labels
from gcsa.datasets.landmarks import scene as revisited
from gcsa.descriptors.hdf5 import open_pack
from gcsa.imaging import read_rgb
from gcsa.local.files import LocalFeatures
from gcsa.localization import hloc_files, views
from gcsa.models.checkpoint import load_checkpoint, save_checkpoint
from gcsa.models.gcsa import GCSA
from gcsa.scoring.ranker import as_trained

NAMES = [f"db/{i}.jpg" for i in range(6)]


def rows(count: int = 6, dim: int = 8) -> np.ndarray:
    """Descriptors of unit length (count, dim) float32."""
    found = np.random.default_rng(0).normal(size=(count, dim)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def checkpoint(path: Path) -> None:
    model = GCSA(8, 8, 8, 5, 3, 1, 2, 4)
    save_checkpoint(
        path / "c.pth.tar", model, ["heading"], {"config": trained_settings(), "epoch": 1}
    )


def trained_settings() -> dict[str, Any]:
    config = Config()
    return {"fov": vars(config.fov), "data": {"heading_convention": "correct"}}


def read_checkpoint(path: Path) -> None:
    load_checkpoint(path / "c.pth.tar")
    as_trained(Config(), str(path / "c.pth.tar"), ())


def pack(path: Path) -> None:
    """A pack whose HDF5 file is gone, so that nothing but itself is there to be read."""
    write_descriptors(path / "f.h5", NAMES, rows())
    open_pack(path / "f.h5")
    (path / "f.h5").unlink()


def landmark_pack(path: Path) -> None:
    """The packs of landmark features whose pickle is gone."""
    write_landmarks(path, 8, 2)
    revisited.read_scene(*gnd(path))
    gnd(path)[1].unlink()


def earlier_pack(path: Path) -> None:
    """The pack of an earlier version, of three files, whose HDF5 file is gone."""
    array, names = rows().astype(np.float16), np.array(NAMES, "S")
    np.save(path / "f.pack.npy", array)
    np.save(path / "f.pack.names.npy", names)
    about = {"version": 3, "source": "f.h5", "blake2b": "00", "shape": list(array.shape)}
    (path / "f.pack.json").write_text(json.dumps({**about, "lacking": 1, "first_lacking": "x"}))


def read_pack(path: Path) -> None:
    open_pack(path / "f.h5", True).rows(np.array(NAMES))[:]


def other_h5(path: Path) -> None:
    """As others write: in chunks, compressed, attributes, an old format."""
    with h5py.File(path / "f.h5", "w") as file:
        for name, row in zip(NAMES, rows(), strict=True):
            made = file.create_dataset(
                f"{name}/global_descriptor", data=row, chunks=(4,), compression="gzip"
            )
            made.attrs["size"] = [160, 120]


def local_features(path: Path) -> None:
    with h5py.File(path / "f.h5", "w") as file, h5py.File(path / "m.h5", "w") as matches:
        for name in ("a.jpg", "b.jpg"):
            file[f"sessions/{name}/keypoints"] = np.float32([[1, 2], [3, 4]])
        matches["sessions-a.jpg/sessions-b.jpg/matches0"] = np.int16([1, -1])


def read_local(path: Path) -> None:
    with LocalFeatures(path / "f.h5", path / "m.h5") as local:
        local.keypoints("sessions/a.jpg")
        local.matches("sessions/a.jpg", "sessions/b.jpg")


def tensors_file(path: Path) -> None:
    torch.save({"a": torch.eye(4), "b": torch.ones(2, 2).bfloat16()}, path / "a.pth")


def whitening_of_dir(path: Path) -> None:
    content = {"pca": {"W": {"means": np.zeros(4), "W": np.eye(4)}}, "w": torch.eye(2)}
    torch.save(content, path / "w.pt")


def old_pickle(path: Path) -> None:
    content = {"a": [np.arange(6.0), np.array(["x"]), {1, 2}, (b"b", bytearray(b"c")), 1j, None]}
    (path / "a.pkl").write_bytes(pickle.dumps(content, 2))


def new_pickle(path: Path) -> None:
    content = {"a": [np.arange(6.0), np.float32(3), frozenset("ab"), 2**80, ("t", 1)], "s": {3}}
    (path / "a.pkl").write_bytes(pickle.dumps(content, 5))


def photo(name: str) -> Callable[[Path], None]:
    """A picture with a position and a heading in its EXIF."""

    def make(path: Path) -> None:
        exif = Image.Exif()
        exif[0x010E], exif[0x0112] = '{"MAPLatitude": 55.7, "MAPLongitude": 13.2}', 6
        gps = {1: "N", 2: (55.0, 42.0, 0.5), 3: "E", 4: (13.0, 12.0, 0.0), 17: 90.0, 16: "T"}
        exif.get_ifd(0x8825).update(gps)
        exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
        values = np.random.default_rng(0).integers(0, 255, (24, 32, 3))
        Image.fromarray(values.astype(np.uint8)).save(path / name, exif=exif)

    return make


def read_photo(name: str) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        read_pose(path / name)
        read_rgb(path / name, (16, 16))

    return read


def depth_map(path: Path) -> None:
    Image.fromarray(np.full((12, 16), 3000, np.uint16)).save(path / "d.png")


def read_depth(path: Path) -> None:
    views._depth.cache_clear()
    views._depth(path / "d.png")


def labels(path: Path) -> None:
    topk = np.array([[0, 1], [2, 3]])
    save_labels(path / "l.npz", LabelFile(topk, topk > 1, np.array([1, 1])))


def submission(path: Path) -> None:
    from gcsa.localization.poses import Poses

    poses = Poses(np.tile(np.eye(3), (2, 1, 1)), np.zeros((2, 3)))
    trajectory = np.array([1, 2]), np.array(["a", "b"]), poses
    hloc_files.write_submission(path / "s.zip", "text", {("CAB", "phone"): trajectory})


def gnd(path: Path) -> tuple[Path, Path]:
    return path / "annotations/roxford5k/gnd_roxford5k.pkl", path / "test/roxford5k/gem-a.pkl"


def text(name: str, text: str) -> Callable[[Path], None]:
    return lambda path: (path / name).write_text(text)
