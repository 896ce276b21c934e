"""images.csv from a reconstruction: OpenSfM's reconstruction.json, or COLMAP's images.txt.

Both hold world-to-camera poses, the camera looking along its z axis, y downwards. OpenSfM's world
is east, north, up. COLMAP's has no directions: up is taken as what the cameras agree on (the mean
of their own up), and north is then arbitrary, the same for all. Heights are left out unless asked
for: on a slope neighbours differ by more than fov.height.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gcsa import options
from gcsa.errors import InputError
from gcsa.files import read_text, reading
from gcsa.files.lines import check_length
from gcsa.sideinfo import geodesy

logger = logging.getLogger(__name__)

# A camera that looks within a degree of straight up or down has no heading.
LEAST_HORIZONTAL = np.sin(np.deg2rad(1.0))
AGREED = 0.5  # length of the mean of the cameras' up directions from which on it is one
# Names (n,), world-to-camera rotations (n, 3, 3), positions (n, 3) in the world.
Model = tuple[list[str], np.ndarray, np.ndarray]


def from_sfm(
    model: str | os.PathLike,
    output: str | os.PathLike,
    queries: Sequence[str | os.PathLike] = (),
    scale: float = 1.0,
    heights: bool = False,
) -> None:
    """Write the table of the cameras of a model.

    model: reconstruction.json, images.txt or the folder of images.txt. queries: hloc's lists of
    query images, added with split "query" and unknown poses. scale: metres of a unit of the
    model. heights: write heights too.
    """
    from gcsa.datasets.folder.table import write_table
    from gcsa.datasets.hloc import read_image_list

    if not 0 < scale < np.inf:
        raise InputError(f"--scale: {scale} is not metres of a unit of the model")
    path = Path(model)
    names, rotations, positions = read_opensfm(path) if path.suffix == ".json" else _colmap(path)
    turned = scale * positions
    header = ["name", "x", "y", *(["z"] if heights else []), "heading", "split"]
    axes = 3 if heights else 2
    rows = [
        [name, *(f"{value:.4f}" for value in place[:axes]), angle, "database"]
        for name, place, angle in zip(names, turned, _headings(rotations), strict=True)
    ]
    listed = [name for file in queries for name in read_image_list(file)]
    wanted = sorted(set(listed) - set(names), key=listed.index)
    if len(wanted) < len(listed):
        logger.info("%d queries are listed twice or in the model", len(listed) - len(wanted))
    rows += [[name, *[None] * (axes + 1), "query"] for name in wanted]
    write_table(output, header, rows)
    logger.info("%s: %d images of the database, %d queries", output, len(names), len(wanted))


def read_opensfm(path: Path) -> Model:
    """The cameras of OpenSfM's reconstruction.json, all its parts; the world is east, north, up.

    A part's coordinates are around its own ``reference_lla``; all are brought to those around the
    first part's. Its headings are from its own north and stay. Of an image in several parts the
    first counts, and how many these are is said.
    """
    with reading(path, "a reconstruction of OpenSfM"):
        parts = json.loads(read_text(path))
        models = [_part(path, part["shots"]) for part in parts]
        origins = [_reference(part) for part in parts]
    without = [origin is None for origin in origins]
    if any(without) and not all(without):
        problem = "has no reference_lla, other parts have"
        raise InputError(f"{path}: part {without.index(True) + 1} {problem}")
    names = [name for part in models for name in part[0]]
    rotations = np.concatenate([np.empty((0, 3, 3)), *(part[1] for part in models)])
    placed = [_moved(path, p[2], o, origins[0]) for p, o in zip(models, origins, strict=True)]
    positions = np.concatenate([np.empty((0, 3)), *placed])
    first = np.sort(np.unique(np.array(names, dtype=str), return_index=True)[1])
    if len(first) < len(names):
        again = len(names) - len(first)
        logger.info("%s: %d images are in several parts, their first counts", path, again)
    return _model(path, [names[row] for row in first], rotations[first], positions[first])


def _part(path: Path, shots: dict[str, dict]) -> Model:
    from scipy.spatial.transform import Rotation

    turns = np.array([shot["rotation"] for shot in shots.values()], dtype=np.float64)
    offsets = np.array([shot["translation"] for shot in shots.values()], dtype=np.float64)
    rotations = Rotation.from_rotvec(turns.reshape(-1, 3)).as_matrix()
    return list(shots), rotations, _centres(rotations, offsets.reshape(-1, 3))


def _reference(part: dict) -> np.ndarray | None:
    """Latitude, longitude, altitude (3,) of a part's origin; None where it does not say."""
    if "reference_lla" not in part:
        return None
    lla = part["reference_lla"]
    return np.array([lla["latitude"], lla["longitude"], lla["altitude"]], dtype=np.float64)


def _moved(
    path: Path, positions: np.ndarray, origin: np.ndarray | None, first: np.ndarray | None
) -> np.ndarray:
    """Positions (n, 3) around one reference as those around another; heights are altitudes."""
    if origin is None or first is None or np.array_equal(origin, first):
        return positions
    for lla in (origin, first):
        if not np.isfinite(lla).all() or not (np.abs(lla[:2]) <= [90, 180]).all():
            raise InputError(f"{path}: reference_lla: {lla[0]:g}, {lla[1]:g} is no place on Earth")
    away = geodesy.distance(origin[:2], first[:2])
    if away > geodesy.LIMIT:
        raise InputError(
            f"{path}: its parts lie {away / 1e3:.0f} km apart, expected at most "
            f"{geodesy.LIMIT / 1e3:.0f} km in one table"
        )
    degrees = geodesy.to_degrees(positions[:, :2], origin[:2])
    up = positions[:, 2:] + origin[2] - first[2]
    return np.concatenate([geodesy.to_metres(degrees, first[:2]), up], axis=1)


