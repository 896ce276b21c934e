"""PCA-whitening of descriptors: fitted, applied, kept in .npz files, read from DIR's checkpoints.

DIR is the published code (naver/deep-image-retrieval) of Revaud et al., ICCV 2019
(arXiv 1906.07589), with its power p in place of the usual square root.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np

from gcsa.descriptors import pca
from gcsa.errors import InputError
from gcsa.files import reading, replacing
from gcsa.files.npy import load_npz
from gcsa.files.pickles import Attributes
from gcsa.files.torch_files import load_torch

# Descriptors whitened at once.
BLOCK = 8192
# Variances count as no less than this share of the largest: what float32 can tell from 0.
LEAST_VARIANCE = 1e-7
# scikit-learn moved the class.
PCA_CLASSES = {
    ("sklearn.decomposition.pca", "PCA"): Attributes,
    ("sklearn.decomposition._pca", "PCA"): Attributes,
}


@dataclass(frozen=True, eq=False)
class Whitening:
    """A projection of descriptors onto axes, each divided by a power of its variance.

    mean: (D,); components: (C, D), the axes as rows; variances: (C,), or None for a projection
    that leaves lengths as they are. All float32.
    """

    mean: np.ndarray
    components: np.ndarray
    variances: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.components.shape[1:] != self.mean.shape or self.mean.ndim != 1:
            shapes = f"{self.mean.shape} and {self.components.shape}"
            raise InputError(f"expected a mean (D,) and components (C, D), got {shapes}")
        if self.variances is not None and self.variances.shape != (len(self.components),):
            raise InputError(
                f"expected {len(self.components)} variances, got shape {self.variances.shape}"
            )

    def apply(
        self, descriptors: np.ndarray, power: float = 0.5, dims: int | None = None
    ) -> np.ndarray:
        """Whitened descriptors of unit length: (n, D) -> (n, dims) float32.

        power: of the variances, by which coordinates are divided: 0 none, 0.25 as DIR tests,
        0.5 whitening proper. dims: how many of the leading axes, all where None.
        A descriptor without length on the axes becomes 0.
        """
        components = self._leading(descriptors.shape, dims)
        divisor = self._divisor(power)[: len(components)]
        result = np.empty((len(descriptors), len(components)), dtype=np.float32)
        for start in range(0, len(descriptors), BLOCK):
            block = np.asarray(descriptors[start : start + BLOCK], dtype=np.float32)
            rows = (block - self.mean) @ components.T / divisor
            lengths = np.linalg.norm(rows, axis=1, keepdims=True)
            result[start : start + BLOCK] = rows / np.maximum(lengths, 1e-12)
        return result

    def axes(self, power: float = 0.5) -> np.ndarray:
        """The axes as :meth:`apply` uses them, divided by the variances to a power: (C, D)."""
        return self.components / self._divisor(power)[:, None]

    def scaled(self, power: float) -> Whitening:
        """The same with the power of the variances within the axes: apply it with power 0."""
        return Whitening(self.mean, self.axes(power))

    def fingerprint(self) -> str:
        """A hash of its numbers: descriptors of two whitenings do not compare."""
        arrays = (array for array in vars(self).values() if array is not None)
        return sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()

    def save(self, path: str | os.PathLike) -> None:
        """Write the arrays to an .npz file, all or nothing."""
        arrays = {name: array for name, array in vars(self).items() if array is not None}
        with replacing(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays)

    def _leading(self, shape: tuple, dims: int | None) -> np.ndarray:
        if len(shape) != 2 or shape[1] != len(self.mean):
            raise InputError(
                f"descriptors have shape {tuple(shape)}, the whitening takes (n, {len(self.mean)})"
            )
        if dims is not None and not 1 <= dims <= len(self.components):
            raise InputError(
                f"whitening to {dims} dimensions: expected 1 to {len(self.components)}"
            )
        return self.components[:dims]

    def _divisor(self, power: float) -> np.ndarray:
        if not 0 <= power < np.inf:
            raise InputError(f"whitening power: {power} is not a number from 0")
        if self.variances is None:
            if power > 0:
                raise InputError(
                    f"whitening power: {power}, but this projection has no variances; give 0"
                )
            return np.ones(len(self.components), dtype=np.float32)
        least = max(LEAST_VARIANCE * self.variances.max(), np.finfo(np.float32).tiny)
        return np.maximum(self.variances, least) ** np.float32(power)


def fit(descriptors: np.ndarray, dims: int | None = None) -> Whitening:
    """The whitening of descriptors (n, D), to at most ``dims`` dimensions; see the module pca."""
    return Whitening(*(array.astype(np.float32) for array in pca.fit(descriptors, dims)))


def load(path: str | os.PathLike) -> Whitening:
    """Read what :meth:`Whitening.save` wrote."""
    expected = "a whitening, .npz: mean (D,), components (C, D) and, or not, variances (C,)"
    arrays = load_npz(path, expected=expected)
    with reading(path, expected):
        return Whitening(**{name: array.astype(np.float32) for name, array in arrays.items()})


def read_dir(path: str | os.PathLike, name: str) -> Whitening:
    """The whitening of a name in a checkpoint of DIR, or in a pickled {name: PCA} alone.

    Nothing of the file is run. A PCA is one of scikit-learn's, or {"means": (D,), "W": (D, C)};
    the latter, and one with ``whiten`` off, has no variances.
    """
    content = load_torch(path, PCA_CLASSES)
    named = content.get("pca", content) if isinstance(content, dict) else None
    found = {k: v for k, v in named.items() if _is_pca(v)} if isinstance(named, dict) else {}
    if name not in found:
        has = f"it has {', '.join(sorted(map(str, found)))}" if found else "it has none"
        raise InputError(f"{path}: no whitening '{name}', {has}")
    with reading(path, f"a PCA in the whitening '{name}'"):
        return _from_pca(found[name])


def _is_pca(value: Any) -> bool:
    return isinstance(value, Attributes) or (isinstance(value, dict) and "W" in value)


def _from_pca(found: Any) -> Whitening:
    if isinstance(found, dict):
        return Whitening(_float(found["means"]).ravel(), _float(found["W"]).T)
    variances = _float(found.explained_variance_) if found.whiten else None
    return Whitening(_float(found.mean_), _float(found.components_), variances)


def _float(array: Any) -> np.ndarray:
    return np.asarray(array, dtype=np.float32)
