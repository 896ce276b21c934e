"""A little retrieval-SfM-120k and roxford5k in their real formats, for tests.

Images of one landmark share a direction; those of two landmarks may look alike. The networks see
the same images, each in its own way.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

NETWORKS = ("gem-a", "gem-b", "gem-c")
DIM = 16


def write_landmarks(
    root: Path, images: int = 60, landmarks: int = 8, noise: float = 1.2, seed: int = 0
) -> None:
    """annotations/, train/, test/ and r1m/ under ``root``."""
    random = np.random.default_rng(seed)
    clusters = {mode: random.integers(landmarks, size=n)
                for mode, n in (("train", images), ("val", images // 2))}  # fmt: skip
    annotations = {
        mode: {"cids": [f"{mode}{i:04d}" for i in range(len(c))], "cluster": c.tolist(),
               "qidxs": [0], "pidxs": [1]}
        for mode, c in clusters.items()
    }  # fmt: skip
    dump(root / "annotations" / "retrieval-SfM-120k.pkl", annotations)
    gnd, shown = _ground_truth(random, landmarks)
    dump(root / "annotations" / "roxford5k" / "gnd_roxford5k.pkl", gnd)
    classic = [{"ok": e["easy"] + e["hard"], "junk": e["junk"]} for e in gnd["gnd"]]
    dump(root / "annotations" / "oxford5k" / "gnd_oxford5k.pkl", {**gnd, "gnd": classic})
    for network in NETWORKS:
        looks = random.normal(size=(landmarks, DIM))
        looks[1::2] = looks[::2] + 0.5 * looks[1::2]
        dump(root / "train" / f"{network}.pkl", _features(random, looks, clusters, noise))
        features = _features(random, looks, shown, noise)
        dump(root / "test" / "roxford5k" / f"{network}.pkl", features)
        (root / "test" / "oxford5k").mkdir(parents=True, exist_ok=True)
        np.savez(root / "test" / "oxford5k" / f"{network}.npz", **features)
        (root / "r1m").mkdir(exist_ok=True)
        np.save(root / "r1m" / f"{network}.npy", _unit(random.normal(size=(30, DIM))))


def _ground_truth(random: np.random.Generator, landmarks: int) -> tuple[dict, dict]:
    """A gnd file's content, and the landmark of each image by role."""
    size = 5 * landmarks
    shown = {"db": random.integers(landmarks, size=size), "query": np.arange(landmarks)}
    entries = []
    for landmark in shown["query"]:
        own = random.permutation(np.flatnonzero(shown["db"] == landmark)).tolist()
        third = -(-len(own) // 3)
        lists = {"easy": own[:third], "hard": own[third : 2 * third], "junk": own[2 * third :]}
        entries.append({**lists, "bbx": [0.0, 0.0, 9.0, 9.0]})
    names = {"imlist": [f"image_{i:06d}" for i in range(size)],
             "qimlist": [f"query_{i:06d}" for i in range(landmarks)]}  # fmt: skip
    return {**names, "gnd": entries}, shown


def _features(random: np.random.Generator, looks: np.ndarray, shown: dict, noise: float) -> dict:
    """Role -> (n, DIM) float32: the look of what an image shows, and noise."""
    return {
        role: _unit(looks[which] + noise * random.normal(size=(len(which), DIM)))
        for role, which in shown.items()
    }


def _unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def dump(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=4))
