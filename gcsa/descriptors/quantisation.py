"""Product quantisation: descriptors in one byte for each part of them.

A descriptor is cut into parts, and each part is replaced by the number of the nearest of 256
centres. (Jegou, Douze, Schmid: Product quantization for nearest neighbor search, TPAMI 2011.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gcsa.errors import InputError

CENTRES = 256
# Rounds of k-means; afterwards hardly a descriptor changes its centre.
ROUNDS = 25
# Rows that are compared with the centres of a part at once: 8 MB of distances.
BLOCK = 8192


@dataclass(frozen=True, eq=False)
class Codebooks:
    """centres: (M, C, d) float32, up to 256 of each of M parts of M d numbers."""

    centres: np.ndarray

    @property
    def length(self) -> int:
        """How many numbers a decoded descriptor has."""
        return self.centres.shape[0] * self.centres.shape[2]

    def encode(self, descriptors: np.ndarray) -> np.ndarray:
        """The codes (n, M) uint8 of descriptors (n, D)."""
        parts, _, width = self.centres.shape
        if descriptors.shape[1] != self.length:
            raise InputError(
                f"descriptors of {descriptors.shape[1]} numbers, the codebooks are of {self.length}"
            )
        codes = np.empty((len(descriptors), parts), dtype=np.uint8)
        for start in range(0, len(descriptors), BLOCK):
            block = np.asarray(descriptors[start : start + BLOCK], dtype=np.float32)
            for part, centres in enumerate(self.centres):
                own = block[:, part * width : (part + 1) * width]
                codes[start : start + len(block), part] = _nearest(own, centres)
        return codes

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Descriptors (n, D) float32 of unit length that codes (n, M) stand for."""
        found = self.centres[np.arange(len(self.centres)), codes]
        rows = found.reshape(len(codes), self.length)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / np.maximum(lengths, np.finfo(np.float32).tiny)


def fit(descriptors: np.ndarray, parts: int, seed: int = 0) -> Codebooks:
    """Codebooks of descriptors (n, D) float32, cut into ``parts`` of equal length.

    Centres are those of k-means (Lloyd), which begins at descriptors drawn at random; a centre
    that no descriptor is nearest to moves to one.
    """
    count, length = descriptors.shape
    if parts < 1 or length % parts:
        raise InputError(f"{length} numbers are not cut into {parts} parts of equal length")
    if count < CENTRES:
        raise InputError(f"{count} descriptors are too few for {CENTRES} centres")
    random, width = np.random.default_rng(seed), length // parts
    cut = (descriptors[:, i * width : (i + 1) * width] for i in range(parts))
    return Codebooks(np.stack([_centres(np.ascontiguousarray(rows), random) for rows in cut]))


def _centres(rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Centres (256, d) of rows (n, d)."""
    centres = rows[random.choice(len(rows), CENTRES, replace=False)]
    for _ in range(ROUNDS):
        nearest = _nearest(rows, centres)
        counts = np.bincount(nearest, minlength=CENTRES)
        sums = np.stack(
            [np.bincount(nearest, column, minlength=CENTRES) for column in rows.T], axis=1
        )
        new = (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)
        empty = counts == 0
        new[empty] = rows[random.choice(len(rows), int(empty.sum()), replace=False)]
        if np.array_equal(new, centres):
            break
        centres = new
    return centres


def _nearest(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The number (n,) of the centre nearest to each row."""
    half = 0.5 * np.einsum("ij,ij->i", centres, centres)
    blocks = (rows[i : i + BLOCK] for i in range(0, len(rows), BLOCK))
    found = [np.argmax(block @ centres.T - half, axis=1) for block in blocks]
    return np.concatenate(found) if found else np.empty(0, dtype=np.int64)
