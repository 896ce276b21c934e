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

from gcsa.config import Config, load_config
from gcsa.datasets.msls import keys
from gcsa.errors import InputError, run_program
from gcsa.files import replacing, write_text
from gcsa.ranking.lists import Ranking
from gcsa.scoring.ranker import open_checkpoint, pick_device, rerank
from gcsa.scoring.report import report, show
from gcsa.scoring.split import JudgedScene, prepare

logger = logging.getLogger(__name__)


def test(
    config: Config, checkpoint: str, output: str | Path, k: int = 20, overrides: Sequence[str] = ()
) -> Path:
    """Write the challenge file ``output`` and its zip; returns the path of the zip.

    Raises InputError where a city has fewer than ``k`` database images: the official evaluator
    reads a table, every row of the same length.
    """
    if config.data.dataset != "msls":
        raise InputError(f"data.dataset: the challenge is of msls, not '{config.data.dataset}'")
    device = pick_device(config.train.device)
    model, kinds, config = open_checkpoint(checkpoint, config, overrides, device)
    scenes = prepare(config.data, config.fov, kinds, "test", max(model.K, model.L, k), device)
    rankings = rerank(model, scenes, config.data)
    lines = prediction_lines(scenes, rankings, k)
    archive = write_predictions(output, lines)
    logger.info("%s: %d queries, %d database images each", output, len(lines), k)
    logger.info("%s: submit this", archive)
    if all(s.truth is not None for s in scenes):
        print(show(report(config, "test", scenes, rankings)))
    return archive


def prediction_lines(
    scenes: Sequence[JudgedScene], rankings: Sequence[Ranking], k: int
) -> list[str]:
    """One line a query, scenes and queries in their order: "query database database ..."."""
    lines = []
    for ranked, ranking in zip(scenes, rankings, strict=True):
        scene = ranked.scene
        if len(scene.database) < k:
            raise InputError(
                f"{scene.name}: only {len(scene.database)} database images, --k asks for {k}"
            )
        database = keys(scene.database.names)
        for query, best in zip(keys(scene.queries.names), ranking.indices[:, :k], strict=True):
            lines.append(" ".join([query, *(database[i] for i in best)]))
    return lines


def write_predictions(output: str | Path, lines: Sequence[str]) -> Path:
    """Write the lines, and a zip that holds just that file, beside it; returns the zip's path."""
    output = Path(output)
    archive = output.with_suffix(".zip")
    if archive == output:
        raise InputError(f"--output: '{output}' is the name of the zip; end it in .csv")
    write_text(output, "\n".join(lines) + "\n")
    with replacing(archive) as temporary, zipfile.ZipFile(temporary, "w") as file:
        file.write(output, output.name, compress_type=zipfile.ZIP_DEFLATED)
    return archive


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m gcsa.msls.test",
        description="Write the MSLS challenge file of a checkpoint, and the zip to submit.",
        epilog="Example: python -m gcsa.msls.test --checkpoint checkpoints/msls.pth.tar "
        "--output outputs/challenge/msls.csv",
    )
    parser.add_argument("--checkpoint", required=True, help="model to re-rank with")
    parser.add_argument("--output", required=True, metavar="F.csv", help="file to write")
    parser.add_argument("--conf", help="YAML file, for its data section")
    parser.add_argument("--desc_fn", help="descriptor file of each city (data.desc_fn)")
    parser.add_argument("--batch_size", type=int, help="queries at a time (data.batch_size)")
    parser.add_argument("--k", type=int, default=20, help="database images a query (default 20)")
    parser.add_argument("--device", help="cpu, cuda, ... (train.device)")
    parser.add_argument(
        "overrides", nargs="*", metavar="section.key=value", help="settings: docs/settings.md"
    )
    args = parser.parse_intermixed_args()
    named = {
        "data.desc_fn": args.desc_fn,
        "data.batch_size": args.batch_size,
        "train.device": args.device,
    }
    options = [f"{key}={value}" for key, value in named.items() if value is not None]
    config = load_config(args.conf, [*args.overrides, *options])
    test(config, args.checkpoint, args.output, args.k, args.overrides)


if __name__ == "__main__":
    run_program(main)
