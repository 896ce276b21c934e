"""Every reader of files of others, with a file that it reads. A new reader is one line in SEEDS."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import mutations
import numpy as np
import torch
from captures import write_scene
from folders import write_street
from landmarks import write_landmarks
from PIL import Image
from scipy.io import savemat
from worlds import write_city, write_descriptors

from gcsa.config import Config, load_config, save_config
from gcsa.datasets import dbstruct, gsv, hloc, lamar, msls, patchnetvlad
from gcsa.datasets.folder import scene as folder
from gcsa.datasets.folder.exif import read_pose
from gcsa.datasets.folder.from_sfm import from_sfm
from gcsa.datasets.lamar import scene as lamar_scene
from gcsa.datasets.lamar.label_files import LabelFile, load_labels, save_labels
from gcsa.datasets.landmarks import rsfm
from gcsa.datasets.landmarks import scene as revisited
from gcsa.descriptors import whitening
from gcsa.descriptors.hdf5 import open_pack
from gcsa.imaging import read_rgb
from gcsa.lines import names_by_line
from gcsa.local.files import LocalFeatures
from gcsa.localization import hloc_files, views
from gcsa.models.checkpoint import load_checkpoint, save_checkpoint
from gcsa.models.gcsa import GCSA
from gcsa.pickles import load
from gcsa.places.calibration import Calibration, read_calibration, to_text
from gcsa.plots.curves import read_metrics
from gcsa.rerank.arrays import read_array
from gcsa.scoring.ranker import as_trained
from gcsa.torch_files import load_torch

assert lamar  # the folder of lamar.scene
NAMES = [f"db/{i}.jpg" for i in range(6)]


@dataclass(frozen=True)
class Seed:
    """make(folder) writes files that read(folder) reads; files: those that are made wrong."""

    make: Callable[[Path], Any]
    read: Callable[[Path], Any]
    files: str
    mutation: mutations.Mutation


def rows(count: int = 6, dim: int = 8) -> np.ndarray:
    """Descriptors of unit length (count, dim) float32."""
    found = np.random.default_rng(0).normal(size=(count, dim)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def _checkpoint(path: Path) -> None:
    model = GCSA(8, 8, 8, 5, 3, 1, 2, 4)
    save_checkpoint(path / "c.pth.tar", model, ["heading"], {"config": _settings(), "epoch": 1})


def _settings() -> dict[str, Any]:
    config = Config()
    return {"fov": vars(config.fov), "data": {"heading_convention": "correct"}}


def _read_checkpoint(path: Path) -> None:
    load_checkpoint(path / "c.pth.tar")
    as_trained(Config(), str(path / "c.pth.tar"), ())


def _packed(path: Path) -> None:
    write_descriptors(path / "f.h5", NAMES, rows())
    open_pack(path / "f.h5")


def _other_h5(path: Path) -> None:
    """As others write: in chunks, compressed, attributes, an old format."""
    with h5py.File(path / "f.h5", "w") as file:
        for name, row in zip(NAMES, rows(), strict=True):
            made = file.create_dataset(
                f"{name}/global_descriptor", data=row, chunks=(4,), compression="gzip"
            )
            made.attrs["size"] = [160, 120]


def _local_features(path: Path) -> None:
    with h5py.File(path / "f.h5", "w") as file, h5py.File(path / "m.h5", "w") as matches:
        for name in ("a.jpg", "b.jpg"):
            file[f"sessions/{name}/keypoints"] = np.float32([[1, 2], [3, 4]])
        matches["sessions-a.jpg/sessions-b.jpg/matches0"] = np.int16([1, -1])


def _read_local(path: Path) -> None:
    with LocalFeatures(path / "f.h5", path / "m.h5") as local:
        local.keypoints("sessions/a.jpg")
        local.matches("sessions/a.jpg", "sessions/b.jpg")


def _tensors(path: Path) -> None:
    torch.save({"a": torch.eye(4), "b": torch.ones(2, 2).bfloat16()}, path / "a.pth")


def _pca(path: Path) -> None:
    content = {"pca": {"W": {"means": np.zeros(4), "W": np.eye(4)}}, "w": torch.eye(2)}
    torch.save(content, path / "w.pt")


def _old_pickle(path: Path) -> None:
    content = {"a": [np.arange(6.0), np.array(["x"]), {1, 2}, (b"b", bytearray(b"c")), 1j, None]}
    (path / "a.pkl").write_bytes(pickle.dumps(content, 2))


def _new_pickle(path: Path) -> None:
    content = {"a": [np.arange(6.0), np.float32(3), frozenset("ab"), 2**80, ("t", 1)], "s": {3}}
    (path / "a.pkl").write_bytes(pickle.dumps(content, 5))


def _colmap(path: Path) -> None:
    lines = ["# Image list"]
    for i in range(3):
        lines += [f"{i + 1} 0.7 0.7 0 0 {i} 1.5 2 1 db/{i}.jpg", f"1.0 2.0 {i} 3.5 4 -1"]
    (path / "images.txt").write_text("\n".join(lines) + "\n")


def _opensfm(path: Path) -> None:
    shots = {
        f"{i}.jpg": {"rotation": [1.5, 0.1 * i, 0], "translation": [i, 2, 3]} for i in range(3)
    }
    part = {"shots": shots, "cameras": {}, "points": {}}
    part["reference_lla"] = {"latitude": 55.7, "longitude": 13.2, "altitude": 0.0}
    (path / "r.json").write_text(json.dumps([part]))


def _sfm(name: str) -> Callable[[Path], None]:
    return lambda path: from_sfm(path / name, path / "images.csv")


def _photo(name: str) -> Callable[[Path], None]:
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


def _read_photo(name: str) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        read_pose(path / name)
        read_rgb(path / name, (16, 16))

    return read


def _depth(path: Path) -> None:
    Image.fromarray(np.full((12, 16), 3000, np.uint16)).save(path / "d.png")


def _read_depth(path: Path) -> None:
    views._depth.cache_clear()
    views._depth(path / "d.png")


def _labels(path: Path) -> None:
    topk = np.array([[0, 1], [2, 3]])
    save_labels(path / "l.npz", LabelFile(topk, topk > 1, np.array([1, 1])))


def _submission(path: Path) -> None:
    from gcsa.localization.poses import Poses

    poses = Poses(np.tile(np.eye(3), (2, 1, 1)), np.zeros((2, 3)))
    trajectory = np.array([1, 2]), np.array(["a", "b"]), poses
    hloc_files.write_submission(path / "s.zip", "text", {("CAB", "phone"): trajectory})


def _gnd(path: Path) -> tuple[Path, Path]:
    return path / "annotations/roxford5k/gnd_roxford5k.pkl", path / "test/roxford5k/gem-a.pkl"


def _write(name: str, text: str) -> Callable[[Path], None]:
    return lambda path: (path / name).write_text(text)


def _dbstruct(path: Path) -> None:
    names = np.array([["a.jpg"], ["b.jpg"]], dtype=object)
    utm = np.array([[584825.5, 584900.0], [4476945.25, 4477000.0]])
    fields = {"dbImageFns": names, "utmDb": utm, "qImageFns": names, "utmQ": utm}
    savemat(path / "pitts.mat", {"dbStruct": {**fields, "posDistThr": 25.0}})


def _patchnetvlad(path: Path) -> None:
    for part in ("index", "query"):
        (path / f"x_imageNames_{part}.txt").write_text(f"./{part}/0.png\n./{part}/1.png\n")
    np.savez(path / "x_test.npz", utmDb=np.eye(2), utmQ=np.eye(2), posDistThr=10)


def _gsv(path: Path) -> None:
    (path / "Dataframes").mkdir()
    rows = (
        ",".join(gsv.COLUMNS),
        "15,2011,9,285,London,51.507,-0.1283,ab",
        "16,2014,10,0,London,51.5,-0.1,c",
    )
    (path / "Dataframes" / "London.csv").write_text("\n".join(rows) + "\n")


def _metrics() -> str:
    return "epoch,learning_rate,loss,mAP@5,mAP@10,mAP@20\n0,,,0.5,0.6,0.7\n1,0.1,2.5,0.5,0.6,0.7\n"


QUERY_LIST = (
    "q/1.jpg PINHOLE 640 480 500.5 500 320 240\nq/2.jpg SIMPLE_RADIAL 640 480 500 320 240 0\n"
)
TRAJECTORY = "1, cam, 1, 0, 0, 0, 1.5, 2, 3\n2, cam, 1, 0, 0, 0, 1, 2, 3\n"
BYTES, TEXT = mutations.of_bytes, mutations.of_text
PICKLE, ZIP, HEAD = mutations.of_pickle, mutations.of_zip, mutations.of_head

SEEDS: dict[str, Seed] = {
    "hdf5": Seed(lambda p: write_descriptors(p / "f.h5", NAMES, rows()),
                 lambda p: open_pack(p / "f.h5", True).rows(np.array(NAMES))[:], "f.h5", BYTES),
    "hdf5 of others": Seed(_other_h5, lambda p: open_pack(p / "f.h5", True), "f.h5", BYTES),
    "pack": Seed(_packed, lambda p: open_pack(p / "f.h5", True).rows(np.array(NAMES))[:],
                 "*.pack*", HEAD),
    "npy": Seed(lambda p: np.save(p / "a.npy", rows()), lambda p: read_array(str(p / "a.npy")),
                "a.npy", HEAD),
    "npz": Seed(lambda p: np.savez(p / "a.npz", q=rows(), d=rows()),
                lambda p: read_array(f"{p / 'a.npz'}:q"), "a.npz", ZIP),
    "tensors": Seed(_tensors, lambda p: read_array(f"{p / 'a.pth'}:a"), "a.pth", ZIP),
    "checkpoint": Seed(_checkpoint, _read_checkpoint, "c.pth.tar", ZIP),
    "whitening": Seed(lambda p: whitening.fit(rows(20)).save(p / "w.npz"),
                      lambda p: whitening.load(p / "w.npz").apply(rows()), "w.npz", ZIP),
    "whitening of DIR": Seed(_pca, lambda p: whitening.read_dir(p / "w.pt", "W"), "w.pt", ZIP),
    "pickle 2": Seed(_old_pickle, lambda p: load(p / "a.pkl"), "a.pkl", PICKLE),
    "pickle 5": Seed(_new_pickle, lambda p: load_torch(p / "a.pkl"), "a.pkl", PICKLE),
    "revisited": Seed(lambda p: write_landmarks(p, 8, 2),
                      lambda p: revisited.read_scene(*_gnd(p), p / "r1m/gem-a.npy"),
                      "annotations/roxford5k/*.pkl", PICKLE),
    "features": Seed(lambda p: write_landmarks(p, 8, 2), lambda p: revisited.read_scene(*_gnd(p)),
                     "test/roxford5k/gem-a.pkl", PICKLE),
    "rsfm": Seed(lambda p: write_landmarks(p, 8, 2),
                 lambda p: rsfm.read_scenes(p / "annotations/retrieval-SfM-120k.pkl",
                                            [p / "train/gem-a.pkl"], "train"),
                 "annotations/*.pkl", PICKLE),
    "labels": Seed(_labels, lambda p: load_labels(p / "l.npz", 2, 4, 2), "l.npz", ZIP),
    "own images": Seed(lambda p: write_street(p, "s", database=6, queries=3, dim=4),
                       lambda p: folder.read_scene(p / "s", "s"), "s/*.csv", TEXT),
    "msls": Seed(lambda p: write_city(p, "cph", "train_val", np.random.default_rng(0), 6, 3),
                 lambda p: msls.read_scene(p / "datasets/msls", "cph", subtask="all"),
                 "datasets/msls/train_val/cph/*/*.csv", TEXT),
    "lamar": Seed(lambda p: write_scene(p / "CAB"),
                  lambda p: lamar_scene.read_scene(p, "CAB", "val"), "CAB/sessions/**/*.txt", TEXT),
    "dbStruct": Seed(_dbstruct, lambda p: dbstruct.read_scene(p / "pitts.mat"), "pitts.mat", BYTES),
    "Patch-NetVLAD": Seed(_patchnetvlad, lambda p: patchnetvlad.read_scene(p, "x"),
                          "x_*.txt", TEXT),
    "its positions": Seed(_patchnetvlad, lambda p: patchnetvlad.read_scene(p, "x"), "x_*.npz", ZIP),
    "GSV-Cities": Seed(_gsv, lambda p: gsv.read_scene(p, "London"), "Dataframes/*.csv", TEXT),
    "colmap": Seed(_colmap, _sfm("images.txt"), "images.txt", TEXT),
    "opensfm": Seed(_opensfm, _sfm("r.json"), "r.json", TEXT),
    "jpeg": Seed(_photo("a.jpg"), _read_photo("a.jpg"), "a.jpg", BYTES),
    "png": Seed(_photo("a.png"), _read_photo("a.png"), "a.png", BYTES),
    "tiff": Seed(_photo("a.tif"), _read_photo("a.tif"), "a.tif", BYTES),
    "depth map": Seed(_depth, _read_depth, "d.png", BYTES),
    "pairs": Seed(_write("p.txt", "q/1.jpg db/1.jpg\nq/1.jpg db/2.jpg\n"),
                  lambda p: hloc.read_pairs(p / "p.txt"), "p.txt", TEXT),
    "scores": Seed(_write("p.txt", "q/1.jpg db/1.jpg 0.5\nq/1.jpg db/2.jpg -inf\n"),
                   lambda p: hloc.read_scores(p / "p.txt"), "p.txt", TEXT),
    "names": Seed(_write("n.txt", "# names\nq/1.jpg\nq/2.jpg PINHOLE 640 480 500 500 320 240\n"),
                  lambda p: [hloc.read_image_list(p / "n.txt"), names_by_line(p / "n.txt")],
                  "n.txt", TEXT),
    "query list": Seed(_write("q.txt", QUERY_LIST),
                       lambda p: hloc_files.read_query_list(p / "q.txt"), "q.txt", TEXT),
    "results": Seed(_write("r.txt", "1.jpg 1 0 0 0 0.5 1 2\n2.jpg 0.7 0.7 0 0 1 2 3\n"),
                    lambda p: hloc_files.read_results(p / "r.txt", ["q/1.jpg", "q/2.jpg"]),
                    "r.txt", TEXT),
    "trajectory": Seed(_write("t.txt", TRAJECTORY),
                       lambda p: hloc_files.read_trajectory(p / "t.txt"), "t.txt", TEXT),
    "submission": Seed(_submission, lambda p: hloc_files.read_submission(p / "s.zip"),
                       "s.zip", ZIP),
    "local features": Seed(_local_features, _read_local, "*.h5", BYTES),
    "settings": Seed(lambda p: save_config(Config(), p / "c.yaml"),
                     lambda p: load_config(p / "c.yaml"), "c.yaml", TEXT),
    "calibration": Seed(lambda p: (p / "c.yaml").write_text(to_text(Calibration())),
                        lambda p: read_calibration(p / "c.yaml"), "c.yaml", TEXT),
    "metrics": Seed(_write("metrics.csv", _metrics()), lambda p: read_metrics(p / "metrics.csv"),
                    "metrics.csv", TEXT),
}  # fmt: skip
