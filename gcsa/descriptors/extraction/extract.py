"""Photos to a descriptor file: what is there is passed over, and what comes is kept at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from gcsa import distributed
from gcsa.descriptors.extraction.decoding import (
    Broken,
    Decoded,
    Photo,
    batches,
    decoded,
    stacked,
)
from gcsa.descriptors.extraction.journal import Journal
from gcsa.descriptors.extraction.recipes import Recipe
from gcsa.descriptors.extraction.stores import Described, Store, check_names
from gcsa.distributed.work import claims
from gcsa.errors import InputError

logger = logging.getLogger(__name__)

PRECISIONS = {"float32": None, "float16": torch.float16, "bfloat16": torch.bfloat16}
Finish = Callable[[np.ndarray], np.ndarray]
AT_A_TIME = 4  # batches that a process takes before it asks for more
SHOWN = 5  # broken photos that a message names


@dataclass(frozen=True)
class Effort:
    """How the work is done; of the results it changes the last digits at most.

    batch_size: photos of equal size that the network sees at once. workers: threads that decode.
    precision: of the network's sums, of PRECISIONS; half ones are for GPUs.
    """

    batch_size: int = 8
    workers: int = 2
    precision: str = "float32"
    compiled: bool = False

    @property
    def ahead(self) -> int:
        """Photos that are decoded and wait: these bound the memory."""
        return 2 * self.batch_size + self.workers


def describe(
    photos: Sequence[Photo],
    recipe: Recipe,
    store: Store,
    effort: Effort,
    device: torch.device,
    skip_broken: bool = False,
) -> list[Broken]:
    """Describe the photos that ``store`` lacks, into the journal beside it; returns the broken.

    Several processes take some photos at a time, whoever has done its own the next. Raises
    InputError, which names the photos, where some are broken and that is not ``skip_broken``; what
    was made stays for the next try.
    """
    check_names([photo.name for photo in photos])
    made = distributed.from_first(lambda: _made(recipe, store))
    todo = [photo for photo in photos if photo.name not in made]
    if made:
        known = len(photos) - len(todo)
        logger.info("%s: %d of %d photos are there already", store.path, known, len(photos))
    step = AT_A_TIME * effort.batch_size
    own = chain.from_iterable(
        todo[step * part : step * (part + 1)] for part in claims(-(-len(todo) // step))
    )
    with _journal(recipe, store) as journal:  # the first opens it first and closes it last
        distributed.barrier()
        parts = distributed.of_all(
            lambda: _describe(own, len(todo), recipe, journal, effort, device)
        )
    broken = [photo for part in parts for photo in part]
    _check_all_there(todo, broken, recipe, store)
    if broken and not skip_broken:
        raise InputError(_broken_text(broken, store.path))
    return broken


def _made(recipe: Recipe, store: Store) -> set[str]:
    """The images that are there already, of which some may be in the journal alone."""
    with _journal(recipe, store) as journal:
        return {*store.names(), *journal.rows()}


def _check_all_there(
    todo: Sequence[Photo], broken: Sequence[Broken], recipe: Recipe, store: Store
) -> None:
    """InputError where the first process does not find what the others described."""
    if distributed.size() == 1:
        return

    def lacking() -> int:
        there = {*_made(recipe, store), *(photo.name for photo in broken)}
        return sum(photo.name not in there for photo in todo)

    if lost := distributed.from_first(lacking):
        raise InputError(
            f"{store.path}: what other processes made of {lost} photos is not beside it; expected "
            "a folder on a disk that all machines share (docs/scale.md)"
        )


def sample(photos: Sequence[Photo], recipe: Recipe, store: Store, most: int) -> np.ndarray:
    """Descriptors (n, length) float32 of at most ``most`` photos in the journal, evenly spread."""
    with _journal(recipe, store) as journal:
        found = journal.rows()
        rows = [found[photo.name] for photo in photos if photo.name in found]
        step = max(1, -(-len(rows) // most))
        made = [journal.read(row) for row in rows[::step]]
    return np.array(made, dtype=np.float32).reshape(len(made), recipe.length)


def write(
    photos: Sequence[Photo], recipe: Recipe, store: Store, finish: Finish | None = None
) -> int:
    """Write what is in the journal into ``store``, in the order of the photos; the first process
    does. Returns the number of images that are in it then.

    finish: a descriptor (length,) float32 -> as it is kept; None as it is.
    """
    if distributed.rank() > 0:
        distributed.barrier()
        return len(store.names())
    with _journal(recipe, store) as journal:
        known, found = set(store.names()), journal.rows()
        new = [p.name for p in photos if p.name in found and p.name not in known]
        if not new and not known:
            raise InputError(f"{store.path}: no photo was described")
        dtype = np.dtype(store.about["dtype"])

        def rows() -> Iterator[Described]:
            for name in new:
                made = journal.read(found[name])
                kept = made if finish is None else finish(made)
                yield Described(name, kept.astype(dtype), found[name].image_size)

        if new:
            store.write(rows, len(new))
        journal.remove()
    distributed.barrier()
    return len(known) + len(new)


def _journal(recipe: Recipe, store: Store) -> Journal:
    first = distributed.rank() == 0
    return Journal(store.path, recipe.about, recipe.length, "float32", first)


def _describe(
    photos: Iterable[Photo],
    total: int,
    recipe: Recipe,
    journal: Journal,
    effort: Effort,
    device: torch.device,
) -> list[Broken]:
    """Descriptors of ``photos`` into the journal; those that are broken.

    total: of all processes together; a bar shows what this one did of it.
    """
    broken: list[Broken] = []
    describe = torch.compile(recipe.describe) if effort.compiled else recipe.describe
    quiet = distributed.rank() > 0 or None  # None: if there is no terminal
    bar = tqdm(total=total, desc="describing", unit="image", leave=False, disable=quiet)

    def whole() -> Iterator[Decoded]:
        for photo in decoded(photos, recipe.decode, effort.workers, effort.ahead):
            if isinstance(photo, Broken):
                broken.append(photo)
                bar.update()
            else:
                yield photo

    with bar, torch.inference_mode(), exact(device), _autocast(effort.precision, device):
        for batch in batches(whole(), effort.batch_size, effort.ahead):
            pixels = stacked(batch, pinned=device.type == "cuda")
            rows = describe(pixels.to(device, non_blocking=True)).float().cpu().numpy()
            for photo, row in zip(batch, rows, strict=True):
                journal.append(photo.name, photo.image_size, row)
            bar.update(len(batch))
    journal.settle()
    return broken


@contextmanager
def exact(device: torch.device) -> Iterator[None]:
    """Sums of float32 in float32 on a GPU, too, where torch would round convolutions to 10 bits."""
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _autocast(precision: str, device: torch.device) -> Any:
    half = PRECISIONS[precision]
    return nullcontext() if half is None else torch.autocast(device.type, half)


def _broken_text(broken: Sequence[Broken], path: Path) -> str:
    shown = "; ".join(b.why for b in broken[:SHOWN])
    more = f"; and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
    return (
        f"{len(broken)} photos cannot be described: {shown}{more}. The others are kept for the "
        f"next try; --skip_broken writes {path} without these"
    )
