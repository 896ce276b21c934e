"""A classical global descriptor: dense gradient histograms, VLAD, PCA whitening.

Letters: B images, N patches of an image, V visual words, D dimensions of the descriptor. The
words and the projection are learnt from training images alone; positions are never seen.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gcsa.errors import InputError
from gcsa.imaging import read_rgb

ORIENTATIONS = 8
CELLS = ((4, 2), (8, 1))  # (pixels of a cell, cells between patches)
PATCH = 4  # cells across a patch
LOCAL_DIM = 48
TONE, PLACE = 4.0, 2.5  # weights of colour and of place in the image beside the gradients
FAINT = 12.0  # summed gradient below which a patch fades to nothing, per pixel of a cell


def read_images(paths: list[Path], width: int = 160, height: int = 120) -> np.ndarray:
    """Read images as (B, height, width, 3) uint8, resized where they differ."""
    out = np.empty((len(paths), height, width, 3), np.uint8)
    for i, path in enumerate(paths):
        color, _ = read_rgb(path)
        if color.size != (width, height):
            color = color.resize((width, height), Image.Resampling.BOX)
        out[i] = np.asarray(color)
    return out


def gradient_features(images: np.ndarray) -> np.ndarray:
    """Return root-normalised gradient histograms (B, N, 128) float32 of images (B, H, W, 3)."""
    red, green, blue = (images[..., c].astype(np.float32) for c in range(3))
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    gx, gy = np.zeros_like(grey), np.zeros_like(grey)
    gx[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    gy[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    inverse = 1 / (gx * gx + gy * gy + 1.0)
    energy = np.empty((ORIENTATIONS, *grey.shape), np.float32)
    for k in range(ORIENTATIONS // 2):
        angle = 2 * np.pi * k / ORIENTATIONS
        toward = np.float32(np.cos(angle)) * gx + np.float32(np.sin(angle)) * gy
        sharp = toward * toward * inverse  # squared cosine: shares a gradient among neighbours
        energy[k] = np.maximum(toward, 0) * sharp
        energy[k + ORIENTATIONS // 2] = np.maximum(-toward, 0) * sharp
    return np.concatenate([_patches(energy, cell, stride) for cell, stride in CELLS], 1)


def _patches(energy: np.ndarray, cell: int, stride: int) -> np.ndarray:
    """Sum energy (O, B, H, W) over cells and gather patches (B, N, 128)."""
    o, b, h, w = energy.shape
    rows, cols = h // cell, w // cell
    grid = energy[:, :, : rows * cell, : cols * cell].reshape(o, b, rows, cell, cols, cell)
    grid = np.ascontiguousarray(grid.sum(5).sum(3).transpose(1, 2, 3, 0))  # (B, rows, cols, O)
    windows = _windows(grid, stride).reshape(b, -1, o * PATCH * PATCH)
    total = windows.sum(2, keepdims=True)
    return np.sqrt(windows / (total + FAINT * cell * cell))


def _windows(grid: np.ndarray, stride: int) -> np.ndarray:
    """Patches of a grid of cells (B, rows, cols, C), as (B, y, x, C, PATCH, PATCH)."""
    windows = np.lib.stride_tricks.sliding_window_view(grid, (PATCH, PATCH), (1, 2))
    return windows[:, ::stride, ::stride]


def context_features(images: np.ndarray) -> np.ndarray:
    """Return tone and place in the image (B, N, 4) of the same patches.

    The tone is the log ratio of red to green and of blue to green, against the image's mean, so
    that white balance cancels; the place is x and y in -0.5 .. 0.5.
    """
    out = []
    for cell, stride in CELLS:
        b, h, w, _ = images.shape
        rows, cols = h // cell, w // cell
        grid = images[:, : rows * cell, : cols * cell].reshape(b, rows, cell, -1)
        grid = grid.sum(2, dtype=np.uint16).reshape(b, rows, cols, cell, 3).sum(3, dtype=np.float32)
        windows = _windows(grid / cell**2, stride).mean((4, 5))
        log = np.log(windows + 8)
        tone = log[..., ::2] - log[..., 1:2]
        tone -= tone.mean((1, 2), keepdims=True)
        y, x = np.mgrid[: tone.shape[1], : tone.shape[2]] + 0.5
        place = np.stack([x / tone.shape[2] - 0.5, y / tone.shape[1] - 0.5], -1)
        place = np.broadcast_to(place, tone.shape)
        out.append(np.concatenate([TONE * tone, PLACE * place], -1).reshape(b, -1, 4))
    return np.concatenate(out, 1).astype(np.float32)


@dataclass(frozen=True)
class Extractor:
    """Learnt parts of the descriptor."""

    local_mean: np.ndarray  # (128,)
    local_axes: np.ndarray  # (128, LOCAL_DIM)
    words: np.ndarray  # (V, LOCAL_DIM + 4)
    mean: np.ndarray  # (V * (LOCAL_DIM + 4),)
    axes: np.ndarray  # (V * (LOCAL_DIM + 4), D), whitened

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return descriptors (B, D) float32 of unit length for images (B, H, W, 3) uint8."""
        return unit((vlad(self.reduce(images), self.words) - self.mean) @ self.axes)

    def reduce(self, images: np.ndarray) -> np.ndarray:
        """Return local features (B, N, LOCAL_DIM + 4)."""
        gradients = (gradient_features(images) - self.local_mean) @ self.local_axes
        return np.concatenate([gradients, context_features(images)], 2)


