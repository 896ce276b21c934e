"""Global descriptors in the HDF5 structure of hloc."""

from pathlib import Path

import numpy as np

from gcsa.descriptors.new_hdf5 import new_hdf5


def write_features(path: Path, names: list[str], descriptors, sizes) -> None:
    """Write descriptors (N, D) as float16 and image sizes (N, 2) = width, height as int64.

    Each name is a path of nested groups that holds `global_descriptor` and `image_size`.
    """
    descriptors = np.asarray(descriptors, np.float16)
    sizes = np.asarray(sizes, np.int64)
    with new_hdf5(path) as file:
        for name, descriptor, size in zip(names, descriptors, sizes, strict=True):
            group = file.create_group(name)
            group["global_descriptor"] = descriptor
            group["image_size"] = size
