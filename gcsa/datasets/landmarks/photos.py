"""The photos of landmark data sets, as their files list them: for those who describe them anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gcsa.datasets.landmarks.rsfm import MODES, read_clusters
from gcsa.datasets.landmarks.scene import DATASETS, read_ground_truth
from gcsa.errors import InputError
from gcsa.files import pickles, reading


class Listed(NamedTuple):
    """An image of a list: its name, its file, and the part of it that counts.

    box: (left, upper, right, lower) in pixels; None for all of it.
    """

    name: str
    path: Path
    box: tuple[int, int, int, int] | None = None


Roles = Mapping[str, Sequence[Listed]]


def listed_photos(root: Path, dataset: str) -> tuple[Roles, Path]:
    """The images by role, row by row as descriptors are kept, and the folder of feature files.

    Of Oxford and Paris, ``<root>/test/<dataset>/jpg/<name>.jpg``; queries are the parts of photos
    that gnd's "bbx" gives, rounded to pixels. Of retrieval-SfM-120k,
    ``<root>/train/retrieval-SfM-120k/ims/``, three levels by the end of the name. (cirtorch's
    layout, Radenovic et al.)
    """
    annotations = root / "annotations"
    if dataset in DATASETS:
        home = root / "test" / dataset
        gnd = annotations / dataset / f"gnd_{dataset}.pkl"
        known = read_ground_truth(gnd)
        base = [Listed(str(n), _jpg(home, n)) for n in known.database]
        asked = [
            Listed(str(n), _jpg(home, n), box)
            for n, box in zip(known.queries, _boxes(gnd), strict=True)
        ]
        return {"db": base, "query": asked}, home
    clusters = annotations / "retrieval-SfM-120k.pkl"
    home = root / "train" / "retrieval-SfM-120k" / "ims"
    roles = {
        mode: [Listed(str(n), _by_end(home, str(n))) for n in read_clusters(clusters, mode)[0]]
        for mode in MODES
    }
    return roles, root / "train"


def _jpg(home: Path, name: str) -> Path:
    return home / "jpg" / (name if name.endswith(".jpg") else f"{name}.jpg")


def _by_end(home: Path, name: str) -> Path:
    own = name.split("#")[0]  # of a name that comes again
    return home / own[-2:] / own[-4:-2] / own[-6:-4] / own


def _boxes(gnd: Path) -> list[tuple[int, int, int, int] | None]:
    """The part of each query's photo, where the file has one."""
    found: list[tuple[int, int, int, int] | None] = []
    for query, entry in enumerate(pickles.load(gnd)["gnd"]):
        box = entry.get("bbx")
        if box is None:
            found.append(None)
            continue
        where = f"{gnd}: gnd[{query}]['bbx']"
        with reading(where, "left, upper, right, lower in pixels"):
            left, upper, right, lower = np.round(np.asarray(box, dtype=float)).astype(int).tolist()
        if not (0 <= left < right and 0 <= upper < lower):
            raise InputError(f"{where}: {list(box)} has no pixels")
        found.append((left, upper, right, lower))
    return found
