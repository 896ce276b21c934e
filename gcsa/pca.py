"""Principal axes of descriptors: a projection that loses little, without training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gcsa.errors import InputError
from gcsa.scene import ImageSet

# Descriptors sampled: ten times the longest descriptors in use, and under a gigabyte.
SAMPLE = 40_000


def principal_axes(
    sets: Sequence[ImageSet], dim: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D0,) and the ``dim`` leading axes (dim, D0), orthonormal rows, of the descriptors.

    At most SAMPLE descriptors are drawn over all sets, alike from each image. float32.
    """
    sample = _sample(sets, generator)
    if dim > min(sample.shape):
        raise InputError(
            f"PCA to {dim} dimensions needs as many descriptors of that length, got {sample.shape}"
        )
    mean = sample.mean(axis=0)
    centred = sample - mean
    # Eigenvectors of the covariance, ascending: D0 x D0 is far smaller than the sample.
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1][:, :dim].T
    # The sign of an eigenvector is arbitrary; fix it, so that every machine agrees.
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    return mean, np.ascontiguousarray(axes * np.sign(largest))


def _sample(sets: Sequence[ImageSet], generator: np.random.Generator) -> np.ndarray:
    total = sum(len(images) for images in sets)
    share = min(1.0, SAMPLE / total)
    parts = []
    for images in sets:
        count = max(1, round(share * len(images)))
        rows = np.sort(generator.choice(len(images), count, replace=False))
        parts.append(np.asarray(images.descriptors[rows], dtype=np.float32))
    return np.concatenate(parts)
