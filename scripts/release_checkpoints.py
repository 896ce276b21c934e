"""Put what the quick starts trained into checkpoints/, small enough to be released.

Run it after ``bash scripts/quickstart.sh`` and ``bash scripts/quickstart.sh --lamar``. Weights are
stored in half precision; beside each model lie the descriptors of one validation scene, as the
visual words that they count were learnt from the photos of all training scenes.
"""

from __future__ import annotations

import argparse
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

from gcsa.errors import MissingFileError, run_program
from gcsa.files import replacing
from gcsa.models.checkpoint import load_checkpoint, read_settings, save_checkpoint
from gcsa.models.place_files import load_place, save_place
from gcsa.places.inputs import FEATURES, PAIRS

logger = logging.getLogger("gcsa")


@dataclass(frozen=True)
class Release:
    """A name, the run that it is of, and the descriptors that go with it."""

    name: str
    run: str
    descriptors: str


RELEASES = (
    Release("miniworld_streets", "train", "msls/sf/global-feats-miniworld.h5"),
    Release("miniworld_buildings", "lamar_train", "lamar/CAB/global-feats-miniworld.h5"),
)


def release(what: Release, outputs: Path, target: Path) -> None:
    """Write <name>.pth.tar and <name>.h5 into ``target``."""
    best = outputs / "training" / what.run / "checkpoint_best.pth.tar"
    if not best.is_file():
        raise MissingFileError(f"{best}: no such checkpoint; run the quick starts first")
    if not (outputs / what.descriptors).is_file():
        raise MissingFileError(f"{outputs / what.descriptors}: no such descriptors")
    model, kinds = load_checkpoint(best)
    checkpoint, descriptors = (target / f"{what.name}{end}" for end in (".pth.tar", ".h5"))
    save_checkpoint(checkpoint, model.half(), kinds, read_settings(best))
    with replacing(descriptors) as temporary:
        shutil.copyfile(outputs / what.descriptors, temporary)
    for path in (checkpoint, descriptors):
        logger.info("%s: %.1f MB", path, path.stat().st_size / 1e6)


PLACE = "place_universal"


def release_place(outputs: Path, target: Path) -> None:
    """Write the network of places: its last epoch, as none was chosen by what is reported."""
    runs = sorted((outputs / "training" / PLACE).glob("checkpoint_[0-9]*.pth.tar"))
    if not runs:
        raise MissingFileError(
            f"{outputs / 'training' / PLACE}: no such checkpoint; bash scripts/place_universal.sh"
        )
    path = target / f"{PLACE}.pth.tar"
    save_place(path, load_place(runs[-1], FEATURES, PAIRS), read_settings(runs[-1]))
    logger.info("%s: %.1f MB", path, path.stat().st_size / 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="NAME", help=f"{PLACE}, of scripts/{PLACE}.sh")
    parser.add_argument(
        "--outputs", default="outputs/quickstart/outputs", help="of the quick start"
    )
    parser.add_argument("--target", default="checkpoints", help="folder to write into")
    args = parser.parse_args()
    if args.only == PLACE:
        release_place(Path(args.outputs), Path(args.target))
        return
    for what in RELEASES:
        release(what, Path(args.outputs), Path(args.target))


if __name__ == "__main__":
    run_program(main)
