"""Several scenes as one: cities, countries, searched and re-ranked together.

Positions of different scenes have frames of their own, so that images of two scenes are never one
place. In the union each scene is moved so far that none is near another; whatever reads a scene
reads it as it reads any, and finds no neighbours across the gap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from gcsa.descriptors.stacked import stacked
from gcsa.ranking.cells import Grid, near_devices
from gcsa.ranking.index.settings import Searching
from gcsa.ranking.lists import Ranking
from gcsa.ranking.retrieval import retrieve
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo import radio

NAME = "all scenes"
GAP = 10_000.0  # metres between scenes: no view, and few devices' errors, reach so far


@dataclass(frozen=True, eq=False)
class Union:
    """S scenes, and the one that holds them all.

    scene: images named with their scene first. offsets: (S, 2) metres that each was moved by.
    images, queries: (S + 1,) where those of each begin in it.
    """

    scenes: Sequence[Scene]
    scene: Scene
    offsets: np.ndarray
    images: np.ndarray
    queries: np.ndarray

    @classmethod
    def of(cls, scenes: Sequence[Scene]) -> Union:
        """Local features are of a scene's files, and are left out."""
        offsets = _offsets([scene.database.positions for scene in scenes])
        ends = [np.cumsum([0, *map(len, sets)]) for sets in _roles(scenes)]
        names = [scene.name for scene in scenes]
        database, queries = (_joined(sets, names, offsets) for sets in _roles(scenes))
        made = Scene(NAME, database, queries, parts=tuple(map(int, ends[0])))
        return cls(scenes, made, offsets, *ends)

    def scene_of(self, rows: np.ndarray) -> np.ndarray:
        """The number of the scene of database rows (...,), -1 of padding."""
        return np.where(rows < 0, -1, np.searchsorted(self.images, rows, side="right") - 1)

    @property
    def own(self) -> np.ndarray:
        """The number of the scene that each query is of, (Q,)."""
        return np.repeat(np.arange(len(self.scenes)), np.diff(self.queries))

    def asked_of(self, number: int, queries: np.ndarray) -> Scene:
        """One scene asked by ``queries`` (m,) of the union, in its own frame.

        Only its own queries may be images of its database.
        """
        asked = self.scene.queries.of_rows(queries)
        names = np.char.add("query\n", asked.names)  # a name that no database has
        known: dict[str, Any] = {"positions": _moved(asked.positions, -self.offsets[number])}
        own = self.own[queries] == number
        real = self.scenes[number].queries.names[queries[own] - self.queries[number]]
        names = names.astype(f"<U{max(names.itemsize // 4, real.itemsize // 4, 1)}")
        names[own] = real
        return self.scenes[number].asked(replace(asked, names=names, **known))


def retrieve_in_all(
    union: Union,
    num: int,
    device: torch.device | str = "cpu",
    search: str | Searching = "auto",
) -> Ranking:
    """The ``num`` images most alike to each query, of the databases of all scenes together.

    Each database is searched by itself, in its own index where there is one, and the lists are
    merged by similarity: rows of the union. Where queries say where they are and ``search`` is
    within that, cells come first, as of one scene.
    """
    searching = Searching(search) if isinstance(search, str) else search
    everywhere = replace(searching, within=0.0)

    def in_all(scene: Scene) -> Ranking:
        asked = np.flatnonzero(np.isin(union.scene.queries.names, scene.queries.names))
        shape = len(asked), 0
        lists = Ranking(np.empty(shape, np.int64), np.empty(shape, np.float32))
        for number, start in enumerate(union.images[:-1]):
            found = retrieve(union.asked_of(number, asked), num, device, everywhere)
            lists = _merged(lists, found, int(start), num)
        return lists

    positions = union.scene.database.positions
    if searching.within <= 0 or positions is None or union.scene.queries.positions is None:
        return in_all(union.scene)
    return near_devices(union.scene, num, Grid.of(positions), searching.within, in_all)


def _merged(lists: Ranking, found: Ranking, start: int, num: int) -> Ranking:
    rows = np.where(found.valid, found.indices + start, -1)
    scores = np.concatenate([lists.scores, found.scores], axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :num]
    indices = np.concatenate([lists.indices, rows], axis=1)
    return Ranking(*(np.take_along_axis(array, order, axis=1) for array in (indices, scores)))


def _roles(scenes: Sequence[Scene]) -> tuple[list[ImageSet], list[ImageSet]]:
    return [scene.database for scene in scenes], [scene.queries for scene in scenes]


def _offsets(positions: Sequence[np.ndarray | None]) -> np.ndarray:
    """Metres (S, 2) that set scenes on a square grid: numbers as small as possible, for floats."""
    corners = np.zeros((len(positions), 2, 2))
    for corner, places in zip(corners, positions, strict=True):
        known: Any = [] if places is None else places[np.isfinite(places).all(axis=1), :2]
        if len(known):
            corner[:] = np.min(known, axis=0), np.max(known, axis=0)
    side = float((corners[:, 1] - corners[:, 0]).max()) + GAP
    across = math.ceil(math.sqrt(len(positions)))
    row, column = np.divmod(np.arange(len(positions)), across)
    return np.stack([column, row], axis=1) * side - corners[:, 0]


def _moved(positions: np.ndarray | None, offset: np.ndarray) -> np.ndarray | None:
    if positions is None:
        return None
    return positions + np.pad(offset, (0, positions.shape[1] - 2))


def _joined(sets: Sequence[ImageSet], names: Sequence[str], offsets: np.ndarray) -> ImageSet:
    """Image sets one after another: what some of them do not know is unknown of these."""
    pairs = zip(names, sets, strict=True)
    places = [_moved(s.positions, o) for s, o in zip(sets, offsets, strict=True)]
    single: dict[str, Any] = {
        name: joined_rows([getattr(s, name) for s in sets], sets)
        for name in ("headings", "accuracy", "heading_accuracy")
    }
    for name in ("frames", "times"):
        values = [getattr(s, name) for s in sets]
        single[name] = None if any(v is None for v in values) else np.concatenate(values)
    return ImageSet(
        np.concatenate([np.char.add(f"{name}/", s.names) for name, s in pairs]),
        stacked([s.descriptors for s in sets]),
        joined_rows(places, sets),
        radio=_heard(sets),
        sequences=_sequences(sets),
        **single,
    )


def joined_rows(values: Sequence[np.ndarray | None], sets: Sequence[Any]) -> np.ndarray | None:
    """Arrays (n_s, ...) of float one after another, NaN of sets that have None; None without any.

    Columns that not all have, as heights, are left out.
    """
    known = [v for v in values if v is not None]
    if not known:
        return None
    tail = np.min([v.shape[1:] for v in known], axis=0).astype(int)
    parts = [
        np.full((len(s), *tail), np.nan) if v is None else v[(slice(None), *map(slice, tail))]
        for v, s in zip(values, sets, strict=True)
    ]
    return np.concatenate(parts)


def _heard(sets: Sequence[ImageSet]) -> radio.Radio | None:
    if all(s.radio is None for s in sets):
        return None
    return radio.stack(
        [radio.stack_columns(len(s), []) if s.radio is None else s.radio for s in sets]
    )


def _sequences(sets: Sequence[ImageSet]) -> np.ndarray | None:
    """Numbers of sequences, of no two scenes alike."""
    if all(s.sequences is None for s in sets):
        return None
    parts, start = [], 0
    for s in sets:
        own = np.full(len(s), -1) if s.sequences is None else s.sequences
        parts.append(np.where(own < 0, -1, own + start).astype(np.int64))
        start += int(own.max(initial=-1)) + 1
    return np.concatenate(parts)
