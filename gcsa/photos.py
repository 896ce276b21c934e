"""Own photos in one command: described, calibrated, located, shown."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from gcsa import options
from gcsa.errors import InputError, run_program

logger = logging.getLogger(__name__)

DESC_FN, WHITENING = "descriptors.h5", "descriptors.whitening.npz"
FEWEST = 8  # photos of a database that a whitening is fitted on


def photos(
    database: Path,
    queries: Path,
    output: Path,
    weights: Path | None = None,
    num: int = 20,
    overrides: Sequence[str] = (),
    device: str = "auto",
    skip_broken: bool = False,
    method: str | None = None,
) -> tuple[list[Path], str]:
    """Locate the photos below ``queries`` among those below ``database``.

    Returns the files that it wrote, and in words what was found.
    output: a folder, which gets images.csv, descriptors, pairs.txt, where.geojson, where.csv and
    where.html. weights: of a descriptor network, as published; None for the one that ships.
    method: of :data:`gcsa.rerankers.LOCATING`. num: images of the database that a query is paired
    with. What is there already of an earlier call is used again.
    """
    from gcsa.config import load_config
    from gcsa.datasets.folder.gathered import gather, leave_out
    from gcsa.distributed import from_first
    from gcsa.localization.pairs_files import write_candidates
    from gcsa.locate.answers import locate, summary
    from gcsa.locate.folders import of_folder
    from gcsa.locate.outputs import paths_of, write
    from gcsa.rerankers import DEFAULT

    from_first(lambda: gather(database, queries, output, skip_broken))
    broken = _describe(output, weights, device, skip_broken)
    from_first(lambda: leave_out(output, broken))
    config = load_config(None, [f"data.desc_fn={DESC_FN}", *overrides])
    config = of_folder(config, output, [f"data.desc_fn={DESC_FN}"])
    found = locate(config, overrides=overrides, method=method or DEFAULT)
    paths = paths_of(output / "where.geojson")
    write(paths, found, config, 5, 100)
    pairs = output / "pairs.txt"
    for answers in found:
        write_candidates(pairs, answers.scene, answers.ranking, num)
    return [*paths, pairs], summary(found)


def _describe(folder: Path, weights: Path | None, device: str, skip_broken: bool) -> set[str]:
    """Describe the photos of the table; the names of those that are broken."""
    from gcsa.datasets.folder.images import read_images
    from gcsa.datasets.folder.scene import TABLE
    from gcsa.descriptors.extraction.decoding import Photo
    from gcsa.descriptors.extraction.extract import Effort
    from gcsa.descriptors.extraction.recipes import Reading, recipe
    from gcsa.descriptors.networks import default_weights, fused, load_network
    from gcsa.extract.command import WHITENED
    from gcsa.extract.photos import Job
    from gcsa.extract.run import Kept, run
    from gcsa.scoring.ranker import pick_device

    images = read_images(folder / TABLE)
    all_photos = [Photo(str(name), folder / str(name)) for name in images.names]
    assert images.query is not None  # of a table that was gathered
    base = [photo for photo, query in zip(all_photos, images.query, strict=True) if not query]
    whitens = weights is None and len(base) >= FEWEST
    kept = Kept(WHITENED if whitens else None, fewer=True)
    file = weights or default_weights()
    network = fused(load_network(file, pick_device(device)))
    how = Reading(reduced=weights is None)
    job = Job(folder / DESC_FN, all_photos, base)
    broken = run(
        *([job], network, recipe(network, file, how), Effort(), kept, pick_device(device)),
        beside=folder / WHITENING,
        skip_broken=skip_broken,
    )
    return {photo.name for photo in broken}


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "photos",
        "Say where photos were taken, by other photos whose places are known: positions and "
        "headings from EXIF (or images.csv in the folder), descriptors by the network that ships, "
        "calibrated on the database itself, located by the posterior. Writes pairs.txt (hloc), "
        "where.geojson, where.csv and where.html, a map with the best photos of each query.",
        "photos/lund --queries photos/new",
    )
    made.add_argument("database", help="folder of photos whose places are known")
    made.add_argument(
        "--queries", metavar="DIR", required=True, help="folder of photos whose places are not"
    )
    made.add_argument(
        "--output", metavar="DIR", help="(default: outputs/photos/NAME OF THE DATABASE)"
    )
    made.add_argument(
        "--weights", metavar="FILE", help="another network's, as published (gcsa extract --list)"
    )
    options.add_locating(made)
    options.add_skip_broken(made)
    options.add_num(made, 20, "pairs a query")
    options.add_device(made)
    options.add_overrides(made)
    return made


def main() -> None:
    args = parser().parse_intermixed_args()
    if args.num < 1:
        raise InputError(f"--num: {args.num} is less than 1")
    database = Path(args.database)
    for folder in (database, Path(args.queries)):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder of photos")
    output = Path(args.output or Path("outputs") / "photos" / database.resolve().name)
    weights = None if args.weights is None else Path(args.weights)
    device = args.device or "auto"
    overrides = options.overrides(args)
    from gcsa.config import load_config
    from gcsa.distributed.work import program

    with program(load_config(None, overrides).train.timeout, str(output)):
        paths, said = photos(
            *(database, Path(args.queries), output, weights, args.num, overrides, device),
            args.skip_broken,
            args.method,
        )
        print(f"{', '.join(map(str, paths))}: {said}")


if __name__ == "__main__":
    run_program(main)
