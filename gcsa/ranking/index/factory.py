"""Indexes of faiss: made by name, trained, written in parts, read as they lie on disk.

An index of inverted lists (IVF) is kept as what was trained, once, and the lists of each part of
the images: faiss maps these into memory as they are, and reads what a query asks for. (Merging
them into one OnDiskInvertedLists would save nothing but the loop over parts.) Any other index is
kept whole for each part; its large arrays are mapped where faiss knows how.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from gcsa.errors import InputError
from gcsa.files import reading, replacing

# Lists of an IVF index that are looked through where no parameter says otherwise.
LISTS = 64
EXPECTED = "an index of faiss"


def faiss() -> ModuleType:
    """The package, as many threads as torch has; InputError where it is not installed."""
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it tells which build it loads
    try:
        found = importlib.import_module("faiss")
    except ImportError as error:
        raise InputError("data.search: faiss is not installed (pip install gcsa[faiss])") from error
    found.omp_set_num_threads(torch.get_num_threads())
    return found


@contextmanager
def _told(name: str, what: str) -> Iterator[None]:
    """faiss's complaint as one line that names the setting."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).rpartition("Error: ")[2].splitlines()[0]
        raise InputError(f"data.search: {what} '{name}': {reason}") from error


def trained(name: str, rows: np.ndarray) -> Any:
    """An index of inner products by faiss's ``name``, trained on ``rows`` (m, D) float32, empty."""
    with _told(name, "faiss makes no index"):
        index = faiss().index_factory(rows.shape[1], name, faiss().METRIC_INNER_PRODUCT)
    lists = inverted(index)
    for coded in (index, faiss().try_extract_index_ivf(index)):
        if hasattr(coded, "do_polysemous_training"):
            coded.do_polysemous_training = False  # minutes for a filter that nobody asks for
    if lists is not None:
        # All of the sample is used, and a small one is not complained of: it was asked for.
        lists.cp.max_points_per_centroid = max(1, -(-len(rows) // lists.nlist))
        lists.cp.min_points_per_centroid = 1
    with _told(name, f"{len(rows)} images do not train the index"):
        index.train(rows)
    return index


def inverted(index: Any) -> Any | None:
    """The inverted lists' part of an index, behind what turns vectors first; None without."""
    package = faiss()
    inner = index
    if isinstance(index, package.IndexPreTransform):
        inner = package.downcast_index(index.index)
    whole = isinstance(inner, package.IndexIVF) and not isinstance(inner, package.IndexIVFPQR)
    return inner if whole else None


def turned(index: Any, vectors: np.ndarray) -> np.ndarray:
    """Vectors (n, D) float32 as the inverted lists have them (OPQ, PCA)."""
    package = faiss()
    if isinstance(index, package.IndexPreTransform):
        for i in range(index.chain.size()):
            vectors = package.downcast_VectorTransform(index.chain.at(i)).apply(vectors)
    return vectors


def set_parameters(index: Any, text: str) -> None:
    """Set how an index is searched, in faiss's words; the defaults of this module without."""
    lists = inverted(index)
    if lists is not None:
        lists.nprobe = min(LISTS, lists.nlist)
    if text:
        try:
            faiss().ParameterSpace().set_index_parameters(index, text)
        except (RuntimeError, ValueError) as error:
            reason = str(error).rpartition("Error: ")[2].splitlines()[0]
            raise InputError(f"data.index_parameters: '{text}': {reason}") from error


def write(index: Any, path: Path) -> None:
    """Write a whole index, all or nothing."""
    with replacing(path) as temporary:
        faiss().write_index(index, str(temporary))


def read(path: Path, mapped: bool = False) -> Any:
    """A whole index; mapped: its arrays stay on disk where faiss knows how."""
    with reading(path, EXPECTED):
        flag = faiss().IO_FLAG_MMAP_IFC if mapped else 0
        return faiss().read_index(str(path), flag)


def write_part(index: Any, path: Path) -> None:
    """Write what was added to an index: its lists, or where it has none all of it."""
    lists = inverted(index)
    if lists is None:
        write(index, path)
        return
    with replacing(path) as temporary:
        file = faiss().FileIOWriter(str(temporary))
        faiss().write_InvertedLists(lists.invlists, file)
        del file  # closes it


def read_part(path: Path, has_lists: bool) -> Any:
    """What :func:`write_part` wrote: lists, or an index; on disk where faiss can leave it there."""
    if not has_lists:
        return read(path, mapped=True)
    with reading(path, EXPECTED):
        return faiss().read_InvertedLists(faiss().FileIOReader(str(path)), faiss().IO_FLAG_MMAP)
