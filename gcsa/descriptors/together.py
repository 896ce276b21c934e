"""Descriptors packed by several processes: each packs some of the images, the first joins them.

A part is a pack of its own beside the pack that becomes of it, and knows the hash of the file that
it is of: what a lost process has written is not packed again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from gcsa import distributed
from gcsa.descriptors import packfile
from gcsa.descriptors.hdf5 import unpacked
from gcsa.descriptors.lengths import Normalised
from gcsa.descriptors.packing import PACK_CHUNK, Record, Unpacked, opened, pack_record, read_record
from gcsa.distributed.work import claims
from gcsa.errors import InputError

SUFFIXES = (".h5", ".hdf5")
# A file is packed in so many parts about, of so many images at least and at most.
PARTS, LEAST, MOST = 64, 32, 1 << 16


def pack_together(source: Path) -> None:
    """Make the pack of an HDF5 file of descriptors, where there is none of it as it is now.

    To be called by all processes. One alone leaves that to who opens the pack.
    """
    if distributed.size() == 1 or source.suffix.lower() not in SUFFIXES:
        return
    digest = distributed.from_first(lambda: unpacked(source))
    if digest is None:
        return
    folder = source.with_suffix(".pack.parts")
    parts, lacking = distributed.of_all(lambda: _pack_parts(source, folder, digest))[0]
    distributed.from_first(lambda: _join(source, parts, digest, lacking))


def _pack_parts(source: Path, folder: Path, digest: str) -> tuple[list[Path], list[str]]:
    """Pack what falls to this process; all parts, and the images without a descriptor."""
    with opened(source) as found:
        size = min(max(-(-len(found.names) // PARTS), LEAST), MOST)
        cuts = [slice(start, start + size) for start in range(0, len(found.names), size)]
        parts = [folder / f"{digest[:32]}.{number}.npy" for number in range(len(cuts))]
        for number in claims(len(cuts)):
            if not _is_there(parts[number], digest, found, cuts[number]):
                found.write(parts[number], digest, cuts[number], own=True)
        return parts, found.lacking


def _is_there(path: Path, digest: str, found: Unpacked, cut: slice) -> bool:
    content = packfile.read(path)
    record = None if content is None else read_record(content.record)
    if content is None or record is None or record.content_hash != digest:
        return False
    return [name.decode() for name in content.names] == found.names[cut]


def _join(source: Path, parts: Sequence[Path], digest: str, lacking: Sequence[str]) -> None:
    """Write the pack of all parts, and remove these."""
    contents, records = [], []
    for path in parts:
        content = packfile.read(path)
        record = None if content is None else read_record(content.record)
        if content is None or record is None:
            raise InputError(
                f"{path}: not there, although another process wrote it; expected a folder on a "
                "disk that all machines share (docs/scale.md)"
            )
        contents.append(content)
        records.append(record)
    path = source.with_suffix(".pack.npy")
    with packfile.alone(path):
        packfile.write(
            path,
            (sum(len(c.array) for c in contents), contents[0].array.shape[1]),
            np.concatenate([c.names for c in contents]),
            _blocks(contents),
            lambda: pack_record(source.name, digest, _all_of(records), lacking),
        )
    with suppress(OSError):  # it is in nobody's way
        shutil.rmtree(parts[0].parent)


def _blocks(contents: Sequence[packfile.Content]) -> Iterator[np.ndarray]:
    for content in contents:
        for start in range(0, len(content.array), PACK_CHUNK):
            yield content.array[start : start + PACK_CHUNK]


def _all_of(records: Sequence[Record]) -> Normalised:
    """The rows of other lengths of all parts."""
    odd = [record.normalised for record in records if record.normalised.count]
    if not odd:
        return Normalised()
    return Normalised(sum(one.count for one in odd), odd[0].first, odd[0].length)
