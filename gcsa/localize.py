"""Query photos placed in a map of photos at known poses: what hloc's localize_sfm does, without it.

Reads and writes hloc's files: a pairs file of retrieved images, lists of queries with intrinsics,
local features, matches or none; the map is COLMAP's text model.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gcsa import options
from gcsa.errors import InputError, run_program

if TYPE_CHECKING:
    from gcsa.localization.mapped import LocalFiles
    from gcsa.localization.placing import Placed

logger = logging.getLogger(__name__)


def localize(
    model: Path, queries: Sequence[Path], pairs: Path, files: LocalFiles, num: int, results: Path
) -> Placed:
    """Poses of the queries by the first ``num`` images of each, written as hloc writes them.

    A query that cannot be placed has the pose of its first image, as hloc has it; how many these
    are is said.
    """
    from gcsa.local.matched import Matched
    from gcsa.localization.hloc_files import read_query_list, write_results
    from gcsa.localization.model import read_model
    from gcsa.localization.near_views import Nearest
    from gcsa.localization.placing import Asked, place
    from gcsa.localization.poses import Poses
    from gcsa.localization.surfaces import Surfaces

    views = read_model(model)
    lists = _lists(pairs, views.names, num)
    names, cameras = [], []
    for path in queries:
        listed = read_query_list(path)
        names += listed[0]
        cameras += listed[1]
    alone = Poses(np.eye(3)[None], np.zeros((1, 3)))
    empty = np.empty(0, dtype=np.int64)
    asked = [
        Asked([name], [camera], alone, [lists.get(name, empty)])
        for name, camera in zip(names, cameras, strict=True)
    ]
    surfaces = Surfaces(views, Nearest(views.poses), Matched(files.features, files.matches))
    placed = place(asked, surfaces)
    failed = np.flatnonzero(~placed.poses.known)
    for row in failed:
        for first in asked[row].lists[0][:1]:
            placed.poses.rotations[row] = views.poses.rotations[first]
            placed.poses.positions[row] = views.poses.positions[first]
    write_results(results, names, placed.poses)
    text = "%s: %d of %d queries placed in the map; the others have the pose of their first image"
    logger.info(text, results, len(names) - len(failed), len(names))
    return placed


def _lists(pairs: Path, images: np.ndarray, num: int) -> dict[str, np.ndarray]:
    """Rows of each query's first ``num`` images; images that the model lacks are passed over."""
    from gcsa.datasets.hloc import read_pairs

    rows, lacking = {str(name): row for row, name in enumerate(images)}, 0
    found: dict[str, list[int]] = {}
    for query, image in zip(*(part.tolist() for part in read_pairs(pairs)), strict=True):
        if image in rows:
            found.setdefault(query, []).append(rows[image])
        else:
            lacking += 1
    if lacking:
        logger.warning("%s: %d pairs of images that the model lacks passed over", pairs, lacking)
    if not found:
        raise InputError(f"{pairs}: no pair of an image of the model, such as '{images[0]}'")
    return {query: np.array(listed[:num]) for query, listed in found.items()}


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "localize",
        "Place query photos in a map of photos at known poses, by local features: hloc's files "
        "in and out, without hloc (pip install gcsa[localize]).",
        "--model sfm_text --queries queries.txt --pairs pairs.txt --features feats.h5 "
        "--results poses.txt",
    )
    made.add_argument("--model", required=True, metavar="DIR", help="cameras.txt and images.txt")
    made.add_argument(
        "--queries", required=True, nargs="+", metavar="LIST", help="'name MODEL w h params...'"
    )
    made.add_argument("--pairs", required=True, metavar="FILE", help="of gcsa pairs: best first")
    made.add_argument("--features", required=True, metavar="F.h5", help="of gcsa match, or hloc's")
    made.add_argument("--matches", metavar="M.h5", help="of some pairs; the others are matched")
    made.add_argument("--results", required=True, metavar="FILE", help="poses to write")
    options.add_num(made, 20, "images of a query that are matched")
    return made


def main() -> None:
    args = parser().parse_args()
    from gcsa.localization.mapped import LocalFiles

    if args.num < 1:
        raise InputError(f"--num: {args.num} is less than 1")
    files = LocalFiles(Path(args.features), None if args.matches is None else Path(args.matches))
    queries = [Path(path) for path in args.queries]
    localize(Path(args.model), queries, Path(args.pairs), files, args.num, Path(args.results))


if __name__ == "__main__":
    run_program(main)