def unit(rows: np.ndarray) -> np.ndarray:
    """Scale the last axis to length 1; zeros stay zeros."""
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)


def vlad(features: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Aggregate local features (B, N, d) about words (V, d) to (B, V * d)."""
    nearest = (features @ words.T - 0.5 * (words * words).sum(1)).argmax(2)  # (B, N)
    member = (nearest[:, None] == np.arange(len(words))[:, None]).astype(np.float32)  # (B, V, N)
    sums = member @ features - member.sum(2, keepdims=True) * words
    sums = unit(np.sign(sums) * np.sqrt(np.abs(sums)))  # burstiness, then each word alike
    return unit(sums.reshape(len(features), -1))


def learn(images: np.ndarray, dim: int, vocabulary: int, random: np.random.Generator) -> Extractor:
    """Learn from training images (B, H, W, 3) uint8; mirrored copies are added.

    Raises InputError where the images are too few for `dim` dimensions.
    """
    if 2 * len(images) <= dim:
        raise InputError(f"{len(images)} training images cannot span {dim} dimensions")
    both = np.concatenate([images, images[:, :, ::-1]])
    sample = both[random.permutation(len(both))[:300]]
    blocks = [sample[i : i + 30] for i in range(0, len(sample), 30)]
    local = np.concatenate([gradient_features(b)[:, ::5].reshape(-1, 128) for b in blocks])
    mean, axes, _ = _principal(local, LOCAL_DIM)
    nothing = np.zeros((1, 1), np.float32)
    partial = Extractor(mean, axes, nothing, nothing, nothing)
    local = np.concatenate([partial.reduce(b)[:, ::5] for b in blocks]).reshape(-1, LOCAL_DIM + 4)
    words = _kmeans(local, vocabulary, random)
    rows = [vlad(partial.reduce(both[i : i + 32]), words) for i in range(0, len(both), 32)]
    centre, axes_all, variance = _principal(np.concatenate(rows), dim)
    # Directions of little variance are mostly noise: the floor keeps them from being blown up.
    whiten = 1 / np.sqrt(variance + 0.5 * variance.mean())
    return Extractor(mean, axes, words, centre, (axes_all * whiten).astype(np.float32))


def _principal(rows: np.ndarray, dim: int):
    """Mean, the first `dim` principal axes as columns, and their variances."""
    mean = rows.mean(0)
    centred = rows - mean
    if len(rows) >= rows.shape[1]:
        value, vector = np.linalg.eigh(centred.T @ centred / len(rows))
    else:
        value, left = np.linalg.eigh(centred @ centred.T / len(rows))
        vector = centred.T @ (left / np.sqrt(np.maximum(value, 1e-12) * len(rows)))
    keep = np.argsort(-value, kind="stable")[:dim]
    return mean, np.ascontiguousarray(vector[:, keep], np.float32), value[keep]


def _kmeans(rows: np.ndarray, count: int, random, rounds: int = 15) -> np.ndarray:
    """Lloyd's algorithm from random rows; an empty cluster is sown again."""
    centres = rows[random.choice(len(rows), count, replace=False)]
    for _ in range(rounds):
        nearest = (rows @ centres.T - 0.5 * (centres * centres).sum(1)).argmax(1)
        member = (nearest == np.arange(count)[:, None]).astype(np.float32)
        size = member.sum(1, keepdims=True)
        sown = rows[random.choice(len(rows), count, replace=False)]
        centres = np.where(size > 0, member @ rows / np.maximum(size, 1), sown)
    return centres.astype(np.float32)
