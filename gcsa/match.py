"""Local features of photos and their matches, in hloc's files, without hloc."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gcsa import options
from gcsa.errors import InputError, run_program

if TYPE_CHECKING:
    from gcsa.config import Config
    from gcsa.local.extractors import Extraction

logger = logging.getLogger(__name__)


def match_scenes(config: Config, how: Extraction, skip_broken: bool = False) -> list[Path]:
    """Local features of all images of the scenes that the settings name; returns the files.

    They go where ``data.local_fn`` says, beside the descriptors.
    """
    from gcsa.extract.photos import of_scenes

    if not config.data.local_fn:
        raise InputError("data.local_fn: is empty; expected the name of the files to write")
    jobs = of_scenes(replace(config, data=replace(config.data, desc_fn=config.data.local_fn)))
    for job in jobs:
        _extract(job.photos, how, job.output, skip_broken)
    return [job.output for job in jobs]


def match_folder(images: Path, output: Path, how: Extraction, skip_broken: bool = False) -> None:
    """Local features of all photos below a folder; their names are relative to it."""
    from gcsa.extract.photos import of_folder

    _extract(of_folder(images, output).photos, how, output, skip_broken)


def match_pairs(
    pairs: Path, features: Path, output: Path, ratio: float, matcher: str = "mutual"
) -> int:
    """Matches of the pairs in a file; returns how many pairs there are."""
    from gcsa.datasets.hloc import read_pairs
    from gcsa.local.making import match

    names = list(zip(*(part.tolist() for part in read_pairs(pairs)), strict=True))
    match(names, features, output, ratio, matcher)
    logger.info("%s: %d pairs", output, len(names))
    return len(names)


def _extract(photos: Sequence, how: Extraction, output: Path, skip_broken: bool) -> None:
    from gcsa.local.making import extract

    files = [(photo.name, photo.path) for photo in photos]
    broken = extract(files, how, output, skip_broken)
    logger.info("%s: %d images, %s", output, len(photos) - len(broken), how.extractor)
    if broken:
        logger.warning("%d broken photos were passed over: %s", len(broken), "; ".join(broken[:5]))


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "match",
        "Find local features of photos, and match pairs of them: files as hloc writes them "
        "(pip install gcsa[localize]). What is there already is passed over.",
        "--images photos/lund --features feats.h5 --pairs pairs.txt --matches matches.h5",
    )
    options.add_images(made)
    options.add_conf(made, "or all scenes of a data set, into data.local_fn beside descriptors")
    made.add_argument("--features", metavar="F.h5", help="features, written with --images")
    made.add_argument("--pairs", metavar="FILE", help="pairs to match, 'image image' a line")
    made.add_argument("--matches", metavar="M.h5", help="with --pairs: matches to write")
    made.add_argument(
        "--extractor", default="sift", help="sift (default) or xfeat (pip install gcsa[xfeat])"
    )
    made.add_argument(
        "--longest", type=int, default=1024, metavar="N", help="longer side, pixels (default 1024)"
    )
    made.add_argument(
        "--max_keypoints", type=int, default=2048, metavar="N", help="an image (default 2048)"
    )
    made.add_argument(
        "--ratio", type=float, default=0.8, help="of a match's distance to the next (default 0.8)"
    )
    made.add_argument(
        "--matcher", default="mutual", help="mutual (default), or lighterglue of XFeat's features"
    )
    options.add_skip_broken(made)
    options.add_overrides(made)
    return made


def main() -> None:
    args = parser().parse_intermixed_args()
    from gcsa.local.extractors import Extraction

    if args.images is not None and args.conf is not None:
        raise InputError("--images and --conf: only one of them")
    if (args.pairs is None) != (args.matches is None):
        raise InputError("--pairs and --matches go together")
    if args.features is None and (args.images is not None or args.pairs is not None):
        raise InputError("--features: the file of local features is missing")
    if args.images is None and args.conf is None and args.pairs is None:
        raise InputError("expected --images DIR or --conf YAML, or --pairs of features made before")
    how = Extraction(args.extractor, args.longest, args.max_keypoints)
    if args.conf is not None:
        from gcsa.config import load_config

        match_scenes(load_config(args.conf, options.overrides(args)), how, args.skip_broken)
    elif args.images is not None:
        match_folder(Path(args.images), Path(args.features), how, args.skip_broken)
    if args.pairs is not None:
        files = Path(args.pairs), Path(args.features), Path(args.matches)
        match_pairs(*files, args.ratio, args.matcher)


if __name__ == "__main__":
    run_program(main)
