"""Arrays of a notebook as the scenes of the house, checked argument by argument."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from gcsa.errors import InputError
from gcsa.scene import EARTH, MOST_TURNED, ImageSet, Scene, check_range
from gcsa.sideinfo.radio import Radio, from_rssi


def scene_of(queries: ImageSet, database: ImageSet, own: ArrayLike | None) -> Scene:
    """A scene of images that have no names; a query that is a database image has its name.

    own: (Q,) that row of the database, -1 where there is none.
    """
    if own is None:
        return Scene("gcsa.rank", database, queries)
    rows = array("own", own)
    if rows.shape != (len(queries),) or rows.dtype.kind not in "iu":
        raise InputError(f"own: expected ({len(queries)},) integers, got {rows.dtype} {rows.shape}")
    if rows.min(initial=0) < -1 or rows.max(initial=-1) >= len(database):
        raise InputError(f"own: expected rows of the database, -1 to {len(database) - 1}")
    names = np.where(rows >= 0, database.names[rows], queries.names)
    return Scene("gcsa.rank", database, replace(queries, names=names))


def images(
    role: str,
    descriptors: ArrayLike,
    positions: ArrayLike | None = None,
    headings: ArrayLike | None = None,
    heard: ArrayLike | Radio | None = None,
    accuracy: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> ImageSet:
    """The images of a role, "query" or "database", numbered; shapes as in :func:`gcsa.rank`."""
    prefix = "" if role == "database" else f"{role}_"
    rows = array(f"{role}_descriptors", descriptors)
    if rows.ndim != 2 or rows.dtype.kind != "f":
        raise InputError(
            f"{role}_descriptors: expected floats (n, D), got {rows.dtype} {rows.shape}"
        )
    kept = rows if rows.dtype in (np.float16, np.float32) else rows.astype(np.float32)
    if heard is not None and not isinstance(heard, Radio):
        heard = from_rssi(floats(f"{prefix}radio", heard))
    if heard is not None and len(heard) != len(rows):
        raise InputError(f"{prefix}radio: {len(heard)} rows for {len(rows)} images")
    return ImageSet(
        np.char.add(f"{role} ", np.arange(len(rows)).astype(str)),
        np.ascontiguousarray(kept),
        None if positions is None else floats(f"{prefix}positions", positions),
        None if headings is None else floats(f"{prefix}headings", headings),
        heard,
        None if accuracy is None else floats(f"{prefix}accuracy", accuracy),
        sequences=None if groups is None else whole("groups", groups),
    )


def excluded(scene: Scene, exclude: ArrayLike) -> np.ndarray:
    """(Q, n) bool: which images are no candidates of a query."""
    found, shape = array("exclude", exclude), (len(scene.queries), len(scene.database))
    if found.shape != shape or found.dtype != bool:
        raise InputError(f"exclude: expected bool {shape}, got {found.dtype} {found.shape}")
    return found


def whole(name: str, values: ArrayLike) -> np.ndarray:
    """An array of integers, int64."""
    found = array(name, values)
    if found.dtype.kind not in "iu":
        raise InputError(f"{name}: expected integers, got {found.dtype}")
    return found.astype(np.int64)


def cameras(
    place: str, positions: ArrayLike | None, facing: str, headings: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n, 2) and headings (n,) float64; place, facing: what the arguments are called."""
    if positions is None or headings is None:
        raise InputError(f"{place}, {facing}: expected both, or none")
    xy, along = floats(place, positions), floats(facing, headings)
    if xy.ndim != 2 or xy.shape[1] not in (2, 3) or along.shape != (len(xy),):
        raise InputError(
            f"{place}, {facing}: expected (n, 2) and (n,), got {xy.shape} and {along.shape}"
        )
    check_range(xy, EARTH, "metres", place)
    check_range(along, MOST_TURNED, "radians", facing)
    return xy[:, :2], along


def floats(name: str, values: Any) -> np.ndarray:
    """An array in float64."""
    found = array(name, values)
    if found.dtype.kind not in "fiub":
        raise InputError(f"{name}: expected numbers, got {found.dtype}")
    return found.astype(np.float64)


def array(name: str, values: Any) -> np.ndarray:
    """NumPy's view of an array, of torch's too, on whatever device; name: the argument's."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    try:
        return np.asarray(values)
    except ValueError as error:
        raise InputError(f"{name}: not an array of numbers ({error})") from error
