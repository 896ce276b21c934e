"""Mapillary Street-level Sequences: the files of one city -> (Scene, Truth).

Each role (query, database) of a city has four CSV files whose rows belong together by their
number: raw.csv, seq_info.csv, postprocessed.csv, subtask_index.csv. Panoramas are left out. The
test cities were first released without raw.csv and postprocessed.csv: there both are optional.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from gcsa.datasets.columns import read_columns, read_if_there, row_error
from gcsa.descriptors.hdf5 import open_pack
from gcsa.errors import InputError, MissingFileError, nearest
from gcsa.evaluation.truth import Truth
from gcsa.files import similar_folder
from gcsa.scene import EARTH, ImageSet, Scene
from gcsa.sideinfo.utm import Zone, to_utm, zone_of

logger = logging.getLogger(__name__)

# The official split (mapillary_sls), in its order.
TRAIN_CITIES = (
    "trondheim london boston melbourne amsterdam helsinki tokyo toronto saopaulo moscow zurich "
    "paris bangkok budapest austin berlin ottawa phoenix goa amman nairobi manila"
).split()
VAL_CITIES = "cph sf".split()
TEST_CITIES = "miami athens buenosaires stockholm bengaluru kampala".split()
# Metres between readings and positions of a database, in the median: more is another zone.
ZONE_ERROR = 1000.0
# The largest number of a column, either way: degrees (whole turns of ca are taken off), metres.
BOUNDS = dict(ca=1e4, lon=180.0, lat=90.0, easting=EARTH, northing=EARTH)
SUBTASKS = "all s2w w2s o2n n2o d2n n2d".split()


def read_scene(
    root: str | os.PathLike,
    city: str,
    descriptors: str | os.PathLike | None = None,
    subtask: str | None = None,
    query_gps: bool = False,
    normalise: bool = False,
) -> tuple[Scene, Truth | None]:
    """Read one city.

    root: the folder that holds ``train_val/`` and ``test/``.
    descriptors: hloc HDF5 file of the city, with names ``{query,database}/images/<key>.jpg``;
        without it the scene's descriptors are None.
    subtask: keep the images that its column of subtask_index.csv marks ("all", "s2w", ...);
        None keeps every image.
    query_gps: the scene knows the GPS readings (lon, lat of raw.csv) of the queries.
    normalise: as of :func:`gcsa.descriptors.hdf5.open_pack`.

    The scene's frame is the UTM zone in which the readings of the database lie where its positions
    say; None where that is none.

    Returns the scene and the truth, which is None where the positions of the queries are not
    published. Names are ``{query,database}/images/<key>.jpg``. Headings come from the compass
    (``ca``) and are NaN where it is silent. Raises InputError, which names file, row and column.
    """
    folder, optional = _city_folder(Path(root), city)
    if subtask is not None and subtask not in SUBTASKS:
        hint = nearest(subtask, SUBTASKS)
        raise InputError(f"data.subtask: '{subtask}' is not a subtask of MSLS{hint}")
    pack = None if descriptors is None else open_pack(descriptors, normalise)
    tables = {role: _read_role(folder / role, subtask, optional) for role in ("database", "query")}
    images = {}
    for role, table in tables.items():
        names = (f"{role}/images/" + table["key"] + ".jpg").to_numpy(dtype=str)
        images[role] = ImageSet(
            names=names,
            descriptors=None if pack is None else pack.rows(names),
            positions=_positions(table) if role == "database" else None,
            headings=_headings(table),
            **_sequences(table),
        )
    zone, error = _zone(tables["database"])
    if query_gps:
        readings = _readings(tables, zone, error, folder)
        images["query"] = replace(images["query"], positions=readings)
    frame = zone if error <= ZONE_ERROR else None
    scene = Scene(city, images["database"], images["query"], frame)
    positions = _positions(tables["query"])
    truth = None if positions is None else Truth(positions, scene.queries.headings)
    return scene, truth


def _city_folder(root: Path, city: str) -> tuple[Path, bool]:
    """The city's folder, and whether raw.csv and postprocessed.csv may lack (test cities)."""
    for split in ("train_val", "test"):
        if (root / split / city).is_dir():
            return root / split / city, split == "test"
    hint = similar_folder(root / "train_val" / city) or similar_folder(root / "test" / city)
    raise MissingFileError(
        f"{root}: no city '{city}', neither in train_val/ nor in test/"
        f"{hint or ' (data.root holds msls/)'}"
    )


def _read_role(folder: Path, subtask: str | None, optional: bool) -> pd.DataFrame:
    """One table of the images to keep: key, and easting, northing, ca where known."""
    flags = read_columns(folder / "subtask_index.csv", {"key": str, (subtask or "all"): bool})
    sequences = read_columns(
        folder / "seq_info.csv", {"key": str}, {"sequence_key": str, "frame_number": float}
    )
    read = read_if_there if optional else read_columns
    post = read(folder / "postprocessed.csv", {"key": str, "easting": float, "northing": float})
    raw = read(
        folder / "raw.csv", {"key": str, "ca": float, "pano": bool}, {"lon": float, "lat": float}
    )
    for name, table in (("seq_info", sequences), ("postprocessed", post), ("raw", raw)):
        if table is not None:
            _check_aligned(flags, table, folder / f"{name}.csv")
    _check_unique(flags["key"], folder / "subtask_index.csv")

    keep = np.ones(len(flags), dtype=bool) if subtask is None else flags[subtask].to_numpy()
    if raw is not None:
        keep = keep & ~raw["pano"].to_numpy()
        flags["ca"] = raw["ca"]
        for name in {"lon", "lat"} & set(raw):
            flags[name] = raw[name]
        _check_bounds(flags, keep, folder / "raw.csv")
    if post is not None:
        flags[["easting", "northing"]] = post[["easting", "northing"]]
        _check_coordinates(flags, keep, folder / "postprocessed.csv", optional)
        _check_bounds(flags, keep, folder / "postprocessed.csv")
    for name in {"sequence_key", "frame_number"} & set(sequences):
        flags[name] = sequences[name]
    if not keep.any():
        left = f"no images left of {len(flags)} (subtask {subtask}, no panoramas)"
        raise InputError(f"{folder}: {left}")
    return flags[keep].reset_index(drop=True)


