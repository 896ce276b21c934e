"""Photos decoded in threads, ahead of the network, and put into batches of equal sizes."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import torch
from torch import Tensor

from gcsa.errors import InputError
from gcsa.files.remote import Remote, StoreError


class Photo(NamedTuple):
    """An image to describe: its name in the output, its file (or an open one), and the part of it
    to describe.

    box: (left, upper, right, lower) in pixels; None for all of it.
    """

    name: str
    path: Path | Remote | BinaryIO
    box: tuple[int, int, int, int] | None = None


@dataclass(frozen=True, eq=False)
class Decoded:
    """A photo as the network takes it: pixels (3, h, w) float32, RGB, from 0 to 1.

    image_size: (width, height) of the photo itself, as it was read.
    """

    name: str
    pixels: Tensor
    image_size: tuple[int, int]


class Broken(NamedTuple):
    """A photo that cannot be described, and why: a line that names its file."""

    name: str
    why: str


def decoded(
    photos: Iterable[Photo], decode: Callable[[Photo], Decoded], workers: int, ahead: int
) -> Iterator[Decoded | Broken]:
    """The photos in their order, at most ``ahead`` of them decoded before they are asked for."""
    with ExitStack() as open_, ThreadPoolExecutor(workers, "decode") as pool:
        waiting: deque[tuple[Photo, Future]] = deque()
        # On an error or Ctrl-C nobody wants the others.
        open_.callback(lambda: [future.cancel() for _, future in waiting])
        open_.callback(pool.shutdown, wait=False, cancel_futures=True)
        for photo in photos:
            waiting.append((photo, pool.submit(decode, photo)))
            if len(waiting) >= ahead:
                yield _result(*waiting.popleft())
        while waiting:
            yield _result(*waiting.popleft())


def _result(photo: Photo, future: Future) -> Decoded | Broken:
    try:
        found: Decoded = future.result()
        return found
    except StoreError:  # what is described is kept, and the same command goes on
        raise
    except InputError as error:
        return Broken(photo.name, str(error))


def batches(photos: Iterable[Decoded], size: int, held: int) -> Iterator[list[Decoded]]:
    """Batches of at most ``size`` photos with as many pixels down and across.

    At most ``held`` photos wait for others of their size; then those of the commonest go first.
    """
    groups: dict[torch.Size, list[Decoded]] = defaultdict(list)
    waiting = 0
    for photo in photos:
        group = groups[photo.pixels.shape]
        group.append(photo)
        waiting += 1
        if len(group) < size and waiting >= held:
            group = max(groups.values(), key=len)
        if len(group) >= size or waiting >= held:
            yield groups.pop(group[0].pixels.shape)
            waiting -= len(group)
    yield from groups.values()


def stacked(batch: list[Decoded], pinned: bool) -> Tensor:
    """Pixels (B, 3, h, w) of a batch; pinned: in memory that a GPU copies from by itself."""
    pixels = torch.stack([photo.pixels for photo in batch])
    return pixels.pin_memory() if pinned else pixels
