"""GSV-Cities: the table of one city -> (Scene, Truth).

``Dataframes/<City>.csv`` has a row for each image, and the image's name is made of its cells:
``<City>_<place_id>_<year>_<month>_<northdeg>_<lat>_<lon>_<panoid>.jpg`` in ``Images/<City>/``.
Images of one ``place_id`` show one place. (Ali-bey, Chaib-draa and Giguere, "GSV-Cities",
Neurocomputing 2022; its GSVCitiesDataset.)
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from gcsa.datasets.folder.positions import origin_of, planar
from gcsa.datasets.folder.table import Table, read_table
from gcsa.datasets.placed import PLAIN, How, PlacedImages, placed_scene
from gcsa.errors import InputError, MissingFileError, nearest
from gcsa.evaluation.truth import Truth
from gcsa.scene import Scene
from gcsa.sideinfo.geodesy import Plane

CITIES = (
    "Bangkok BuenosAires LosAngeles MexicoCity OSL Rome Barcelona Chicago Madrid Miami Phoenix TRT "
    "Boston Lisbon Medellin Minneapolis PRG WashingtonDC Brussels London Melbourne Osaka PRS"
).split()
COLUMNS = "place_id year month northdeg city_id lat lon panoid".split()
AXES = ("lat", "lon")
# How names write whole numbers: digits at least, and the largest there may be.
WHOLE = {"place_id": (7, 10**9), "year": (4, 9999), "month": (2, 12), "northdeg": (3, 360)}


def read_scene(root: str | os.PathLike, city: str, how: How = PLAIN) -> tuple[Scene, Truth | None]:
    """Read one city; each of its images is a query among all the others.

    root: the folder that holds Dataframes/ and Images/. Names are those of the files in
    ``Images/<city>/``. Headings are ``northdeg``; positions lie in a plane about the city's middle;
    the truth's clusters are the places. Raises InputError, which names file, line and column.
    """
    path = Path(root) / "Dataframes" / f"{city}.csv"
    if not path.is_file():
        there = [file.stem for file in path.parent.glob("*.csv")]
        hint = nearest(city, there) if there else " (data.root holds Dataframes/ and Images/)"
        raise MissingFileError(f"{path}: no such file{hint}")
    table = read_table(path, required=COLUMNS, known=COLUMNS)
    whole = {name: _whole(table, name) for name in WHOLE}
    origin = origin_of(table, AXES, np.ones(len(table), bool))
    images = PlacedImages(
        _names(table, whole),
        planar(table, AXES, origin),
        np.deg2rad(whole["northdeg"] % 360.0),
        places=whole["place_id"],
    )
    frame = None if origin is None else Plane((float(origin[0]), float(origin[1])))
    return placed_scene(city, images, images, how, frame)


def _whole(table: Table, column: str) -> np.ndarray:
    """A column of whole numbers, (n,) int64, no cell empty."""
    table.filled(column)
    values = table.numbers(column, 0, WHOLE[column][1], column)
    table.refuse(values % 1 != 0, column, "{} is not a whole number")
    return values.astype(np.int64)


def _names(table: Table, whole: dict[str, np.ndarray]) -> np.ndarray:
    """The names of the files, (n,) str: cities and places as the table has them."""
    numbers = {name: [f"{v:0{WHOLE[name][0]}d}" for v in values] for name, values in whole.items()}
    # Degrees as Python writes them, whatever digits the table has.
    degrees = [[str(float(cell)) for cell in table.filled(axis)] for axis in AXES]
    parts = [table.filled("city_id"), *numbers.values(), *degrees, table.filled("panoid")]
    names = np.array(["_".join(cells) + ".jpg" for cells in zip(*parts, strict=True)], dtype=str)
    unique, counts = np.unique(names, return_counts=True)
    if len(unique) < len(names):
        row = int(np.flatnonzero(names == unique[counts.argmax()])[1])
        raise table.error(row, "panoid", f"its image '{names[row]}' is there twice")
    if np.char.find(names, "/").max() >= 0:
        row = int(np.char.find(names, "/").argmax())
        raise InputError(f"{table.path}: line {table.lines[row]}: '{names[row]}' is no file's name")
    return names
