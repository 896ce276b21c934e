"""Principal axes of descriptors: a projection that loses little, without training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gcsa.errors import InputError
from gcsa.scene import ImageSet

# Descriptors sampled: ten times the longest descriptors in use, and under a gigabyte.
SAMPLE = 40_000
# Rows that are held in double precision at once, 134 MB of 4096-d ones.
BLOCK = 4096


def fit(
    descriptors: np.ndarray, dims: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (D,), leading axes (dims, D) and variances (dims,) of descriptors (n, D), in float64.

    The axes are orthonormal rows, the largest entry of each positive; variances are those of a
    sample (divided by n - 1), falling. dims: all that n descriptors can span where None.
    """
    count, length = descriptors.shape
    dims = min(count - 1, length) if dims is None else dims
    if count < 2 or not 1 <= dims <= min(count, length):
        raise InputError(
            f"PCA to {dims} dimensions (model.proj_dim) needs as many descriptors, each as long at "
            f"least, got {descriptors.shape}"
        )
    mean = np.asarray(np.mean(descriptors, axis=0, dtype=np.float64))
    if not np.isfinite(mean).all():
        raise InputError("PCA: a descriptor is not finite")
    if count < length:
        variances, axes = _from_products(descriptors - mean, dims)
    else:
        variances, axes = _from_covariance(descriptors, mean, dims)
    # The sign of an eigenvector is arbitrary; fix it, so that every machine agrees.
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    return mean, np.ascontiguousarray(axes * np.sign(largest)), variances.clip(min=0)


def principal_axes(
    sets: Sequence[ImageSet], dim: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D0,) and the ``dim`` leading axes (dim, D0) of the descriptors of all sets, float32.

    See :func:`fit` and :func:`sample`.
    """
    mean, axes, _ = fit(sample(sets, generator), dim)
    return mean.astype(np.float32), axes.astype(np.float32)


def sample(sets: Sequence[ImageSet], generator: np.random.Generator) -> np.ndarray:
    """At most SAMPLE descriptors, drawn over all sets, alike from each image: (n, D0) float32."""
    total = sum(len(images) for images in sets)
    share = min(1.0, SAMPLE / total)
    parts = []
    for images in sets:
        count = max(1, round(share * len(images)))
        rows = np.sort(generator.choice(len(images), count, replace=False))
        parts.append(np.asarray(images.descriptors[rows], dtype=np.float32))
    return np.concatenate(parts)


def _from_covariance(
    descriptors: np.ndarray, mean: np.ndarray, dims: int
) -> tuple[np.ndarray, np.ndarray]:
    """Variances and axes from the (D, D) covariance, summed over blocks of rows."""
    total = np.zeros((len(mean), len(mean)))
    for start in range(0, len(descriptors), BLOCK):
        centred = descriptors[start : start + BLOCK] - mean
        total += centred.T @ centred
    values, vectors = np.linalg.eigh(total / (len(descriptors) - 1))
    return _leading(values, dims), _leading(vectors.T, dims)


def _from_products(centred: np.ndarray, dims: int) -> tuple[np.ndarray, np.ndarray]:
    """The same from the (n, n) inner products, the smaller matrix where n < D."""
    values, vectors = np.linalg.eigh(centred @ centred.T / (len(centred) - 1))
    spanned = centred.T @ _leading(vectors.T, dims).T  # (D, dims), axes times their lengths
    # Orthonormal also where a length is 0: the last, or when descriptors repeat.
    return _leading(values, dims), np.linalg.qr(spanned)[0].T


def _leading(ascending: np.ndarray, dims: int) -> np.ndarray:
    """The last ``dims`` along the first axis, the very last first: eigenvalues come ascending."""
    return ascending[::-1][:dims]
