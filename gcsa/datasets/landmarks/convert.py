"""Convert feature files: a pickle becomes arrays that load at once and cannot run code.

A dict of arrays becomes an .npz with the same keys, and with the names of the images ("db_names",
"query_names") where a gnd file is given; one bare array becomes an .npy, which is memory-mapped.
Descriptors are normalised.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np

from gcsa import options
from gcsa.datasets.landmarks.features import NAMES, check_array, pick, read_file, unit_rows
from gcsa.errors import InputError, run_program
from gcsa.files import replacing

DTYPES = ("float16", "float32")


def convert(
    source: str | os.PathLike,
    target: str | os.PathLike,
    gnd: str | os.PathLike | None = None,
    transpose: bool = False,
    dtype: str = "float16",
) -> None:
    """Write the descriptors of ``source`` (.pkl, .npz, .npy) to ``target``, (n, D) of unit length.

    target: .npz for a dict of arrays, .npy for one array. gnd: the data set's gnd file: numbers of
    images are checked against it, and their names written. transpose: the arrays are (D, n).
    """
    source, target = Path(source), Path(target)
    content = read_file(source)
    suffix = ".npz" if isinstance(content, dict) else ".npy"
    if target.suffix != suffix:
        raise InputError(f"{target}: what {source} holds goes into a file named *{suffix}")
    if suffix == ".npz":
        _convert_dict(content, source, target, _names(gnd), transpose, dtype)
    elif gnd is not None:
        raise InputError(f"{source}: one array alone, --gnd is for 'db' and 'query'")
    else:
        _convert_array(content, source, target, transpose, dtype)


def _names(gnd: str | os.PathLike | None) -> dict[str, np.ndarray]:
    """Names of the images by role; empty without a gnd file."""
    if gnd is None:
        return {}
    from gcsa.datasets.landmarks.scene import read_ground_truth

    known = read_ground_truth(gnd)
    return {"db": known.database, "query": known.queries}


def _turned(
    content: Any, source: Path, role: str | None, rows: int | None, transpose: bool
) -> np.ndarray:
    """The array of a role, an image in each row."""
    array = check_array(pick(content, source, role), source, role, None, None)
    return check_array(array.T if transpose else array, source, role, rows, None)


def _convert_dict(
    content: dict,
    source: Path,
    target: Path,
    names: dict[str, np.ndarray],
    transpose: bool,
    dtype: str,
) -> None:
    roles = list(names) or [role for role in content if not str(role).endswith(NAMES)]
    members: dict[str, Any] = {f"{role}{NAMES}": known for role, known in names.items()}
    for role in roles:
        rows = len(names[role]) if names else None
        array = _turned(content, source, role, rows, transpose)
        members[role] = np.empty(array.shape, dtype=dtype)
        unit_rows(array, members[role], f"{source}: '{role}'")
    with replacing(target) as temporary, open(temporary, "wb") as file:
        np.savez(file, **members)


def _convert_array(content: Any, source: Path, target: Path, transpose: bool, dtype: str) -> None:
    array = _turned(content, source, None, None, transpose)
    with replacing(target) as temporary:
        out = np.lib.format.open_memmap(temporary, "w+", np.dtype(dtype), array.shape)
        unit_rows(array, out, str(source))
        out.flush()


def parser() -> argparse.ArgumentParser:
    made = options.program(
        "datasets.landmarks.convert",
        "Write a feature file as .npz (a dict of arrays) or .npy (one array), an image in each "
        "row, of unit length.",
        "gl18-tl-resnet101-gem-w.pkl gl18-tl-resnet101-gem-w.npz --gnd gnd_roxford5k.pkl",
    )
    made.add_argument("source", help=".pkl, .npz or .npy")
    made.add_argument("target", help=".npz for a dict of arrays, .npy for one array")
    made.add_argument("--gnd", help="gnd_<dataset>.pkl: check numbers of images, add their names")
    made.add_argument(
        "--transpose", action="store_true", help="the arrays have an image in each column"
    )
    made.add_argument("--dtype", choices=DTYPES, default="float16")
    return made


def main() -> None:
    args = parser().parse_args()
    convert(args.source, args.target, args.gnd, args.transpose, args.dtype)


if __name__ == "__main__":
    run_program(main)
