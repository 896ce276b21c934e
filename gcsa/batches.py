"""Ranked lists of many scenes: made ready from the files, and as one stream of batches."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from gcsa.affinity import Lists, SideInformation, check_kinds
from gcsa.candidates import Candidates, retrieve
from gcsa.fov import FovConfig
from gcsa.readers import DataConfig, reader, scene_names
from gcsa.scene import Scene
from gcsa.truth import Truth, check_depth, labels

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class RankedScene:
    """A scene with the first-round candidates of its queries, their side information and labels.

    truth: None where it is not published. labels: (Q, N) bool, which candidates are relevant;
    None without truth.
    """

    scene: Scene
    candidates: Candidates
    side: SideInformation
    truth: Truth | None
    labels: np.ndarray | None


def prepare(
    data: DataConfig,
    fov: FovConfig,
    kinds: Sequence[str],
    split: str,
    num: int,
    device: torch.device | str = "cpu",
) -> list[RankedScene]:
    """Read every scene of a split and retrieve ``num`` candidates for each of its queries."""
    check_kinds(kinds)
    names, read = scene_names(data, split), reader(data).read
    rule = data.train_labels if split == "train" else data.val_labels
    scenes = []
    for name in tqdm(names, desc=f"reading {split}", unit="scene", leave=False):
        scene, truth = read(data, name, split)
        candidates = retrieve(scene, num, device)
        if len(scene.database) < num:
            logger.info("%s: %d database images, lists padded", name, len(scene.database))
        if truth is not None:
            check_depth(scene, truth, min(num, len(scene.database) - 1))
        relevant = truth and labels(rule, scene, truth, candidates.indices, fov)
        scenes.append(
            RankedScene(scene, candidates, SideInformation(scene, kinds, fov), truth, relevant)
        )
    return scenes


@dataclass(frozen=True, eq=False)
class Batch:
    """What a training step reads, on one device; row 0 is the query.

    descriptors: (B, 1+N, D0) float32. columns: (B, 1+K, C) float32.
    labels: (B, 1+K) bool, the query itself a positive. valid: (B, N) bool, False where padded.
    """

    descriptors: Tensor
    columns: Tensor
    labels: Tensor
    valid: Tensor

    def to(self, device: torch.device) -> Batch:
        """On another device, descriptors as float32 (half precision is what travels)."""
        descriptors = self.descriptors.to(device, non_blocking=True).float()
        others = (self.columns, self.labels, self.valid)
        return Batch(descriptors, *(t.to(device, non_blocking=True) for t in others))


def all_queries(scenes: Sequence[RankedScene], with_positives: bool) -> np.ndarray:
    """(M, 2) pairs (scene, query) for training; ``with_positives``: those with a label only."""
    kept = [
        np.flatnonzero(s.labels.any(axis=1)) if with_positives else np.arange(len(s.labels))
        for s in scenes
    ]
    numbers = np.repeat(np.arange(len(scenes)), [len(k) for k in kept])
    return np.stack([numbers, np.concatenate(kept)], axis=1)


def stream(
    scenes: Sequence[RankedScene],
    queries: np.ndarray,
    K: int,
    L: int,
    batch_size: int,
    num_workers: int = 0,
    seed: Sequence[int] = (),
    radio_dropout: float = 0.0,
) -> Iterator[Batch]:
    """Batches of ``queries`` (M, 2) in their order, prepared ahead by ``num_workers`` threads.

    What a batch drops at random follows from ``seed`` and its number. The last batch may be
    smaller. Threads suffice: gathering rows and looking overlaps up is NumPy's work, outside the
    interpreter's lock.
    """
    picks = [queries[i : i + batch_size] for i in range(0, len(queries), batch_size)]

    def make(number: int) -> Batch:
        random = np.random.default_rng([*seed, number])
        return assemble(scenes, picks[number], K, L, random, radio_dropout)

    if num_workers == 0:
        yield from map(make, range(len(picks)))
        return
    with ThreadPoolExecutor(num_workers) as pool:
        waiting: deque = deque()
        try:
            for number in range(len(picks)):
                waiting.append(pool.submit(make, number))
                if len(waiting) > num_workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def assemble(
    scenes: Sequence[RankedScene],
    queries: np.ndarray,
    K: int,
    L: int,
    random: np.random.Generator | None = None,
    radio_dropout: float = 0.0,
) -> Batch:
    """One batch of the (B, 2) pairs (scene, query); its scenes may differ."""
    parts, rows = [], []
    for number in np.unique(queries[:, 0]):
        of_scene = np.flatnonzero(queries[:, 0] == number)
        rows.append(of_scene)
        own = queries[of_scene, 1]
        candidates = scenes[number].candidates.indices[own, : max(K, L)]
        lists = Lists(own, candidates, K, L, random, radio_dropout)
        parts.append(_assemble_scene(scenes[number], lists))
    back = np.argsort(np.concatenate(rows))
    if len(parts) == 1:
        fields = parts[0]
    else:
        fields = [np.concatenate(arrays)[back] for arrays in zip(*parts, strict=True)]
    return Batch(*(torch.from_numpy(array) for array in fields))


def _assemble_scene(ranked: RankedScene, lists: Lists) -> tuple[np.ndarray, ...]:
    """The fields of a Batch for some queries of one scene, descriptors still float16."""
    queries, candidates = lists.queries, lists.candidates
    database, own = ranked.scene.database.descriptors, ranked.scene.queries.descriptors
    shape = (len(queries), 1 + candidates.shape[1], database.shape[1])
    descriptors = np.empty(shape, dtype=database.dtype)
    descriptors[:, 0] = own[queries]
    descriptors[:, 1:] = database[np.maximum(candidates, 0)]  # padded: any row, it is not read
    labels = np.ones((len(queries), 1 + lists.K), dtype=bool)
    labels[:, 1:] = ranked.labels[queries, : lists.K]
    return descriptors, ranked.side.columns(lists), labels, candidates >= 0
