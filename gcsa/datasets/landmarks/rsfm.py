"""retrieval-SfM-120k (Radenovic et al., TPAMI 2019): its files -> scenes and cluster labels.

``retrieval-SfM-120k.pkl`` says of each image of "train" and "val" which 3D model it belongs to
("cluster") and its name ("cids"); the images of one model count as alike. Descriptors are in
pickles by row number, one a network (:mod:`gcsa.datasets.landmarks.features`). Every image is a
query and an image of the database. Several networks give several scenes of the same images: lists
are never mixed between networks (CSA's augmented training set is three of them).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gcsa.datasets.landmarks.features import open_features
from gcsa.descriptors.hdf5 import DescriptorRows
from gcsa.errors import InputError
from gcsa.files import pickles, reading
from gcsa.scene import ImageSet, Scene

MODES = ("train", "val")


def read_scenes(
    annotations: str | os.PathLike, features: Sequence[str | os.PathLike], mode: str = "train"
) -> tuple[list[Scene], np.ndarray]:
    """One scene for each network, and the cluster labels (n,) int64 of their common images.

    annotations: retrieval-SfM-120k.pkl. features: a feature file (.pkl, .npz) of each network,
    descriptors (n, D) under "train" and "val"; D is the same in all. A scene is named by its
    feature file; its queries are its database. Raises InputError, which names the file.
    """
    names, clusters = read_clusters(annotations, mode)
    scenes: list[Scene] = []
    for path in map(Path, features):
        width = scenes[0].database.descriptors.shape[1] if scenes else None
        array = open_features(path, mode, rows=len(names), width=width, names=names)
        images = ImageSet(names, DescriptorRows(array, np.arange(len(array))))
        scenes.append(Scene(f"{path.stem}: {mode}", images, images))
    return scenes, clusters


def read_clusters(path: str | os.PathLike, mode: str) -> tuple[np.ndarray, np.ndarray]:
    """Names (n,) str and cluster labels (n,) int64 of the images of "train" or "val".

    A name that comes again has the number of its image behind it, as ``name#17``: scenes need
    each name once.
    """
    content = pickles.load(path)
    if not isinstance(content, dict) or not isinstance(content.get(mode), dict):
        raise InputError(f"{path}: has no '{mode}'; expected dicts {' and '.join(MODES)}")
    part = content[mode]
    for key in ("cids", "cluster"):
        if key not in part:
            has = ", ".join(map(str, part))
            raise InputError(f"{path}: '{mode}' has no '{key}', only {has}")
    with reading(path, "lists of names (cids) and of their clusters"):
        names, clusters = np.array(part["cids"], dtype=str), np.asarray(part["cluster"])
    if names.shape != clusters.shape or names.ndim != 1:
        raise InputError(
            f"{path}: '{mode}' has {names.size} names (cids), {clusters.size} clusters"
        )
    if clusters.dtype.kind not in "iuf" or (clusters != np.floor(clusters)).any():
        raise InputError(f"{path}: '{mode}': clusters are whole numbers, got {clusters[:3]}")
    again = np.ones(len(names), dtype=bool)
    again[np.unique(names, return_index=True)[1]] = False
    numbered = np.char.add(np.char.add(names, "#"), np.arange(len(names)).astype(str))
    return np.where(again, numbered, names), clusters.astype(np.int64)


def same_cluster(clusters: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Labels of ranked lists, row i of image i: (n, N) rows, -1 padded -> (n, N) bool.

    An image is not relevant to itself.
    """
    own = np.arange(len(clusters))[:, None]
    return (candidates >= 0) & (candidates != own) & (clusters[candidates] == clusters[:, None])


def num_relevant(clusters: np.ndarray) -> np.ndarray:
    """How many other images share each image's cluster: (n,) int64."""
    _, number, counts = np.unique(clusters, return_inverse=True, return_counts=True)
    return counts[number] - 1
