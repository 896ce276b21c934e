"""The descriptors of many scenes under one numbering, gathered at memory speed.

The images of a table are numbered scene by scene, in each the queries before the database. Where
descriptors lie is the table's business: in memory-mapped files whose resident pages are bounded
(:data:`gcsa.descriptors.hdf5.RESIDENT`), or as one array on the device.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from gcsa.scene import ImageSet, Scene

# Rows handled at a time where a whole table is read: 64 MB of 4096-d half precision.
CHUNK = 8192


class Table:
    """Descriptors (n, D0) of all images of some scenes, float16.

    resident: keep them all on ``device``, 2 D0 bytes an image, instead of in the files.
    """

    def __init__(
        self, scenes: Sequence[Scene], device: torch.device | str = "cpu", resident: bool = False
    ):
        self.device = torch.device(device)
        self._sets: list[ImageSet] = [s for c in scenes for s in (c.queries, c.database)]
        self._starts = np.cumsum([0, *(len(images) for images in self._sets)])
        self.length = self._sets[0].descriptors.shape[1]
        self._resident = self._load() if resident else None

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def on_host(self) -> bool:
        """Whether rows are gathered by the host, and ahead of the model therefore."""
        return self._resident is None

    def rows(self, scene: int, queries: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """Numbers (B, 1+N) of a scene's queries (B,) and of their candidates (B, N).

        A candidate of -1, padding, reads as the first database image.
        """
        own, database = self._starts[2 * scene], self._starts[2 * scene + 1]
        return np.concatenate(
            [own + queries[:, None], database + np.maximum(candidates, 0)], axis=1
        )

    def gather(self, numbers: np.ndarray, out: Tensor | None = None) -> Tensor:
        """Descriptors (m, D0) float16 of ascending ``numbers`` (m,), on the device if resident.

        out: a host tensor with at least m rows to gather into; a fresh one costs twice the time.
        """
        if self._resident is not None:
            return self._resident[torch.from_numpy(numbers).to(self.device)]
        if out is None:
            out = torch.empty(len(numbers), self.length, dtype=torch.float16)
        out = out[: len(numbers)]
        target = out.numpy()
        cuts = np.searchsorted(numbers, self._starts)
        for i, images in enumerate(self._sets):
            part = slice(cuts[i], cuts[i + 1])
            if part.start < part.stop:
                _take(images, numbers[part] - self._starts[i], target[part])
        return out

    def chunks(self, numbers: np.ndarray) -> Iterator[tuple[slice, Tensor]]:
        """The rows of ascending ``numbers`` (m,) piece by piece: (which of them, (c, D0) float32).

        The pieces are on the device; each is overwritten by the next.
        """
        size = min(CHUNK, len(numbers))
        room = torch.empty(size, self.length, dtype=torch.float16) if self.on_host else None
        whole = torch.empty(size, self.length, device=self.device)
        for start in range(0, len(numbers), CHUNK):
            part = slice(start, min(start + CHUNK, len(numbers)))
            block = self.gather(numbers[part], room)
            yield part, whole[: len(block)].copy_(block.to(self.device))

    def _load(self) -> Tensor:
        result = torch.empty(len(self), self.length, dtype=torch.float16, device=self.device)
        for start, images in zip(self._starts, self._sets, strict=False):
            for first in range(0, len(images), CHUNK):
                block = np.ascontiguousarray(images.descriptors[first : first + CHUNK])
                result[start + first : start + first + len(block)] = torch.from_numpy(block)
        return result


def _take(images: ImageSet, rows: np.ndarray, out: np.ndarray) -> None:
    """Rows of a set's descriptors into ``out``, which has their shape."""
    descriptors = images.descriptors
    if isinstance(descriptors, np.ndarray):
        np.take(descriptors, rows, axis=0, out=out, mode="clip")
    else:
        descriptors.take(rows, out)
