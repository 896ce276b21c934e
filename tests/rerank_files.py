"""A little set of own files for the tests of the program that re-ranks them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from reranker_scenes import unit
from worlds import write_descriptors

from gcsa.config import as_dict, load_config
from gcsa.models.checkpoint import save_checkpoint
from gcsa.models.gcsa import GCSA
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.affinity import width

QUERIES, DATABASE, DIM = 6, 30, 12
NAMES = {
    "query": [f"query/{row:06d}" for row in range(QUERIES)],
    "database": [f"database/{row:06d}" for row in range(DATABASE)],
}


def half_rows(seed: int, count: int) -> np.ndarray:
    """Unit descriptors (count, 12) float16."""
    rows = unit(np.random.default_rng(seed), count, DIM).astype(np.float16)
    return rows


def scene(seed: int = 0, **database) -> Scene:
    """The images that the files of :func:`write_files` are of."""
    sets = {"query": half_rows(seed, QUERIES), "database": half_rows(seed + 1, DATABASE)}
    images = {role: ImageSet(np.array(NAMES[role]), descriptors=sets[role]) for role in sets}
    return Scene("images", images["database"], images["query"])


def write_files(folder: Path, seed: int = 0) -> Scene:
    """q.npy, d.npy, both.h5, similarities and distances as .npy, .npz and .pth."""
    made = scene(seed)
    rows = {"q": made.queries.descriptors, "d": made.database.descriptors}
    for name, array in rows.items():
        np.save(folder / f"{name}.npy", array)
    names = [*NAMES["query"], *NAMES["database"]]
    write_descriptors(folder / "both.h5", names, np.concatenate([rows["q"], rows["d"]]))
    exact = {name: array.astype(np.float64) for name, array in rows.items()}
    exact = {name: a / np.linalg.norm(a, axis=1, keepdims=True) for name, a in exact.items()}
    cosines = {"qg": exact["q"] @ exact["d"].T, "gg": exact["d"] @ exact["d"].T}
    distances = {k: np.sqrt(np.maximum(2 - 2 * c, 0)).astype("f4") for k, c in cosines.items()}
    for name, matrix in cosines.items():
        np.save(folder / f"{name}.npy", matrix.astype(np.float32))
    np.savez(folder / "distances.npz", **distances)
    torch.save({k: torch.from_numpy(d) for k, d in distances.items()}, folder / "distances.pth")
    return made


def write_checkpoint(path: Path, kinds: list[str], K: int = 20, L: int = 8) -> str:
    """A network of random weights that reads some kinds of side information; its path."""
    torch.manual_seed(0)
    columns = sum(width(kind, L) for kind in kinds)
    model = GCSA(DIM, DIM, 16, K, L, 1, 2, columns, 0.0, 0.0)
    save_checkpoint(path, model, kinds, {"config": as_dict(load_config())})
    return str(path)
