"""Photos as a network in training takes them: read, augmented, resized, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from gcsa import imaging
from gcsa.descriptors.networks.preprocessing import Resize
from gcsa.training.describing.augmentation import Augmentation


@dataclass(eq=False)
class Photos:
    """Photos by their numbers. paths: (N,). workers: threads that decode; 0 decodes here."""

    paths: Sequence[imaging.Source]
    resize: Resize
    augmentation: Augmentation
    workers: int
    pool: ThreadPoolExecutor | None = field(default=None, init=False)

    def read(self, rows: np.ndarray, seed: Sequence[int] | None = None, first: int = 0) -> Tensor:
        """Pixels (n, 3, h, w) float32, RGB in [0, 1], of the photos ``rows``.

        seed: what the chance of augmentation follows from, together with a photo's place behind
        ``first``, however a batch is divided among threads, parts and processes; None augments
        nothing. As stored, not turned upright, as all published evaluations take them.
        """
        seeds = [None if seed is None else (*seed, first + place) for place in range(len(rows))]
        paths = [self.paths[row] for row in rows]
        if self.workers and self.pool is None:
            self.pool = ThreadPoolExecutor(self.workers, "photos")
        made = self.pool.map if self.pool is not None else map
        return torch.stack(list(made(self._one, paths, seeds)))

    def _one(self, path: imaging.Source, seed: Sequence[int] | None) -> Tensor:
        image, _ = imaging.read_rgb(path, upright=False)
        if seed is None:
            return self.resize(_pixels(image))[0]
        random = np.random.default_rng(seed)
        resized = partial(_resized, resize=self.resize)
        return self.augmentation(image, resized, random)


def _pixels(image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


def _resized(image, resize: Resize) -> Tensor:
    return resize(_pixels(image))[0]
