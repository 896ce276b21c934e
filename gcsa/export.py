"""Scenes of any data set written in a layout that other tools read, with their descriptors.

Below the folder lie the scenes, and their descriptors by the images' new names; the settings that
read them again are printed.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from gcsa import options
from gcsa.errors import InputError, nearest, run_program
from gcsa.files import make_folder, replacing

if TYPE_CHECKING:
    import numpy as np

    from gcsa.config import Config
    from gcsa.evaluation.truth import Truth
    from gcsa.scene import ImageSet, Scene

# The folder of the database, which is that of the queries where they are its own images.
OWN = {"utm": "database", "kapture": "mapping"}
IMAGES = ("link", "copy", "none")


def export(
    config: Config, output: str | os.PathLike, layout: str, split: str = "val", images: str = "link"
) -> list[str]:
    """Write the scenes of a split below ``output`` in ``layout``; returns settings that read them.

    images: "link" makes symbolic links to the image files, "copy" copies, "none" leaves them out:
    figures need none. An image that is not there is not linked, which is counted and said.
    """
    from gcsa.datasets.readers import reader, scene_names
    from gcsa.evaluation.truth import Truth

    if layout not in OWN:
        raise InputError(f"--to: '{layout}' is not a layout{nearest(layout, OWN)}")
    if images not in IMAGES:
        raise InputError(f"--images: '{images}' is not a way{nearest(images, IMAGES)}")
    output, names, asked = Path(output), scene_names(config.data, split), True
    for name in names:
        _check_apart(config, output / name, name)
        scene, truth = reader(config.data).read(config.data, name, split)
        if truth is not None and not isinstance(truth, Truth):
            raise InputError(f"data.dataset: {config.data.dataset} has no positions to export")
        paths = _write(layout, config, output, name, (scene, truth))
        asked = asked and "queries" in paths
        _bring(config, name, scene, paths, output / name, images)
    settings = [
        f"data.dataset={layout}",
        f"data.root={output}",
        *_described(layout, config, output),
    ]
    settings += [] if asked else [f"data.query_folder={OWN[layout]}"]
    return [*settings, f"data.{split}_scenes=[{','.join(names)}]"]


def _check_apart(config: Config, folder: Path, name: str) -> None:
    """Raise InputError where a scene would be written over itself."""
    if folder.resolve() == (Path(config.data.root) / name).resolve():
        raise InputError(f"--output: {folder} is where the data set itself lies")


def _described(layout: str, config: Config, output: Path) -> list[str]:
    """The settings that find the descriptors."""
    if not config.data.desc_fn:
        return ["data.desc_fn="]
    name = Path(config.data.desc_fn)
    if layout == "kapture":
        return [f"data.desc_fn=global_features/{name.stem}"]
    own = name.with_suffix(".h5").name  # an hloc file whatever it was made from
    return [f"data.descriptors={output / 'descriptors'}", f"data.desc_fn={own}"]


def _write(
    layout: str, config: Config, output: Path, name: str, read: tuple[Scene, Truth | None]
) -> dict[str, np.ndarray]:
    """Write a scene but its image files; the paths that these have, by role."""
    from gcsa.datasets.images import image_path, on_disk
    from gcsa.datasets.kapture import write as kapture
    from gcsa.datasets.utm import write as utm

    kind = Path(config.data.desc_fn)
    if layout == "kapture":

        def file(image: str) -> Path:
            return on_disk(image_path(config.data, name, image))

        return kapture.write_scene(output / name, *read, kind.stem, file)
    features = output / "descriptors" / "utm" / name / kind.with_suffix(".h5").name
    return utm.write_scene(output / name, *read, features)


def _bring(
    config: Config, name: str, scene: Scene, paths: dict[str, np.ndarray], folder: Path, how: str
) -> None:
    """Link or copy the image files of a scene to their new paths."""
    import logging

    from gcsa.datasets.images import image_path, on_disk

    if how == "none":
        return
    lost, roles = 0, {"database": scene.database, "queries": scene.queries}
    for role, own in paths.items():
        images: ImageSet = roles[role]
        for old, new in zip(images.names, own, strict=True):
            source = on_disk(image_path(config.data, name, str(old)))
            lost += not _placed(source, folder / str(new), how)
    if lost:
        text = "%s: %d of %d image files are not there, and left out"
        logging.getLogger(__name__).info(text, name, lost, sum(map(len, paths.values())))


def _placed(source: Path, target: Path, how: str) -> bool:
    """Whether the image was there to be linked or copied."""
    if not source.is_file():
        return False
    make_folder(target.parent)
    target.unlink(missing_ok=True)  # a link, maybe, which must not be followed
    if how == "copy":
        with replacing(target, durable=False) as temporary:
            shutil.copyfile(source, temporary)
    else:
        target.symlink_to(os.path.relpath(source.resolve(), target.parent.resolve()))
    return True


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "export",
        "Write scenes of any data set, with their descriptors, in a layout that other tools read: "
        "utm, folders of @utm_east@utm_north@...@.jpg, or kapture 1.1.",
        "--conf configs/miniworld_train.yaml --to utm --output outputs/quickstart/utm",
    )
    options.add_conf(made)
    options.add_split(made)
    made.add_argument("--to", required=True, metavar="LAYOUT", help=" or ".join(OWN))
    made.add_argument("--output", required=True, metavar="DIR", help="folder to write to")
    made.add_argument(
        "--images",
        default="link",
        help="image files: link (default, symbolic links), copy, or none",
    )
    options.add_overrides(made)
    return made


def main() -> None:
    args = parser().parse_intermixed_args()
    from gcsa.config import load_config

    config = load_config(args.conf, options.overrides(args))
    settings = export(config, args.output, args.to, args.split, args.images)
    print("to read it again:", *settings)


if __name__ == "__main__":
    run_program(main)
