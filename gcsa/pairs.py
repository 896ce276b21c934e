"""Pairs files for hloc: the best database images of each query, after re-ranking.

One command in the place of hloc's pairs_from_retrieval, on any data set and split. The first
round is our own retrieval, or a pairs file that hloc made. Without a checkpoint the first round
itself is written.
"""

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
    import torch

    from gcsa.config import Config
    from gcsa.ranking.batches import RankedScene
    from gcsa.rerankers.fusion import Fusion

logger = logging.getLogger(__name__)


def pairs(
    config: Config,
    output: str,
    checkpoint: str | None = None,
    split: str = "val",
    num: int = 20,
    from_pairs: str | None = None,
    scores: str | None = None,
    overrides: Sequence[str] = (),
    fusion: Fusion | None = None,
    min_similarity: float | None = None,
    method: str | None = None,
) -> list[Path]:
    """Write a pairs file for each scene of a split; returns their paths.

    output, from_pairs, scores: paths that hold "{scene}" where there are several scenes.
    num: database images of a query. from_pairs: pairs files to take as the first round. scores:
    files to write the scores to.
    overrides: the command line's ``section.key=value``, which the config holds already. fusion:
    of the checkpoint's scores with the first round's. min_similarity: candidates of our retrieval
    below it are left out before anything else (hloc: 0). method: a re-ranker in the place of a
    checkpoint, of :data:`gcsa.rerankers.NAMES`.
    """
    from gcsa.datasets.readers import scene_names
    from gcsa.datasets.settings import check_own_retrieval
    from gcsa.localization.pairs_files import similar_enough, write_candidates
    from gcsa.scoring.ranker import open_ranker, pick_device

    if min_similarity is not None and from_pairs is not None:
        raise InputError("--min_similarity: of our own retrieval; a pairs file has no similarities")
    if num < 1:
        raise InputError(f"--num: {num} is less than 1")
    names = scene_names(config.data, split)
    targets = scene_paths(output, names, "--output")
    beside = {
        option: [None] * len(names) if path is None else scene_paths(path, names, f"--{option}")
        for option, path in (("from_pairs", from_pairs), ("scores", scores))
    }
    ranker = open_ranker(config, checkpoint, method, overrides, fusion)
    config, depth = ranker.config, max(num, ranker.depth)
    check_own_retrieval(config.data, "pairs")
    device = pick_device(config.train.device)
    for name, target, first, score_file in zip(names, targets, *beside.values(), strict=True):
        ranked = _read(config, name, split, ranker.kinds, depth, device, first)
        if first is None:
            kept = similar_enough(ranked.candidates, min_similarity, name)
            ranked = replace(ranked, candidates=kept)
        ranking = ranker.rank(ranked)
        count = write_candidates(target, ranked.scene, ranking, num, score_file)
        logger.info("%s: %d pairs of %d queries", target, count, len(ranking))
    return targets


def scene_paths(template: str, names: Sequence[str], option: str) -> list[Path]:
    """A path for each scene: its name in the place of "{scene}".

    option: what the template is called, for messages.
    """
    if len(names) > 1 and "{scene}" not in template:
        raise InputError(
            f"{option}: '{template}' is one file for {len(names)} scenes; write {{scene}} into it"
        )
    return [Path(template.replace("{scene}", name)) for name in names]


def _read(
    config: Config,
    name: str,
    split: str,
    kinds: Sequence[str],
    depth: int,
    device: torch.device,
    first: Path | None,
) -> RankedScene:
    """A scene with its first round: retrieved, or read from a pairs file."""
    from gcsa.descriptors.hdf5 import RESIDENT
    from gcsa.localization.pairs_files import padded, read_candidates
    from gcsa.ranking.batches import RankedScene
    from gcsa.ranking.nearby import with_nearby
    from gcsa.ranking.retrieval import retrieve
    from gcsa.scoring.reading import read_scene
    from gcsa.sideinfo.affinity import SideInformation, check_kinds

    check_kinds(kinds)
    RESIDENT.limit = int(config.data.memory * 1e9)
    data = replace(config.data, train_labels="dist", val_labels="dist")  # no label files
    scene, _ = read_scene(data, name, split)
    if first is None:
        candidates = retrieve(scene, depth, device, config.data.searching)
        candidates = with_nearby(scene, candidates, config.data.near_device)
    else:
        candidates = padded(read_candidates(first, scene), depth)
    side = SideInformation(scene, kinds, config.fov, data.unknown_radio)
    return RankedScene(scene, candidates, side)


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "pairs",
        "Write pairs files for hloc: the best database images of each query, re-ranked by a "
        "checkpoint.",
        "--conf configs/miniworld_train.yaml --checkpoint checkpoints/miniworld_streets.pth.tar "
        "--output outputs/pairs_{scene}.txt",
        note="Paths hold {scene} where a split has several scenes.",
    )
    options.add_conf(made)
    options.add_checkpoint(made)
    options.add_method(made)
    options.add_fusion(made)
    options.add_split(made)
    options.add_device(made)
    made.add_argument("--output", required=True, metavar="FILE", help="pairs file to write")
    options.add_num(made, 20)
    options.add_renamed(made, "--num_matched", "--num", type=int)
    made.add_argument(
        "--from_pairs", metavar="FILE", help="pairs file of hloc to re-rank, not our own retrieval"
    )
    made.add_argument(
        "--min_similarity",
        type=float,
        metavar="S",
        help="leave out candidates of our retrieval that are less alike than this (hloc: 0)",
    )
    made.add_argument(
        "--across",
        action="store_true",
        help="search the databases of all scenes together, and re-rank what is found: one file, "
        "each name led by its scene",
    )
    made.add_argument("--scores", metavar="FILE", help="also write 'query database score' lines")
    options.add_overrides(made)
    return made


def main() -> None:
    args = parser().parse_intermixed_args()
    from gcsa.config import load_config
    from gcsa.distributed.work import program
    from gcsa.rerankers.fusion import Fusion

    overrides = options.overrides(args)
    config = load_config(args.conf, overrides)
    with program(config.train.timeout, config.data.outputs):
        if args.across:
            _across(args, config, overrides)
            return
        pairs(
            config,
            args.output,
            args.checkpoint,
            args.split,
            args.num,
            args.from_pairs,
            args.scores,
            overrides,
            Fusion.given(args.fusion),
            args.min_similarity,
            args.method,
        )


def _across(args: argparse.Namespace, config: Config, overrides: Sequence[str]) -> None:
    from gcsa.localization.pairs_across import pairs_across
    from gcsa.rerankers.fusion import Fusion
    from gcsa.scoring.ranker import open_ranker

    for option in ("from_pairs", "min_similarity"):
        if getattr(args, option) is not None:
            raise InputError(f"--across and --{option}: lists of one scene's own")
    if args.num < 1:
        raise InputError(f"--num: {args.num} is less than 1")
    fusion = Fusion.given(args.fusion)
    ranker = open_ranker(config, args.checkpoint, args.method, overrides, fusion)
    path = pairs_across(config, args.output, args.split, args.num, args.scores, ranker)
    logger.info("%s: pairs across all scenes", path)


if __name__ == "__main__":
    run_program(main)
