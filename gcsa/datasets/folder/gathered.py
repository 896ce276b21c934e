"""One scene of two folders: photos whose places are known, and photos whose places are asked for.

Each folder brings its own images.csv (and radio.csv), or the EXIF of its photos. In the new folder
they are linked under the names of their roles, so that nothing is copied.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from gcsa.datasets.folder.exif import read_pose
from gcsa.datasets.folder.from_exif import columns_of, read_poses, report
from gcsa.datasets.folder.images import COLUMNS, ROLES
from gcsa.datasets.folder.listing import photos_below
from gcsa.datasets.folder.scene import RADIO_TABLE, TABLE
from gcsa.datasets.folder.table import write_table
from gcsa.errors import InputError, nearest
from gcsa.files import make_folder
from gcsa.files.lines import read_cells

logger = logging.getLogger(__name__)

Rows = list[dict[str, Any]]  # by column
TRUE = ("lat", "lon", "x", "y", "alt", "z", "place")  # of a query: not known, or not to be read


def gather(database: Path, queries: Path, target: Path, skip_broken: bool = False) -> Path:
    """Make of two folders of photos the folder ``target``, with its images.csv; returns that path.

    Where a query was taken is what is asked for: of its EXIF the position counts as what its
    device reported. skip_broken: photos whose EXIF cannot be read are left out, and counted.
    InputError where photos of the database have no positions.
    """
    sources = dict(zip(ROLES, (database, queries), strict=True))
    make_folder(target)
    rows: Rows = []
    for role, source in sources.items():
        found = _rows(source, role, skip_broken)
        _link(target / role, source)
        rows += [{**row, "name": f"{role}/{row['name']}", "split": role} for row in found]
    _write(target / TABLE, rows, COLUMNS)
    radio = [
        {**row, "name": f"{role}/{row['name']}"}
        for role, source in sources.items()
        if (source / RADIO_TABLE).is_file()
        for row in _cells(source / RADIO_TABLE)
    ]
    if radio:
        _write(
            target / RADIO_TABLE, radio, tuple(dict.fromkeys(key for row in radio for key in row))
        )
    return target / TABLE


def leave_out(target: Path, broken: Collection[str]) -> None:
    """Leave images that cannot be described out of the table of ``target``."""
    if broken:
        rows = [row for row in _cells(target / TABLE) if row["name"] not in broken]
        _write(target / TABLE, rows, COLUMNS)


def _rows(folder: Path, role: str, skip_broken: bool) -> Rows:
    """The rows of a folder's table, or what its photos say."""
    if (folder / TABLE).is_file():
        return _cells(folder / TABLE)
    names = photos_below(folder, folder)
    if skip_broken:
        names = _readable(folder, names)
    poses = read_poses(folder / name for name in names)
    report(folder, poses)
    columns = {"name": names, **columns_of(poses)}
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    if role == ROLES[0]:
        if all(row["lat"] != row["lat"] for row in rows):
            raise InputError(
                f"{folder}: no photo has a position in its EXIF; write {TABLE} (docs/own_data.md)"
            )
        return rows
    return [{key: cell for key, cell in row.items() if key not in TRUE} for row in rows]


def _readable(folder: Path, names: Sequence[str]) -> list[str]:
    """Those photos that are images; the others are named in the log."""
    found, broken = [], []
    for name in names:
        try:
            read_pose(folder / name)
        except InputError as error:
            broken.append(str(error))
        else:
            found.append(name)
    if broken:
        logger.warning("%d broken photos were passed over: %s", len(broken), "; ".join(broken[:5]))
    return found


def _cells(path: Path) -> Rows:
    found = read_cells(path)
    if "name" not in found.header:
        raise InputError(f"{path}: no column 'name'{nearest('name', found.header)}")
    numbers = range(len(found.header))
    commas = found.decimal_commas
    return [
        {found.header[i]: _plain(row[i]) if commas else row[i] for i in numbers}
        for row in found.rows
    ]


def _plain(cell: str) -> str:
    """A number with a decimal comma as one with a point."""
    changed = cell.replace(",", ".")
    return changed if changed.replace(".", "", 1).lstrip("-").isdigit() else cell


def _link(link: Path, source: Path) -> None:
    """``link`` leads to the folder ``source``; one that led elsewhere is put right."""
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        raise InputError(f"{link}: is there and is no link; expected a folder of gcsa photos' own")
    os.symlink(source.resolve(), link, target_is_directory=True)


def _write(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    used = [column for column in columns if any(column in row for row in rows)]
    write_table(path, used, ([row.get(column) for column in used] for row in rows))
