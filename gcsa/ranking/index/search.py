"""Search by an index: its best are compared again exactly, from the descriptors themselves."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gcsa import distributed
from gcsa.descriptors.hdf5 import DescriptorRows
from gcsa.ranking.index import factory
from gcsa.ranking.index.build import Opened, folder_of, made_by, open_index
from gcsa.ranking.index.settings import Searching
from gcsa.ranking.search import again, in_order
from gcsa.scene import Scene


class Approximate:
    """Search of a scene's database by an index of faiss.

    The index is kept beside the descriptor file; of descriptors that are of none it is made for
    this search alone.
    """

    def __init__(
        self,
        scene: Scene,
        num: int,
        device: torch.device,
        own: np.ndarray,
        searching: Searching,
    ):
        self._scene, self._num, self._device, self._own = scene, num, device, own
        self._kept = min(searching.again * num + 1, len(scene.database))
        self.opened = _open(scene, searching)
        factory.set_parameters(self.opened.index, searching.parameters)
        self._lists = factory.inverted(self.opened.index)
        if self._lists is None:
            for part, _ in self.opened.parts:
                factory.set_parameters(part, searching.parameters)

    def asked(self, scene: Scene, own: np.ndarray) -> Approximate:
        """As of :meth:`gcsa.ranking.search.Search.asked`."""
        made = copy.copy(self)
        made._scene, made._own = scene, own
        return made

    def best(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """As of :meth:`gcsa.ranking.search.Search.best`; -inf and -1 where too few were found."""
        descriptors = np.asarray(self._scene.queries.descriptors[rows])
        found = self._rough(np.ascontiguousarray(descriptors, dtype=np.float32))
        found[found == self._own[rows][:, None]] = -1
        index = torch.from_numpy(found).to(self._device)
        queries = torch.from_numpy(descriptors).to(self._device)
        scores, order = again(self._scene, queries, index).sort(dim=1, descending=True)
        first = order[:, : self._num]
        return in_order(scores[:, : self._num], index.gather(1, first))

    def _rough(self, queries: np.ndarray) -> np.ndarray:
        """Database rows (q, kept) of the best by the index; -1 where it found no more."""
        asked = self._asked(queries)
        scores: np.ndarray = np.full((len(queries), self._kept), -np.inf, dtype=np.float32)
        rows: np.ndarray = np.full((len(queries), self._kept), -1, dtype=np.int64)
        for part, there in self.opened.parts:
            score, number = asked(part, min(self._kept, len(there)))
            row = np.where(number < 0, -1, there[number])
            scores = np.concatenate([scores, np.where(row < 0, -np.inf, score)], axis=1)
            rows = np.concatenate([rows, row], axis=1)
            best = np.argpartition(-scores, self._kept - 1, axis=1)[:, : self._kept]
            scores = np.take_along_axis(scores, best, axis=1)
            rows = np.take_along_axis(rows, best, axis=1)
        return rows

    def _asked(self, queries: np.ndarray) -> Any:
        """A function that searches a part: (part, k) -> scores and numbers in it, (q, k)."""
        if self._lists is None:
            return lambda part, k: part.search(queries, k)
        # Which lists are near a query is the same in every part, and found once.
        lists, turned = self._lists, factory.turned(self.opened.index, queries)
        distances, numbers = lists.quantizer.search(turned, lists.nprobe)

        def search(part: Any, k: int) -> tuple[np.ndarray, np.ndarray]:
            lists.replace_invlists(part, False)
            return lists.search_preassigned(turned, k, numbers, distances)

        return search


def _open(scene: Scene, searching: Searching) -> Opened:
    """The index of a scene's database; of several processes the first makes it."""
    descriptors = scene.database.descriptors
    home = descriptors.home if isinstance(descriptors, DescriptorRows) else None
    if home is None:
        with tempfile.TemporaryDirectory(prefix="gcsa-index-") as passing:
            # What was mapped of its files stays there until it is let go.
            return open_index(scene.database, searching, Path(passing), "")
    source, version = home
    folder = folder_of(source, made_by(searching, descriptors.shape[1]))
    with distributed.first_alone():
        return open_index(scene.database, searching, folder, version)
