"""Photos to a descriptor file: what is there is passed over, and what comes is kept at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
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
from gcsa.errors import InputError

logger = logging.getLogger(__name__)

PRECISIONS = {"float32": None, "float16": torch.float16, "bfloat16": torch.bfloat16}
Finish = Callable[[np.ndarray], np.ndarray]
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

    Of several processes each takes a share. Raises InputError, which names the photos, where some
    are broken and that is not ``skip_broken``; what was made stays for the next try.
    """
    check_names([photo.name for photo in photos])
    with _journal(recipe, store) as journal:
        made = {*store.names(), *journal.rows()}
        distributed.barrier()  # nobody has begun to write yet
        todo = [photo for photo in photos if photo.name not in made]
        if made:
            known = len(photos) - len(todo)
            logger.info("%s: %d of %d photos are there already", store.path, known, len(photos))
        own = todo[distributed.rank() :: distributed.size()]
        parts = distributed.everyone(_describe(own, recipe, journal, effort, device))
    broken = [photo for part in parts for photo in part]
    if broken and not skip_broken:
        raise InputError(_broken_text(broken, store.path))
    return broken


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
    photos: Sequence[Photo],
    recipe: Recipe,
    journal: Journal,
    effort: Effort,
    device: torch.device,
) -> list[Broken]:
    """Descriptors of ``photos`` into the journal; those that are broken."""
    broken: list[Broken] = []
    describe = torch.compile(recipe.describe) if effort.compiled else recipe.describe
    bar = tqdm(total=len(photos), desc="describing", unit="image", leave=False, disable=None)

    def whole() -> Iterator[Decoded]:
        for photo in decoded(photos, recipe.decode, effort.workers, effort.ahead):
            if isinstance(photo, Broken):
                broken.append(photo)
                bar.update()
            else:
                yield photo

    with bar, torch.inference_mode(), _autocast(effort.precision, device):
        for batch in batches(whole(), effort.batch_size, effort.ahead):
            pixels = stacked(batch, pinned=device.type == "cuda")
            rows = describe(pixels.to(device, non_blocking=True)).float().cpu().numpy()
            for photo, row in zip(batch, rows, strict=True):
                journal.append(photo.name, photo.image_size, row)
            bar.update(len(batch))
    return broken


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
