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

import torch

from gcsa.config import Config, load_config
from gcsa.datasets.readers import reader, scene_names
from gcsa.descriptors.hdf5 import RESIDENT
from gcsa.errors import InputError, run_program
from gcsa.localization.pairs_files import padded, read_candidates, write_candidates
from gcsa.ranking.batches import RankedScene
from gcsa.ranking.retrieval import retrieve
from gcsa.scoring.ranker import open_checkpoint, pick_device, rerank
from gcsa.sideinfo.affinity import SideInformation, check_kinds

logger = logging.getLogger(__name__)


def pairs(
    config: Config,
    output: str,
    checkpoint: str | None = None,
    split: str = "val",
    num_matched: int = 20,
    from_pairs: str | None = None,
    scores: str | None = None,
    overrides: Sequence[str] = (),
) -> list[Path]:
    """Write a pairs file for each scene of a split; returns their paths.

    output, from_pairs, scores: paths that hold "{scene}" where there are several scenes.
    from_pairs: pairs files to take as the first round. scores: files to write the scores to.
    overrides: the command line's ``section.key=value``, which the config holds already.
    """
    if num_matched < 1:
        raise InputError(f"--num_matched: {num_matched} is less than 1")
    names = scene_names(config.data, split)
    paths = {
        option: scene_paths(template, names, f"--{option}")
        for option, template in (("output", output), ("from_pairs", from_pairs), ("scores", scores))
    }
    device = pick_device(config.train.device)
    model, kinds, depth = None, [], num_matched
    if checkpoint is not None:
        model, kinds, config = open_checkpoint(checkpoint, config, overrides, device)
        depth = max(depth, model.K, model.L)
    for name, target, first, score_file in zip(names, *paths.values(), strict=True):
        ranked = _read(config, name, split, kinds, depth, device, first)
        (ranking,) = rerank(model, [ranked], config.data)
        count = write_candidates(target, ranked.scene, ranking, num_matched, score_file)
        logger.info("%s: %d pairs of %d queries", target, count, len(ranking))
    return paths["output"]


def scene_paths(template: str | None, names: Sequence[str], option: str) -> list[Path | None]:
    """A path for each scene: its name in the place of "{scene}"; None for each without a template.

    option: what the template is called, for messages.
    """
    if template is None:
        return [None] * len(names)
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
    check_kinds(kinds)
    RESIDENT.limit = int(config.data.memory * 1e9)
    data = replace(config.data, train_labels="dist", val_labels="dist")  # no label files
    scene, _ = reader(data).read(data, name, split)
    if first is None:
        candidates = retrieve(scene, depth, device, config.data.search)
    else:
        candidates = padded(read_candidates(first, scene), depth)
    return RankedScene(scene, candidates, SideInformation(scene, kinds, config.fov))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m gcsa.pairs",
        description="Write pairs files for hloc: the best database images of each query, "
        "re-ranked by a checkpoint.",
        epilog="Paths hold {scene} where a split has several scenes. Example: python -m gcsa.pairs "
        "--conf configs/msls_train.yaml --checkpoint checkpoints/msls.pth.tar "
        "--output outputs/pairs_{scene}.txt",
    )
    parser.add_argument("--conf", help="YAML file; without it, the defaults (MSLS)")
    parser.add_argument("--checkpoint", help="model to re-rank with; without it, none")
    parser.add_argument("--split", default="val", help="train, val (default) or test")
    parser.add_argument("--output", required=True, metavar="FILE", help="pairs file to write")
    parser.add_argument("--num_matched", type=int, default=20, help="images a query (default 20)")
    parser.add_argument(
        "--from_pairs", metavar="FILE", help="pairs file of hloc to re-rank, not our own retrieval"
    )
    parser.add_argument("--scores", metavar="FILE", help="also write 'query database score' lines")
    parser.add_argument(
        "overrides", nargs="*", metavar="section.key=value", help="settings: docs/settings.md"
    )
    args = parser.parse_intermixed_args()
    config = load_config(args.conf, args.overrides)
    pairs(
        config,
        args.output,
        args.checkpoint,
        args.split,
        args.num_matched,
        args.from_pairs,
        args.scores,
        args.overrides,
    )


if __name__ == "__main__":
    run_program(main)