def _check_aligned(first: pd.DataFrame, other: pd.DataFrame, path: Path) -> None:
    """Rows of the files of one folder must belong to the same images, one by one."""
    reference = path.with_name("subtask_index.csv")
    if len(first) != len(other):
        raise InputError(f"{path}: {len(other)} rows, but {reference.name} has {len(first)}")
    wrong = first["key"].to_numpy() != other["key"].to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise row_error(
            path,
            row,
            "key",
            f"'{other['key'][row]}' where {reference.name} has '{first['key'][row]}'",
        )


def _check_unique(keys: pd.Series, path: Path) -> None:
    again = keys.duplicated().to_numpy()
    if again.any():
        row = int(again.argmax())
        raise row_error(path, row, "key", f"'{keys[row]}' is there twice")


def _check_coordinates(table: pd.DataFrame, keep: np.ndarray, path: Path, test: bool) -> None:
    """Positions must be numbers; in a test city both may lack (an image that Mapillary lost)."""
    unknown = table[["easting", "northing"]].isna().to_numpy() & keep[:, None]
    wrong = unknown & ~(unknown.all(1, keepdims=True) & test)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise row_error(path, int(row), ("easting", "northing")[column], "no coordinate")


def _check_bounds(table: pd.DataFrame, keep: np.ndarray, path: Path) -> None:
    """What the images to keep have of BOUNDS lies within them; NaN passes."""
    for column in [name for name in BOUNDS if name in table]:
        most = BOUNDS[column]
        wrong = keep & (np.abs(table[column].to_numpy(dtype=np.float64)) > most)
        if wrong.any():
            row = int(wrong.argmax())
            problem = f"{table[column][row]:g} is not from -{most:g} to {most:g}"
            raise row_error(path, row, column, problem)


def _positions(table: pd.DataFrame) -> np.ndarray | None:
    columns = ["easting", "northing"]
    return table[columns].to_numpy(dtype=np.float64) if columns[0] in table else None


def _headings(table: pd.DataFrame) -> np.ndarray | None:
    if "ca" not in table:
        return None
    return np.deg2rad(table["ca"].to_numpy(dtype=np.float64) % 360.0)


def _sequences(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """The fields of an ImageSet that seq_info.csv fills, where it has its columns."""
    if "sequence_key" not in table or "frame_number" not in table:
        return {}
    numbers = np.unique(table["sequence_key"].to_numpy(dtype=str), return_inverse=True)[1]
    frames = table["frame_number"].to_numpy(dtype=np.float64)
    # An image without a number keeps the place that it has in the file.
    frames = np.where(np.isnan(frames), np.arange(len(frames)), frames)
    return {"sequences": numbers.astype(np.int64), "frames": frames.astype(np.int64)}


def _zone(database: pd.DataFrame) -> tuple[Zone | None, float]:
    """The UTM zone of a database, and how many metres its readings lie from its positions there.

    The zone is stored nowhere. None where readings or positions lack.
    """
    placed = _positions(database)
    if placed is None or "lon" not in database or "lat" not in database:
        return None, np.inf
    degrees = database[["lon", "lat"]].to_numpy(dtype=np.float64)
    known = np.isfinite(degrees).all(1) & np.isfinite(placed).all(1)
    if not known.any():
        return None, np.inf
    lon, lat = degrees[known].T
    errors = {}
    for shift in (-1, 0, 1):
        number = (zone_of(float(np.median(lon))) + shift - 1) % 60 + 1
        apart = np.column_stack(to_utm(lon, lat, number)) - placed[known]
        errors[number] = float(np.median(np.linalg.norm(apart, axis=1)))
    best = min(sorted(errors), key=errors.__getitem__)
    return Zone(best, bool(np.median(lat) < 0)), errors[best]


def _readings(
    tables: dict[str, pd.DataFrame], zone: Zone | None, error: float, folder: Path
) -> np.ndarray:
    """GPS readings of the queries, (q, 2) metres in the database's UTM zone, NaN unknown.

    error: metres from the database's readings to its positions in that zone.
    """
    for role in ("query", "database"):
        if "lon" not in tables[role] or "lat" not in tables[role]:
            raise InputError(f"{folder / role / 'raw.csv'}: data.query_gps needs its lon and lat")
    if zone is None:
        raise InputError(f"{folder}: data.query_gps needs the database's positions")
    if error > ZONE_ERROR:
        raise InputError(
            f"{folder}: lon and lat of raw.csv lie {error:.0f} m from easting and northing "
            "of postprocessed.csv in any zone; data.query_gps cannot be used"
        )
    readings = tables["query"][["lon", "lat"]].to_numpy(dtype=np.float64)
    return np.column_stack(to_utm(readings[:, 0], readings[:, 1], zone.number))


def keys(names: Iterable[str]) -> list[str]:
    """The keys of image names: their file stems, ``database/images/-abc.jpg`` -> ``-abc``."""
    return [name.rsplit("/", 1)[-1].removesuffix(".jpg") for name in names]
