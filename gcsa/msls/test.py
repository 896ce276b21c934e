"""The file of the MSLS challenge: the best database keys of each query of the test cities.

One line a query: its key, then the k best keys of its city, separated by single spaces; beside
it a zip of the file, which is what is submitted. Where the positions of the queries are on disk
(published in 2026-04) the scores are printed too.
"""

from __future__ import annotations

import argparse
import logging
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gcsa import options
from gcsa.errors import InputError, run_program
from gcsa.files import replacing, write_text

if TYPE_CHECKING:
    from gcsa.config import Config
    from gcsa.ranking.lists import Ranking
    from gcsa.scoring.split import JudgedScene

logger = logging.getLogger(__name__)


def test(
    config: Config,
    checkpoint: str | None,
    output: str | Path,
    num: int = 20,
    overrides: Sequence[str] = (),
    verbose: bool = False,
    method: str | None = None,
) -> Path:
    """Write the challenge file ``output`` and its zip; returns the path of the zip.

    Raises InputError where a city has fewer than ``num`` database images: the official evaluator
    reads a table, every row of the same length.
    """
    from gcsa.scoring.ranker import open_ranker, pick_device
    from gcsa.scoring.report import report, show
    from gcsa.scoring.split import prepare

    if config.data.dataset != "msls":
        raise InputError(f"data.dataset: the challenge is of msls, not '{config.data.dataset}'")
    ranker = open_ranker(config, checkpoint, method, overrides)
    config, device = ranker.config, pick_device(config.train.device)
    depth = max(ranker.depth, num)
    scenes = prepare(config.data, config.fov, ranker.kinds, "test", depth, device)
    rankings = ranker.rank_all(scenes)
    lines = prediction_lines(scenes, rankings, num)
    archive = write_predictions(output, lines)
    logger.info("%s: %d queries, %d database images each", output, len(lines), num)
    logger.info("%s: submit this", archive)
    if all(s.truth is not None for s in scenes):
        print(show(report(config, "test", scenes, rankings, ranker.how), verbose))
    return archive


def prediction_lines(
    scenes: Sequence[JudgedScene], rankings: Sequence[Ranking], num: int
) -> list[str]:
    """One line a query, scenes and queries in their order: "query database database ..."."""
    from gcsa.datasets.msls import keys

    lines = []
    for ranked, ranking in zip(scenes, rankings, strict=True):
        scene = ranked.scene
        if len(scene.database) < num:
            raise InputError(
                f"{scene.name}: only {len(scene.database)} database images, --num asks for {num}"
            )
        database = keys(scene.database.names)
        for query, best in zip(keys(scene.queries.names), ranking.indices[:, :num], strict=True):
            lines.append(" ".join([query, *(database[i] for i in best)]))
    return lines


def write_predictions(output: str | Path, lines: Sequence[str]) -> Path:
    """Write the lines, and a zip that holds just that file, beside it; returns the zip's path."""
    output = Path(output)
    archive = output.with_suffix(".zip")
    if archive == output:
        raise InputError(f"--output: '{output}' is the name of the zip; end it in .csv")
    text = "\n".join(lines) + "\n"
    write_text(output, text)
    with replacing(archive) as temporary, zipfile.ZipFile(temporary, "w") as file:
        # Not read back: where the output is a pipe, there is nothing to read.
        file.writestr(output.name, text, compress_type=zipfile.ZIP_DEFLATED)
    return archive


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "msls.test",
        "Write the MSLS challenge file of a checkpoint, and the zip to submit.",
        "--conf configs/miniworld_train.yaml --checkpoint checkpoints/miniworld_streets.pth.tar "
        "--output outputs/challenge/msls.csv",
    )
    options.add_checkpoint(made)
    options.add_method(made)
    made.add_argument("--output", required=True, metavar="F.csv", help="file to write")
    options.add_conf(made)
    made.add_argument("--desc_fn", help="descriptor file of each city (data.desc_fn)")
    made.add_argument("--batch_size", type=int, help="queries at a time (data.batch_size)")
    options.add_num(made, 20, "database images a query")
    options.add_renamed(made, "--k", "--num", type=int)
    options.add_device(made)
    options.add_verbose(made)
    options.add_overrides(made)
    return made


def main() -> None:
    args = parser().parse_intermixed_args()
    from gcsa.config import load_config
    from gcsa.distributed.work import program

    overrides = options.overrides(args)
    named = {"data.desc_fn": args.desc_fn, "data.batch_size": args.batch_size}
    given = [f"{key}={value}" for key, value in named.items() if value is not None]
    config = load_config(args.conf, [*overrides, *given])
    with program(config.train.timeout, config.data.outputs):
        test(config, args.checkpoint, args.output, args.num, overrides, args.verbose, args.method)


if __name__ == "__main__":
    run_program(main)
