"""What is written: a pairs file, scores, pictures of some queries."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gcsa.errors import InputError
from gcsa.files import replacing
from gcsa.localization.pairs_files import write_candidates
from gcsa.plots import Tile, save, strip
from gcsa.plots.pictures import Top, top
from gcsa.ranking.lists import Ranking
from gcsa.scene import Scene
from gcsa.sideinfo.fov import FovConfig

logger = logging.getLogger(__name__)

PICTURED = 10  # images of a list in a picture


@dataclass(frozen=True)
class Outputs:
    """Files to write, as the program's options of the same names have them; None: not written.

    output: the pairs file. scores: an .npz file. images: the folder below which image names are
    files. pictures: a folder for pictures of ``strips`` queries.
    """

    output: str | None = None
    scores: str | None = None
    images: str | None = None
    pictures: str | None = None
    strips: int = 5

    def __post_init__(self) -> None:
        if (self.images is None) != (self.pictures is None):
            raise InputError("--images and --pictures: expected both, or none")
        if self.images is not None and not Path(self.images).is_dir():
            raise InputError(f"--images: {self.images} is no folder")
        if self.strips < 1:
            raise InputError(f"--strips: {self.strips} is less than 1")
        if self.scores is not None and Path(self.scores).suffix != ".npz":
            raise InputError(f"--scores: {self.scores}: expected a name that ends in .npz")


def write(outputs: Outputs, scene: Scene, first: Ranking, ranking: Ranking, num: int) -> None:
    """The first ``num`` of each re-ranked list, in the files that are asked for.

    The .npz holds query_names (Q,) and database_names (G,) str, indices (Q, num) int64, rows of
    the database, best first, -1 where a list is shorter, and scores (Q, num) float32, -inf where
    a candidate was not re-ranked.
    """
    if outputs.output is not None:
        count = write_candidates(outputs.output, scene, ranking, num)
        logger.info("%s: %d pairs of %d queries", outputs.output, count, len(ranking))
    if outputs.scores is not None:
        content: dict[str, Any] = {
            "query_names": scene.queries.names,
            "database_names": scene.database.names,
            "indices": ranking.indices[:, :num],
            "scores": ranking.scores[:, :num],
        }
        with replacing(outputs.scores) as temporary, open(temporary, "wb") as file:
            np.savez(file, **content)
    if outputs.pictures is not None:
        _write_pictures(outputs, scene, {"first round": first, "re-ranked": ranking})


def _write_pictures(outputs: Outputs, scene: Scene, lists: Mapping[str, Ranking]) -> None:
    """A strip of some queries, spread evenly; nothing is known of what is relevant."""
    count, root = len(scene.queries), Path(str(outputs.images))
    _check_images(root, scene)
    tops = {t: top(scene, None, c, "", FovConfig(), PICTURED) for t, c in lists.items()}
    for query in np.unique(np.linspace(0, count - 1, min(outputs.strips, count)).astype(int)):
        name = str(scene.queries.names[query])
        rows = {title: _tiles(root, scene, t, query) for title, t in tops.items()}
        stem = re.sub(r"[^\w.-]+", "_", str(Path(name).with_suffix("")))
        figure = strip(Tile(root / name, "query"), rows)
        save(figure, Path(str(outputs.pictures)) / f"{query:06d}_{stem}.png")


def _check_images(root: Path, scene: Scene) -> None:
    names = [str(images.names[0]) for images in (scene.queries, scene.database)]
    if not any((root / name).is_file() for name in names):
        raise InputError(f"--images: neither {root / names[0]} nor {root / names[1]} is a file")


def _tiles(root: Path, scene: Scene, best: Top, query: int) -> list[Tile]:
    tiles = []
    for place in np.flatnonzero(best.indices[query] >= 0):
        path = root / str(scene.database.names[best.indices[query, place]])
        metres, score = best.distances[query, place], best.scores[query, place]
        caption = f"{metres:,.0f} m" if np.isfinite(metres) else f"{score:.3f}"
        tiles.append(Tile(path, caption))
    return tiles