def read_colmap(path: Path) -> Model:
    """The cameras of COLMAP's images.txt, in COLMAP's world: :func:`read_colmap_images`."""
    return read_colmap_images(path)[0]


def read_colmap_images(path: Path) -> tuple[Model, list[str]]:
    """The images of COLMAP's images.txt, in COLMAP's world, and the numbers of their cameras.

    A line of an image, then one of its points, which may be empty; as COLMAP's own reader does,
    comments and empty lines are skipped where an image is due. InputError names file and line.
    """
    from scipy.spatial.transform import Rotation

    names, values, cameras = [], [], []
    lines = iter(enumerate(read_text(path).split("\n"), start=1))
    for number, line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split(maxsplit=9)
        check_length(path, number, fields[-1] if len(fields) == 10 else "")
        try:
            values.append([float(field) for field in fields[1:8]])
            names.append(fields[9].strip())
            cameras.append(fields[8])
        except (ValueError, IndexError) as error:
            raise InputError(
                f"{path}: line {number}: '{line[:60]}': expected "
                "'IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME'"
            ) from error
        _check_points(path, *next(lines, (number + 1, "")))
    table = np.array(values).reshape(-1, 7)
    if not np.linalg.norm(table[:, :4], axis=1).all():
        raise InputError(f"{path}: a quaternion is 0")
    with reading(path, "quaternions that are rotations"):
        rotations = Rotation.from_quat(table[:, [1, 2, 3, 0]]).as_matrix()
    return _model(path, names, rotations, _centres(rotations, table[:, 4:])), cameras


def _check_points(path: Path, number: int, line: str) -> None:
    """InputError where the line behind an image's is not of points: X Y POINT3D_ID each."""
    fields = line.split()
    try:
        whole = len(fields) % 3 == 0 and all(np.isfinite(float(field)) for field in fields)
    except ValueError:
        whole = False
    if not whole:
        raise InputError(
            f"{path}: line {number}: '{line[:60]}': expected the points of the image above, "
            "'X Y POINT3D_ID ...', or an empty line"
        )


def upright(rotations: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A model turned so that its z axis is the cameras' up; arguments and results as in Model."""
    up = -rotations[:, 1].mean(axis=0)
    if not np.linalg.norm(up) >= AGREED:
        raise InputError("the cameras of the model do not agree on what is up")
    frame = turn_upright(up)
    return rotations @ frame.T, positions @ frame.T


def turn_upright(up: np.ndarray) -> np.ndarray:
    """A rotation (3, 3) of a world in which ``up`` (3,) is up to one in which z is."""
    up = up / np.linalg.norm(up)
    sideways = np.eye(3)[np.abs(up).argmin()]
    east = np.cross(sideways, up)
    east /= np.linalg.norm(east)
    return np.stack([east, np.cross(up, east), up])  # rows: east, north, up in the old world


def _colmap(path: Path) -> Model:
    file = path / "images.txt" if path.is_dir() else path
    if not file.is_file() and file.with_suffix(".bin").is_file():
        raise InputError(
            f"{file.with_suffix('.bin')}: only text is read; convert it by "
            "'colmap model_converter --output_type TXT'"
        )
    names, rotations, positions = read_colmap(file)
    return names, *upright(rotations, positions)


def _model(path: Path, names: list[str], rotations: np.ndarray, positions: np.ndarray) -> Model:
    if not names:
        raise InputError(f"{path}: holds no images")
    if not np.isfinite(positions).all() or not np.isfinite(rotations).all():
        raise InputError(f"{path}: a pose is not finite")
    return names, rotations, positions


def _centres(rotations: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Where cameras stand, (n, 3), from world-to-camera poses."""
    return -np.einsum("nji,nj->ni", rotations, offsets)


def _headings(rotations: np.ndarray) -> list[float | None]:
    """Degrees clockwise from north of the viewing axes, where they have one."""
    east, north = rotations[:, 2, 0], rotations[:, 2, 1]
    degrees = np.rad2deg(np.arctan2(east, north)) % 360
    level = np.hypot(east, north) >= LEAST_HORIZONTAL
    return [round(float(d), 2) if known else None for d, known in zip(degrees, level, strict=True)]


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "folder.from_sfm",
        "Write images.csv (data.dataset=folder) from the cameras of a reconstruction: OpenSfM's "
        "reconstruction.json, or COLMAP's images.txt.",
        "aachen/sfm --output aachen/images.csv "
        "--queries aachen/queries/night_time_queries_with_intrinsics.txt",
    )
    made.add_argument("model", help="reconstruction.json, images.txt, or the latter's folder")
    made.add_argument("--output", required=True, metavar="CSV", help="table to write")
    made.add_argument(
        "--queries", nargs="+", default=[], metavar="LIST", help="hloc's lists of query images"
    )
    made.add_argument("--scale", type=float, default=1.0, help="metres of a unit (default 1)")
    made.add_argument("--heights", action="store_true", help="write heights too")
    return made


def main() -> None:
    args = parser().parse_args()
    from_sfm(args.model, args.output, args.queries, args.scale, args.heights)
