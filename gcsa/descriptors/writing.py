"""Global descriptors written in the HDF5 structure of hloc."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import repeat

import numpy as np

from gcsa.descriptors.new_hdf5 import new_hdf5


def write_features(
    path: str | os.PathLike,
    names: Iterable[str],
    descriptors: Iterable[np.ndarray],
    sizes: Iterable[np.ndarray] | None = None,
) -> None:
    """Write descriptors (N, D) as float16 and image sizes (N, 2) = width, height as int64.

    Each name is a path of nested groups that holds `global_descriptor` and, where sizes are given,
    `image_size`. Descriptors are taken row by row.
    """
    measured = repeat(None) if sizes is None else sizes
    with new_hdf5(path) as file:
        for name, descriptor, size in zip(names, descriptors, measured, strict=sizes is not None):
            group = file.create_group(name)
            group["global_descriptor"] = np.asarray(descriptor, np.float16)
            if size is not None:
                group["image_size"] = np.asarray(size, np.int64)
