"""What re-ranking does to localisation on LaMAR: the poses of the queries before and after it.

Writes pairs and query lists for hloc, and measures poses: :mod:`gcsa.localization.located`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcsa import options
from gcsa.errors import InputError, given

if TYPE_CHECKING:
    from gcsa.config import Config
    from gcsa.localization.located import Settings


def localize(
    config: Config,
    checkpoint: str | None,
    split: str,
    settings: Settings,
    overrides: Sequence[str] = (),
) -> dict[str, Any]:
    """Localise the queries of a split with first-round retrieval and what re-ranks it.

    Returns what :func:`gcsa.localization.located.report` does.
    Files go to ``settings.output``/<scene>/<device>/, and submission.zip beside. Raises InputError
    where hloc is asked for and cannot be run, after printing the commands that do it.
    """
    from gcsa.datasets.settings import check_own_retrieval
    from gcsa.localization.hloc_files import write_submission
    from gcsa.localization.located import (
        FIRST,
        RERANKED,
        draw_curve,
        hand_over_to_hloc,
        localize_scene,
        report,
    )
    from gcsa.scoring.ranker import open_ranker, pick_device
    from gcsa.scoring.split import prepare

    if config.data.dataset != "lamar":
        raise InputError(f"data.dataset: localisation is for lamar, not '{config.data.dataset}'")
    ranker = open_ranker(config, checkpoint, settings.reranker, overrides, settings.fusion)
    config, depth = ranker.config, max(settings.num, ranker.depth)
    check_own_retrieval(config.data, "lamar.localize")
    # Poses are the measure here: candidates need no labels from a file.
    data = replace(config.data, val_labels="dist")
    device = pick_device(config.train.device)
    scenes = prepare(data, config.fov, ranker.kinds, split, depth, device)
    located = {}
    for ranked, ranking in zip(scenes, ranker.rank_all(scenes), strict=True):
        folder = Path(config.data.root) / "lamar" / ranked.scene.name
        lists = {FIRST: ranked.candidates} | ({RERANKED: ranking} if ranker.depth else {})
        for name, part in localize_scene(ranked.scene, lists, folder, split, settings).items():
            located[ranked.scene.name, name] = part
    hand_over_to_hloc([line for part in located.values() for line in part.commands], settings)
    if settings.submission:
        trajectories = {k: given(part.trajectory, "poses") for k, part in located.items()}
        text = f"GCSA: {ranker.name}; poses: {settings.resolved}, top {settings.num}\n"
        write_submission(settings.output / "submission.zip", text, trajectories)
    if settings.curve is not None:
        draw_curve([part.errors for part in located.values()], settings.curve)
    return report({key: part.errors for key, part in located.items()}, split, settings)


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "lamar.localize",
        "Pose recall on LaMAR before and after re-ranking; files for hloc.",
        "--conf configs/miniworld_lamar_train.yaml "
        "--checkpoint checkpoints/miniworld_buildings.pth.tar --method mean",
        note="Paths for hloc may hold {scene}; its matches must cover the pairs written.",
    )
    options.add_conf(made, "YAML file with data.dataset: lamar", required=True)
    options.add_checkpoint(made, "model to re-rank with; without it, first round only")
    options.add_method(made, "--rerank")
    options.add_fusion(made)
    options.add_split(made, "val (default) or test")
    options.add_device(made)
    made.add_argument("--scenes", nargs="+", help="CAB HGE LIN; default: the split's")
    made.add_argument(
        "--output", default="outputs/localize", metavar="DIR", help="folder to write to"
    )
    options.add_num(made, 10, "images a query that poses are from")
    options.add_renamed(made, "--top_k", "--num", type=int)
    made.add_argument(
        "--method",
        default="auto",
        help="auto (hloc where it can be run, else mean), hloc, map (by local features of gcsa "
        "match), top1, mean",
    )
    for name, what in (
        ("reference_sfm", "for hloc: COLMAP model of the map"),
        ("features", "for hloc and map: local features"),
        ("matches", "for hloc: matches of the pairs; for map: of any, the others are matched"),
    ):
        made.add_argument(f"--{name}", metavar="PATH", help=what)
    made.add_argument(
        "--matcher",
        metavar="CONF",
        help="of hloc.match_features, in the commands for it (default: superpoint+lightglue)",
    )
    made.add_argument(
        "--submission", action="store_true", help="zip the poses to submit (--split test)"
    )
    made.add_argument("--curve", metavar="FILE", help="picture of the errors (.png, .svg, .pdf)")
    options.add_json(made)
    options.add_verbose(made)
    options.add_overrides(made)
    return made


def main() -> None:
    args = parser().parse_intermixed_args()
    from gcsa.config import load_config
    from gcsa.files import write_text
    from gcsa.localization.hloc_run import MATCHER, HlocInputs
    from gcsa.localization.located import Settings, show
    from gcsa.rerankers.fusion import Fusion

    if args.split not in ("val", "test"):
        raise InputError(f"--split: '{args.split}' is not val or test")
    # --scenes takes what follows it, an override too.
    overrides = options.overrides(args, args.scenes or [])
    scenes = [word for word in args.scenes or [] if not options.is_override(word)]
    given = [f"data.{args.split}_scenes=[{','.join(scenes)}]"] if scenes else []
    config = load_config(args.conf, [*overrides, *given])
    hloc = HlocInputs(args.reference_sfm, args.features, args.matches)
    fusion = Fusion.given(args.fusion)
    settings = Settings(
        Path(args.output),
        args.num,
        args.method,
        hloc,
        args.submission,
        fusion,
        args.rerank,
        None if args.curve is None else Path(args.curve),
        args.matcher or MATCHER,
    )
    result = localize(config, args.checkpoint, args.split, settings, overrides)
    print(show(result, args.verbose))
    if args.json:
        write_text(args.json, json.dumps(result, indent=2) + "\n")
