"""Compute which candidates of LaMAR's queries are positive, for any descriptor.

From matches of local features under the known poses (:mod:`gcsa.localization.sampson`) it writes
the files that training reads, ``lamar_scores_<scene>_{db,query}.npz``
(:mod:`gcsa.datasets.lamar.label_files`); num_pos counts within the candidates then. Without matches
geometry alone decides (:mod:`gcsa.localization.views`: fields of view, heights, depth maps), under
another name, ``lamar_geometry_<scene>_{db,query}.npz``; num_pos counts in the whole database.
"""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gcsa import options
from gcsa.errors import InputError, MissingFileError, given
from gcsa.localization.settings import SampsonConfig

if TYPE_CHECKING:
    import torch

    from gcsa.datasets.lamar.label_files import LabelFile
    from gcsa.local.files import LocalFeatures

logger = logging.getLogger(__name__)


def compute_labels(
    root: str | os.PathLike,
    scene_name: str,
    split: str,
    descriptors: str | os.PathLike,
    candidates: int = 255,
    local: LocalFeatures | None = None,
    config: SampsonConfig | None = None,
    device: torch.device | str = "cpu",
) -> LabelFile:
    """Labels of a scene's first-round candidates: from matches, or without ``local`` geometry.

    root: the folder that holds CAB/, HGE/, LIN/. split: "train" or "val". candidates: of a query.
    device: of retrieval.
    """
    from gcsa.datasets.lamar.label_files import LabelFile
    from gcsa.datasets.lamar.scene import read_map, read_queries, read_scene
    from gcsa.localization.sampson import match_scores
    from gcsa.localization.views import Views, geometry_labels
    from gcsa.ranking.retrieval import retrieve

    if split not in ("train", "val"):
        raise InputError(f"'{split}': labels are for the splits train and val")
    scene, truth = read_scene(root, scene_name, split, descriptors)
    own = split == "train"  # retrieve leaves each image out of its own list
    topk = retrieve(scene, candidates, device).indices
    names = scene.queries.names, scene.database.names
    folder = Path(root) / scene_name
    mapped = read_map(folder)
    queries = [mapped] if own else read_queries(folder, split)
    views = Views.of(queries), Views.of([mapped])
    if local is None:
        judged, num_pos = geometry_labels(scene, given(truth, scene_name), topk, own, views)
        return LabelFile(topk, judged, num_pos, *names)
    config = config or SampsonConfig()
    labels = match_scores(*views, topk, local, config) >= config.min_score
    return LabelFile(topk, labels, None if own else labels.sum(axis=1), *names)


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "lamar.labels",
        "Compute which candidates of LaMAR's queries are positive, for any descriptor: "
        "files lamar_scores_SCENE_{db,query}.npz, or lamar_geometry_... without matches.",
        "--scenes CAB --features outputs/lamar/{scene}/feats.h5 "
        "--matches outputs/lamar/{scene}/matches.h5",
        note="Paths may hold {scene}.",
    )
    made.add_argument("--root", default="datasets/lamar", help="the folder that holds CAB/, ...")
    made.add_argument(
        "--descriptors",
        default="outputs/lamar/{scene}/global-feats-netvlad.h5",
        metavar="F.h5",
        help="those that candidates are retrieved by (default %(default)s)",
    )
    made.add_argument("--scenes", nargs="+", help="of CAB HGE LIN (default: all)")
    made.add_argument(
        "--splits", nargs="+", default=["train", "val"], help="of train val (default: both)"
    )
    made.add_argument("--features", metavar="F.h5", help="hloc's local features")
    made.add_argument("--matches", metavar="F.h5", help="hloc's, of all candidates")
    made.add_argument("--output", default="data", help="folder to write to (default data)")
    options.add_candidates(made, "of a query, that are labelled (default 255)", 255)
    options.add_renamed(made, "--num", "--candidates", type=int)
    options.add_device(made)
    meanings = {
        "threshold": "pixels; a match with a larger Sampson error adds nothing",
        "min_matches": "with fewer good matches a pair is not positive",
        "min_score": "a pair is positive from this score on",
    }
    for name, value in vars(SampsonConfig()).items():
        what = f"{meanings[name]} (default {value})"
        made.add_argument(f"--{name}", type=type(value), default=value, help=what)
    return made


def main() -> None:
    args = parser().parse_args()
    from gcsa.datasets.lamar.scene import SCENES
    from gcsa.datasets.settings import check_scene_name

    if (args.features is None) != (args.matches is None):
        raise InputError("--features and --matches go together: give both, or none")
    if args.candidates < 1:
        raise InputError(f"--candidates: {args.candidates} is less than 1")
    scenes = args.scenes or SCENES
    for scene in scenes:
        check_scene_name(scene, "--scenes")
        if not (Path(args.root) / scene).is_dir():
            raise MissingFileError(f"{Path(args.root) / scene}: no such scene (--root, --scenes)")
    config = SampsonConfig(args.threshold, args.min_matches, args.min_score)
    for scene in scenes:
        for split in args.splits:
            _write_labels(args, scene, split, config)


def _write_labels(args: argparse.Namespace, scene: str, split: str, config: SampsonConfig) -> None:
    from gcsa.datasets.lamar.label_files import label_path, save_labels
    from gcsa.local.files import LocalFeatures
    from gcsa.scoring.ranker import pick_device

    descriptors = args.descriptors.replace("{scene}", scene)
    device = pick_device(args.device or "auto")
    inputs = args.root, scene, split, descriptors, args.candidates
    if args.matches is None:
        path = label_path(args.output, scene, split, "geometry")
        content = compute_labels(*inputs, device=device)
    else:
        files = (f.replace("{scene}", scene) for f in (args.features, args.matches))
        with LocalFeatures(*files) as local:
            content = compute_labels(*inputs, local, config, device)
        path = label_path(args.output, scene, split)
    save_labels(path, content)
    logger.info("%s: %d queries, %.1f positives each", path, *_shape(content))


def _shape(content: LabelFile) -> tuple[int, float]:
    return len(content.topk), float(content.labels.sum(axis=1).mean())
