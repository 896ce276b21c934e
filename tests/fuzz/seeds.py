"""Every reader of files of others, with a file that it reads. A new reader is one line in SEEDS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mutations
import numpy as np
import seed_files as files
import seed_networks as networks
import seed_scenes as scenes
from captures import write_scene
from folders import write_street
from landmarks import write_landmarks
from seed_files import NAMES, rows
from worlds import write_city, write_descriptors

from gcsa.config import Config, load_config, save_config
from gcsa.datasets import dbstruct, gsv, hloc, lamar, msls, patchnetvlad
from gcsa.datasets.folder import scene as folder
from gcsa.datasets.kapture import scene as kapture
from gcsa.datasets.lamar import scene as lamar_scene
from gcsa.datasets.lamar.label_files import load_labels
from gcsa.datasets.landmarks import rsfm
from gcsa.datasets.landmarks import scene as revisited
from gcsa.datasets.utm import scene as utm
from gcsa.descriptors import whitening
from gcsa.descriptors.hdf5 import open_pack
from gcsa.descriptors.networks import load_network
from gcsa.descriptors.networks.weights import read_weights
from gcsa.files.lines import names_by_line
from gcsa.files.pickles import load
from gcsa.files.torch_files import load_torch
from gcsa.localization import hloc_files
from gcsa.places.calibration import Calibration, read_calibration, to_text
from gcsa.plots.curves import read_metrics
from gcsa.rerank.arrays import read_array

assert lamar  # the folder of lamar.scene


@dataclass(frozen=True)
class Seed:
    """make(folder) writes files that read(folder) reads; files: those that are made wrong."""

    make: Callable[[Path], Any]
    read: Callable[[Path], Any]
    files: str
    mutation: mutations.Mutation


METRICS = "epoch,learning_rate,loss,mAP@5,mAP@10,mAP@20\n0,,,0.5,0.6,0.7\n1,0.1,2.5,0.5,0.6,0.7\n"
QUERY_LIST = (
    "q/1.jpg PINHOLE 640 480 500.5 500 320 240\nq/2.jpg SIMPLE_RADIAL 640 480 500 320 240 0\n"
)
TRAJECTORY = "1, cam, 1, 0, 0, 0, 1.5, 2, 3\n2, cam, 1, 0, 0, 0, 1, 2, 3\n"
BYTES, TEXT = mutations.of_bytes, mutations.of_text
PICKLE, ZIP, HEAD = mutations.of_pickle, mutations.of_zip, mutations.of_head

SEEDS: dict[str, Seed] = {
    "hdf5": Seed(lambda p: write_descriptors(p / "f.h5", NAMES, rows()),
                 files.read_pack, "f.h5", BYTES),
    "hdf5 of others": Seed(files.other_h5, lambda p: open_pack(p / "f.h5", True), "f.h5", BYTES),
    "pack": Seed(files.pack, files.read_pack, "f.pack.npy", mutations.of_pack),
    "earlier pack": Seed(files.earlier_pack, files.read_pack, "f.pack*", HEAD),
    "landmark pack": Seed(files.landmark_pack, lambda p: revisited.read_scene(*files.gnd(p)),
                          "test/*/*.pack.npy", mutations.of_pack),
    "npy": Seed(lambda p: np.save(p / "a.npy", rows()), lambda p: read_array(str(p / "a.npy")),
                "a.npy", HEAD),
    "npz": Seed(lambda p: np.savez(p / "a.npz", q=rows(), d=rows()),
                lambda p: read_array(f"{p / 'a.npz'}:q"), "a.npz", ZIP),
    "tensors": Seed(files.tensors_file, lambda p: read_array(f"{p / 'a.pth'}:a"), "a.pth", ZIP),
    "checkpoint": Seed(files.checkpoint, files.read_checkpoint, "c.pth.tar", ZIP),
    "whitening": Seed(lambda p: whitening.fit(rows(20)).save(p / "w.npz"),
                      lambda p: whitening.load(p / "w.npz").apply(rows()), "w.npz", ZIP),
    "whitening of DIR": Seed(files.whitening_of_dir, lambda p: whitening.read_dir(p / "w.pt", "W"),
                             "w.pt", ZIP),
    "pickle 2": Seed(files.old_pickle, lambda p: load(p / "a.pkl"), "a.pkl", PICKLE),
    "pickle 5": Seed(files.new_pickle, lambda p: load_torch(p / "a.pkl"), "a.pkl", PICKLE),
    "revisited": Seed(lambda p: write_landmarks(p, 8, 2),
                      lambda p: revisited.read_scene(*files.gnd(p), p / "r1m/gem-a.npy"),
                      "annotations/roxford5k/*.pkl", PICKLE),
    "features": Seed(lambda p: write_landmarks(p, 8, 2),
                     lambda p: revisited.read_scene(*files.gnd(p)),
                     "test/roxford5k/gem-a.pkl", PICKLE),
    "rsfm": Seed(lambda p: write_landmarks(p, 8, 2),
                 lambda p: rsfm.read_scenes(p / "annotations/retrieval-SfM-120k.pkl",
                                            [p / "train/gem-a.pkl"], "train"),
                 "annotations/*.pkl", PICKLE),
    "labels": Seed(files.labels, lambda p: load_labels(p / "l.npz", 2, 4, 2), "l.npz", ZIP),
    "own images": Seed(lambda p: write_street(p, "s", database=6, queries=3, dim=4),
                       lambda p: folder.read_scene(p / "s", "s"), "s/*.csv", TEXT),
    "msls": Seed(lambda p: write_city(p, "cph", "train_val", np.random.default_rng(0), 6, 3),
                 lambda p: msls.read_scene(p / "datasets/msls", "cph", subtask="all"),
                 "datasets/msls/train_val/cph/*/*.csv", TEXT),
    "lamar": Seed(lambda p: write_scene(p / "CAB"),
                  lambda p: lamar_scene.read_scene(p, "CAB", "val"), "CAB/sessions/**/*.txt", TEXT),
    "dbStruct": Seed(scenes.dbstruct, lambda p: dbstruct.read_scene(p / "pitts.mat"), "pitts.mat",
                     mutations.of_mat),
    "Patch-NetVLAD": Seed(scenes.patchnetvlad, lambda p: patchnetvlad.read_scene(p, "x"),
                          "x_*.txt", TEXT),
    "its positions": Seed(scenes.patchnetvlad, lambda p: patchnetvlad.read_scene(p, "x"),
                          "x_*.npz", ZIP),
    "GSV-Cities": Seed(scenes.gsv_cities, lambda p: gsv.read_scene(p, "London"),
                       "Dataframes/*.csv", TEXT),
    "colmap": Seed(scenes.colmap, scenes.read_sfm("images.txt"), "images.txt", TEXT),
    "opensfm": Seed(scenes.opensfm, scenes.read_sfm("r.json"), "r.json", TEXT),
    "jpeg": Seed(files.photo("a.jpg"), files.read_photo("a.jpg"), "a.jpg", BYTES),
    "png": Seed(files.photo("a.png"), files.read_photo("a.png"), "a.png", mutations.of_png),
    "tiff": Seed(files.photo("a.tif"), files.read_photo("a.tif"), "a.tif", BYTES),
    "depth map": Seed(files.depth_map, files.read_depth, "d.png", mutations.of_png),
    "pairs": Seed(files.text("p.txt", "q/1.jpg db/1.jpg\nq/1.jpg db/2.jpg\n"),
                  lambda p: hloc.read_pairs(p / "p.txt"), "p.txt", TEXT),
    "scores": Seed(files.text("p.txt", "q/1.jpg db/1.jpg 0.5\nq/1.jpg db/2.jpg -inf\n"),
                   lambda p: hloc.read_scores(p / "p.txt"), "p.txt", TEXT),
    "names": Seed(files.text("n.txt", "# names\nq/1.jpg\nq/2.jpg PINHOLE 6 4 5 5 3 2\n"),
                  lambda p: [hloc.read_image_list(p / "n.txt"), names_by_line(p / "n.txt")],
                  "n.txt", TEXT),
    "query list": Seed(files.text("q.txt", QUERY_LIST),
                       lambda p: hloc_files.read_query_list(p / "q.txt"), "q.txt", TEXT),
    "results": Seed(files.text("r.txt", "1.jpg 1 0 0 0 0.5 1 2\n2.jpg 0.7 0.7 0 0 1 2 3\n"),
                    lambda p: hloc_files.read_results(p / "r.txt", ["q/1.jpg", "q/2.jpg"]),
                    "r.txt", TEXT),
    "trajectory": Seed(files.text("t.txt", TRAJECTORY),
                       lambda p: hloc_files.read_trajectory(p / "t.txt"), "t.txt", TEXT),
    "submission": Seed(files.submission, lambda p: hloc_files.read_submission(p / "s.zip"),
                       "s.zip", ZIP),
    "local features": Seed(files.local_features, files.read_local, "*.h5", BYTES),
    "settings": Seed(lambda p: save_config(Config(), p / "c.yaml"),
                     lambda p: load_config(p / "c.yaml"), "c.yaml", TEXT),
    "calibration": Seed(lambda p: (p / "c.yaml").write_text(to_text(Calibration())),
                        lambda p: read_calibration(p / "c.yaml"), "c.yaml", TEXT),
    "weights": Seed(networks.zipped, lambda p: read_weights(p / "w.pth"), "w.pth", ZIP),
    "old weights": Seed(networks.old, lambda p: read_weights(p / "w.pth"), "w.pth",
                        mutations.of_pickles),
    "safetensors": Seed(networks.safetensors, lambda p: read_weights(p / "w.safetensors"),
                        "w.safetensors", BYTES),
    "NetVLAD": Seed(networks.matlab, lambda p: read_weights(p / "w.mat"), "w.mat",
                    mutations.of_mat),
    "network": Seed(networks.transformer, lambda p: load_network(p / "w.pth"), "w.pth", ZIP),
    "journal": Seed(networks.journal, networks.read_journal, "f.h5.parts/*",
                    networks.of_journal),
    "gathered": Seed(scenes.two_folders, scenes.gathered, "*/*.csv", TEXT),
    "kapture": Seed(scenes.kapture, lambda p: kapture.read_scene(p, "x"), "*/sensors/*", TEXT),
    "utm": Seed(scenes.utm, lambda p: utm.read_scene(p, "x"), "*.txt", TEXT),
    "metrics": Seed(files.text("m.csv", METRICS), lambda p: read_metrics(p / "m.csv"),
                    "m.csv", TEXT),
}  # fmt: skip
