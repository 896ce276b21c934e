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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--outputs", default="outputs/quickstart/outputs", help="of the quick start"
    )
    parser.add_argument("--target", default="checkpoints", help="folder to write into")
    args = parser.parse_args()
    for what in RELEASES:
        release(what, Path(args.outputs), Path(args.target))


if __name__ == "__main__":
    run_program(main)
