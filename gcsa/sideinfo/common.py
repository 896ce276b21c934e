"""What inliers of local features say, as an affinity: the kind "geometric"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from gcsa.scene import Scene
from gcsa.sideinfo.fov import FovConfig

# Candidates of a list whose inliers are counted: a pair takes some ten milliseconds.
VERIFIED = 50
# As many agree by chance: below this nothing is known (8 % of such pairs were relevant on the
# campus of docs/real_photos.md, as of all pairs).
CHANCE = 14.0


class Lists(Protocol):
    """Of :class:`gcsa.sideinfo.affinity.Lists`, what is read here."""

    @property
    def queries(self) -> np.ndarray: ...
    @property
    def candidates(self) -> np.ndarray: ...
    @property
    def K(self) -> int: ...  # noqa: N802
    @property
    def L(self) -> int: ...  # noqa: N802


def geometric(scene: Scene, config: FovConfig) -> Callable[[Lists], np.ndarray] | None:
    """Of the query and its first VERIFIED candidates, see :func:`affinity`.

    Between candidates nothing is known: these are too many to be matched.
    """
    local, queries, database = scene.local, scene.queries, scene.database
    if local is None:
        return None

    def columns(lists: Lists) -> np.ndarray:
        rows = lists.candidates[:, : min(VERIFIED, max(lists.K, lists.L))]
        query, column = np.nonzero(rows >= 0)
        names = queries.names[lists.queries[query]], database.names[rows[query, column]]
        own = np.zeros((len(rows), 1 + max(lists.K, lists.L)), dtype=np.float32)
        own[query, 1 + column] = affinity(local.inliers(*names))
        own[:, 0] = 1
        block = np.zeros((len(rows), 1 + lists.K, 1 + lists.L), dtype=np.float32)
        block[:, 0], block[:, :, 0] = own[:, : 1 + lists.L], own[:, : 1 + lists.K]
        return block

    return columns


def affinity(inliers: np.ndarray) -> np.ndarray:
    """(n - 14) / (n + 14) of n inliers, in [0, 1): 0, unknown, of fewer than 14, and of NaN."""
    known = np.maximum(np.nan_to_num(inliers), CHANCE)
    return ((known - CHANCE) / (known + CHANCE)).astype(np.float32)
