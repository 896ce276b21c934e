"""Two sets of real photos as arrays, for the benchmarks and tests, and what is relevant in them.

The photos are nobody's to give away, and lie outside the repository: docs/real_photos.md says where
they come from. Beside them lie descriptors of a network.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import gcsa
from gcsa.descriptors.hdf5 import open_pack
from gcsa.places.calibrating import calibrated_on, database_of, labelled_sample
from gcsa.rerankers import LOCATING, RERANKERS
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.evidence import of_rows
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.rules import Poses, Rule, poses_relevant

DESCRIPTORS = "descriptors_efficientnet_lite0.npz"
DIMS, POWER = 128, 0.25
TOGETHER = 300  # seconds: what was taken within a stretch of so many was taken together
FOV = FovConfig()


@dataclass(frozen=True, eq=False)
class Photos:
    """Q queries and n database images. Poses of the queries are the truth, their headings known.

    queries (Q, D), database (n, D) float64 of unit length; positions (n, 2), true_positions (Q, 2)
    in ``unit``; headings (n,), query_headings (Q,) radians; groups (n,) int64, taken together.
    files: names of the image files, (n,) of the database and (Q,) of the queries.
    exclude: (Q, n) bool, no candidates of a query. rule: when an image is relevant.
    """

    name: str
    queries: np.ndarray
    database: np.ndarray
    positions: np.ndarray
    headings: np.ndarray
    true_positions: np.ndarray
    query_headings: np.ndarray
    groups: np.ndarray
    exclude: np.ndarray
    rule: str
    unit: str
    files: tuple[np.ndarray, np.ndarray]
    relevant: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        all_images = np.broadcast_to(np.arange(len(self.database)), self.exclude.shape)
        truth = Poses(self.true_positions, self.query_headings)
        found = poses_relevant(Rule.of(self.rule), FOV, truth, self._poses, all_images)
        object.__setattr__(self, "relevant", found & ~self.exclude)

    @property
    def _poses(self) -> Poses:
        return Poses(self.positions, self.headings)

    @property
    def depth(self) -> int:
        """How many images every query can be compared with."""
        return int((~self.exclude).sum(axis=1).min())

    @property
    def scene(self) -> Scene:
        """As a scene, without the truth."""
        names = [np.arange(len(rows)).astype(str) for rows in (self.database, self.queries)]
        known = ImageSet(names[0], self.database, self.positions, self.headings)
        return Scene(self.name, known, ImageSet(names[1], self.queries, None, self.query_headings))

    def rank(self, method: str | None, **options: Any) -> gcsa.Ranking:
        """All images that each query may be compared with, best first; options of gcsa.rank."""
        if method in RERANKERS:
            return self._by_group(method)
        known = {"positions": self.positions, "headings": self.headings, "exclude": self.exclude}
        if method in LOCATING:
            options |= {"query_headings": self.query_headings, "rule": self.rule}
        return gcsa.rank(
            self.queries, self.database, method, candidates=self.depth, **known, **options
        )

    def _by_group(self, method: str) -> gcsa.Ranking:
        """What reads more of the database than the list has a database without what is left out."""
        indices = np.empty((len(self.queries), self.depth), dtype=np.int64)
        scores = np.empty(indices.shape, dtype=np.float32)
        for out in np.unique(self.exclude, axis=0):
            some, kept = (self.exclude == out).all(axis=1), np.flatnonzero(~out)
            found = gcsa.rank(
                self.queries[some], self.database[kept], method, candidates=self.depth
            )
            indices[some], scores[some] = kept[found.indices], found.scores
        return gcsa.Ranking(indices, scores)

    def calibrated(self) -> gcsa.Calibration:
        """By the database alone."""
        return gcsa.fit(
            self.database,
            self.positions,
            headings=self.headings,
            groups=self.groups,
            rule=self.rule,
            candidates=self.depth,
        )

    def best(self) -> gcsa.Calibration:
        """The likeliest calibration of these very queries: to compare with, never to be used."""
        first, rule, scene = self.rank(None), Rule.of(self.rule), self.scene
        relevant = np.take_along_axis(self.relevant, first.indices, axis=1)
        sample = labelled_sample(scene, first, relevant, self.true_positions, rule, FOV)
        left = database_of(scene, rule, FOV).photos_without(self.exclude)
        for query, rows in enumerate(first.indices):
            sample.photos[query] = of_rows(left[query], rows[None])[0]
        return calibrated_on([scene], [sample], rule, FOV)


def campus(folder: Path, described: Path | None = None) -> Photos:
    """IIIT-H: each photo among those of the other photographers, relevant within 25 m."""
    table, rows = _read(folder / "real_iiith_campus", described)
    kept = (table["usable"] == 1).to_numpy()
    table, rows = table[kept], whitened(rows[kept], rows[kept])
    positions = table[["east_m", "north_m"]].to_numpy(float)
    headings = np.radians(table["heading_deg"].to_numpy(float))
    groups = table["photographer_group"].to_numpy(np.int64)
    out, poses = groups[:, None] == groups, (positions, headings)
    names = table["file"].to_numpy(str)
    return Photos("campus", rows, rows, *poses, *poses, groups, out, "dist", "m", (names, names))


def library(folder: Path, described: Path | None = None) -> Photos:
    """A library floor, photographed in 40 minutes: relevant within 10 units and 45 degrees."""
    table, rows = _read(folder / "real_library_floor", described)
    base = (table["split"] == "database").to_numpy()
    rows = whitened(rows[base], rows)
    positions = table[["x", "y"]].to_numpy(float)
    headings = np.radians(table["heading_deg"].to_numpy(float))
    taken = [datetime.strptime(text, "%Y:%m:%d %H:%M:%S") for text in table["captured_at"][base]]
    seconds = np.array([(moment - min(taken)).total_seconds() for moment in taken])
    return Photos(
        "library",
        rows[~base],
        rows[base],
        positions[base],
        headings[base],
        positions[~base],
        headings[~base],
        (seconds // TOGETHER).astype(np.int64),
        np.zeros(((~base).sum(), base.sum()), dtype=bool),
        "pose@10,45",
        "units",
        (table["file"][base].to_numpy(str), table["file"][~base].to_numpy(str)),
    )


SETS = {"real_iiith_campus": campus, "real_library_floor": library}


def whitened(fitted: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """PCA to DIMS numbers, each over its variance to the POWER, of unit length."""
    mean = fitted.mean(axis=0)
    _, deviation, axes = np.linalg.svd((fitted - mean) / len(fitted) ** 0.5, full_matrices=False)
    projected = (rows - mean) @ axes[:DIMS].T * deviation[:DIMS] ** (-2 * POWER)
    return projected / np.linalg.norm(projected, axis=1, keepdims=True)


def _read(folder: Path, described: Path | None) -> tuple[pd.DataFrame, np.ndarray]:
    """The table of the photos that have descriptors, and these, row by row.

    described: a folder with what gcsa extract wrote of the set, in the place of what lies beside
    the photos.
    """
    table = pd.read_csv(folder / "meta.csv")
    if described is None:
        stored = np.load(folder / DESCRIPTORS)
        names, rows = stored["files"], stored["descriptors"]
    else:
        pack = open_pack(described / f"{folder.name}.h5")
        names, rows = pack.names, pack.array
    row = {name: number for number, name in enumerate(names)}
    table = table[table["file"].isin(list(row))].reset_index(drop=True)
    return table, np.asarray(rows, dtype=np.float64)[[row[n] for n in table["file"]]]
