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

from gcsa.datasets.sessions import in_order, sessions
from gcsa.datasets.utm.listing import images_of
from gcsa.datasets.utm.names import Named, read_names
from gcsa.datasets.utm.zones import one_zone
from gcsa.descriptors.hdf5 import open_pack
from gcsa.evaluation.truth import Truth
from gcsa.scene import ImageSet, Scene

logger = logging.getLogger(__name__)


def read_scene(
    folder: str | os.PathLike,
    name: str,
    descriptors: str | os.PathLike | None = None,
    database: str = "database",
    queries: str = "queries",
    query_gps: bool = False,
    normalise: bool = False,
) -> tuple[Scene, Truth | None]:
    """Read one folder as the scene ``name``.

    descriptors: hloc HDF5 file whose names are relative to ``folder``, as
        ``database/@...@.jpg``; without it the scene's descriptors are None.
    database, queries: the folders of the two; one name for both makes each image a query among
        all the others. query_gps: what the names of queries say counts as evidence, too.
    normalise: as of :func:`gcsa.descriptors.hdf5.open_pack`.

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
    pack = None if descriptors is None else open_pack(descriptors, normalise)

    def image_set(role: str, positions: np.ndarray | None) -> ImageSet:
        names, known = np.char.add(f"{role}/", listed[role]), named[role]
        return ImageSet(
            names,
            None if pack is None else pack.rows(names),
            positions,
            _or_none(known.headings),
            **_taken(known, places[role]),
        )

    for role, positions in places.items():
        unknown = int(np.isnan(positions[:, 0]).sum())
        if unknown:
            logger.info("%s: %d images have no position in their name", folder / role, unknown)
    here, asked = _or_none(places[database]), _or_none(places[queries])
    reported = asked if query_gps else None
    scene = Scene(name, image_set(database, here), image_set(queries, reported), frame)
    if here is None or asked is None:
        return scene, None
    return scene, Truth(asked, scene.queries.headings)


def _or_none(values: np.ndarray) -> np.ndarray | None:
    return None if np.isnan(values).all() else values


def _taken(named: Named, positions: np.ndarray) -> dict[str, np.ndarray]:
    """What was taken together: panoramas, or else what times and places tell."""
    texts = named.panoramas
    if (texts != "").any():
        numbers = np.unique(texts, return_inverse=True)[1].astype(np.int64)
        together = np.where(texts == "", -1, numbers)
        return {"sequences": together, "frames": in_order(together, named.tiles)}
    if np.isnan(named.times).all():
        return {}
    together = sessions(named.times, positions)
    return {"sequences": together, "frames": in_order(together, named.times)}
