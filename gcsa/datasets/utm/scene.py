"""A folder of images, database and queries, whose names hold positions -> (Scene, Truth).

``<scene>/database/@...@.jpg`` and ``<scene>/queries/@...@.jpg``, or folders of other names, as
``gallery`` and ``queries_night``. The positions of queries go to the truth alone; their headings
are what a name says of the camera, and the scene has them too, as on MSLS.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np

from gcsa.datasets.placed import PLAIN, How, PlacedImages, placed_scene
from gcsa.datasets.sessions import in_order, sessions
from gcsa.datasets.utm.listing import images_of
from gcsa.datasets.utm.names import Named, read_names
from gcsa.datasets.utm.zones import one_zone
from gcsa.evaluation.truth import Truth
from gcsa.scene import Scene

logger = logging.getLogger(__name__)


def read_scene(
    folder: str | os.PathLike,
    name: str,
    how: How = PLAIN,
    database: str = "database",
    queries: str = "queries",
) -> tuple[Scene, Truth | None]:
    """Read one folder as the scene ``name``.

    database, queries: the folders of the two; one name for both makes each image a query among
        all the others. Names are relative to ``folder``, as ``database/@...@.jpg``.

    Positions are metres in the UTM zone of most of the database, which is the scene's frame where
    names tell it; images of a neighbouring zone are brought into it. Images of one panorama
    (``pano_id``), in the order of their tiles, are a sequence, or else what times and places tell.
    The truth is None where no query or no image of the database has a position. Raises InputError,
    which names the image and the field.
    """
    folder = Path(folder)
    listed = {role: images_of(folder / role) for role in dict.fromkeys([database, queries])}
    named = {role: read_names(list(names), str(folder / role)) for role, names in listed.items()}
    places, frame = one_zone(named, database, folder)
    images = {}
    for role, positions in places.items():
        unknown = int(np.isnan(positions[:, 0]).sum())
        if unknown:
            logger.info("%s: %d images have no position in their name", folder / role, unknown)
        names, known = np.char.add(f"{role}/", listed[role]), named[role]
        taken = _taken(known, positions)
        images[role] = PlacedImages(names, positions, known.headings, *taken)
    return placed_scene(name, images[database], images[queries], how, frame)


def _taken(named: Named, positions: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Sequences and frames: panoramas, or else what times and places tell."""
    texts = named.panoramas
    if (texts != "").any():
        numbers = np.unique(texts, return_inverse=True)[1].astype(np.int64)
        together = np.where(texts == "", -1, numbers)
        return together, in_order(together, named.tiles)
    if np.isnan(named.times).all():
        return None, None
    together = sessions(named.times, positions)
    return together, in_order(together, named.times)
