"""What an index on disk is of: how it was made, of which descriptors, and which parts it has.

A part holds some images in some order. Each image has a key, a hash of its name and descriptor, so
that parts outlive a database that has grown: what is known by its key is found again wherever it
stands now. The keys of a part, and those of all parts before it, make its chain: a part of another
making does not fit. A part counts once the manifest lists it, and that is written last.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gcsa.errors import InputError
from gcsa.files import read_text, reading, replacing, write_text

FILE = "index.json"
TRAINED = "trained.faiss"
# Rows that are hashed at once.
CHUNK = 8192


@dataclass(frozen=True)
class Part:
    """Some images of an index. name: of its files, its chain; size: bytes of what faiss wrote."""

    name: str
    images: int
    size: int


@dataclass(frozen=True)
class Manifest:
    """made: what faiss trained, and how. database: a hash of the rows that the parts' images were
    last found in; "" where nobody knows.
    """

    made: dict[str, Any]
    database: str
    parts: tuple[Part, ...] = ()

    def with_part(self, part: Part) -> Manifest:
        return replace(self, parts=(*self.parts, part))


def read(folder: Path) -> Manifest | None:
    """The manifest of an index, None where there is none or it is not whole."""
    path = folder / FILE
    with suppress(InputError), reading(path, "what an index is of"):
        found = json.loads(read_text(path))
        parts = tuple(Part(**part) for part in found["parts"])
        return Manifest(dict(found["made"]), str(found["database"]), parts)
    return None


def write(folder: Path, manifest: Manifest) -> None:
    """Write it, and remove the files of parts that it does not list."""
    write_text(folder / FILE, json.dumps(asdict(manifest), indent=1))
    kept = {FILE, TRAINED}
    for part in manifest.parts:
        kept |= {p.name for p in paths(folder, part, manifest.database)}
    for path in folder.iterdir():
        if path.suffix in (".faiss", ".npy") and path.name not in kept:
            path.unlink(missing_ok=True)


def paths(folder: Path, part: Part, database: str) -> tuple[Path, Path, Path]:
    """Of a part: what faiss wrote; the keys of its images; the database rows that these are."""
    names = (f"{part.name}.faiss", f"{part.name}.keys.npy", f"{part.name}-{database[:16]}.rows.npy")
    first, keys, rows = (folder / name for name in names)
    return first, keys, rows


def chained(before: str, keys: np.ndarray) -> str:
    """The chain of a part by the one before it and its keys (n,) uint64."""
    return hashlib.blake2b(before.encode() + keys.tobytes(), digest_size=16).hexdigest()


def keys_of(names: np.ndarray, descriptors: np.ndarray) -> np.ndarray:
    """The keys (n,) uint64 of images, by names (n,) and descriptors (n, D) float16."""
    found = []
    for name, row in zip(names.tolist(), np.ascontiguousarray(descriptors), strict=True):
        digest = hashlib.blake2b(name.encode() + b"\0", digest_size=8)
        digest.update(row)
        found.append(digest.digest())
    return np.frombuffer(b"".join(found), "<u8")


def all_keys(names: np.ndarray, descriptors: Any) -> np.ndarray:
    """The keys of all images of a database, whose descriptors are read once."""
    starts = range(0, len(names), CHUNK)
    return np.concatenate(
        [keys_of(names[i : i + CHUNK], descriptors[i : i + CHUNK]) for i in starts]
    )


def save(path: Path, array: np.ndarray) -> None:
    """Write an array, all or nothing."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.save(file, array)


def load(path: Path, kind: np.dtype, images: int) -> np.ndarray | None:
    """An array (images,) of a type, mapped; None where it is no such."""
    with suppress(InputError), reading(path, f"an array ({images},)"):
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        if found.shape == (images,) and found.dtype == kind:
            return found
    return None


def is_whole(folder: Path, part: Part) -> bool:
    """Whether what faiss wrote of a part has its size."""
    path = paths(folder, part, "")[0]
    return path.is_file() and path.stat().st_size == part.size
