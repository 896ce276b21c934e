"""Work in pieces, each done by one process: whoever has done one takes the next that is left.

Pieces are cut by what there is to do, never by how many processes there are: one process computes
the same products of the same shapes as many do. Which process does a piece is decided when it is
begun, by counting on in the store that the processes share. Each begins within a block of its own,
neighbouring pieces, and helps with the others' once that is done: a slow or late process does less.

Within :func:`keeping` each piece's result is kept as a file as soon as it is there. Where a process
is lost, the same command, started again, reads these and does what is left.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count as counting
from pathlib import Path

import numpy as np

from gcsa import __version__, distributed
from gcsa.distributed.marks import mark
from gcsa.errors import InputError
from gcsa.files import make_folder, reading, replacing

logger = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]
REMEDY = "; start the same command again, and it goes on from the pieces that are done"
# Of a list of queries: pieces at most, and queries of one at least and at most.
PIECES, LEAST, MOST = 64, 8, 1024
# Seconds until a file system on a network has shown a new file to all machines, and looks at it.
SHOWN, LOOKS = 10.0, 20
_calls = counting()


@dataclass
class _Keeping:
    """Where pieces are kept, and the files of this run."""

    folder: Path
    used: set[Path] = field(default_factory=set)


_keeping: _Keeping | None = None


@contextmanager
def program(timeout: float, outputs: str) -> Iterator[None]:
    """Run a program's work as one of torchrun's processes, where it started this one.

    timeout: minutes that one waits for another (``train.timeout``). outputs: the folder, on a disk
    that all machines share, in whose ``parts/`` pieces are kept until the program has ended.
    """
    with distributed.processes(timeout, REMEDY):
        if distributed.size() == 1:
            yield
            return
        with keeping(Path(outputs) / "parts"):
            yield


@contextmanager
def keeping(folder: Path) -> Iterator[None]:
    """Keep what pieces give as files in ``folder``; they are removed once all has gone well."""
    global _keeping
    check_shared(folder)
    before, kept = _keeping, _Keeping(folder)
    _keeping = kept
    try:
        yield
        distributed.barrier()  # nobody reads them any more
        for path in kept.used:
            path.unlink(missing_ok=True)
        distributed.barrier()
        with suppress(OSError):  # another program's pieces are there
            folder.rmdir()
    finally:
        _keeping = before


def check_shared(folder: Path) -> None:
    """InputError where a process does not see the files that another one writes to ``folder``."""
    name = distributed.from_first(lambda: _leave_token(folder))
    seen = distributed.everyone((socket.gethostname(), _appears(folder / name)))
    if distributed.rank() == 0:
        (folder / name).unlink(missing_ok=True)
    apart = [host for host, there in seen if not there]
    if apart:
        raise InputError(
            f"{folder}: machine {apart[0]} does not see what the first process writes there; "
            "expected a folder on a disk that all machines share (docs/scale.md)"
        )


def _leave_token(folder: Path) -> str:
    make_folder(folder)
    name = f"shared.{socket.gethostname()}.{os.getpid()}"
    with replacing(folder / name) as temporary:
        temporary.touch()
    return name


def _appears(path: Path) -> bool:
    for _ in range(LOOKS):
        if path.exists():
            return True
        time.sleep(SHOWN / LOOKS)
    return False


def claims(count: int) -> Iterator[int]:
    """The numbers below ``count`` that this process is to do; all processes together get each once.

    To be begun by all processes, and in the same order where there are several.
    """
    if (size := distributed.size()) == 1:
        yield from range(count)
        return
    call, bounds = next(_calls), [count * r // size for r in range(size + 1)]
    for step in range(size):
        owner = (distributed.rank() + step) % size
        first, end = bounds[owner], bounds[owner + 1]
        while (number := first + distributed.counted(f"gcsa/{call}/{owner}") - 1) < end:
            yield number


def own_pieces(
    count: int, work: Callable[[int], Arrays], about: Callable[[], object]
) -> Iterator[tuple[int, Arrays]]:
    """Numbers and results of the pieces below ``count`` that fall to this process.

    about: all that the results follow from, in any types that :func:`gcsa.distributed.marks.mark`
    takes; asked where pieces are kept, which are known by it.
    """
    keeping = None if distributed.size() == 1 else _keeping
    known = ""
    if keeping is not None:
        known = distributed.from_first(lambda: mark(__version__, count, about()))
    for number in claims(count):
        if keeping is None:
            with distributed.alone():
                found = work(number)
        else:
            path = keeping.folder / f"{known}.{number}.npz"
            found = _kept(path, lambda n=number: work(n))  # type: ignore[misc]
            keeping.used.add(path)
        yield number, found


def _kept(path: Path, make: Callable[[], Arrays]) -> Arrays:
    """The result in a file, made and kept there where it lacks or is not whole."""
    with suppress(InputError), reading(path, "a piece"), np.load(path) as file:
        return {name: file[name] for name in file.files}
    with distributed.alone():
        made = make()
    with replacing(path, durable=False, own=True) as temporary, open(temporary, "wb") as file:
        np.savez(file, **made)  # type: ignore[arg-type]
    return made


def each(count: int, work: Callable[[int], Arrays], about: Callable[[], object]) -> list[Arrays]:
    """The results of the pieces 0 to ``count`` - 1 in every process; see :func:`own_pieces`."""
    parts = distributed.of_all(lambda: dict(own_pieces(count, work, about)))
    made = {number: found for part in parts for number, found in part.items()}
    return [made[number] for number in range(count)]


def divided(
    pieces: Sequence[np.ndarray],
    work: Callable[[np.ndarray], Arrays],
    about: Callable[[], object],
) -> Arrays:
    """The arrays that ``work`` gives for rows (m,), for all rows of all pieces, in their order.

    pieces: rows, each in one of them, all from 0 on. work: arrays of m rows each.
    """
    found = each(len(pieces), lambda number: work(pieces[number]), about)
    order = np.argsort(np.concatenate(pieces), kind="stable")
    return {name: np.concatenate([part[name] for part in found])[order] for name in found[0]}


def pieces_of(count: int, multiple: int = 1) -> list[np.ndarray]:
    """The rows 0 to ``count`` - 1 cut into pieces; their sizes are multiples, but of the last."""
    size = min(max(-(-count // PIECES), LEAST), MOST)
    size = -(-size // multiple) * multiple
    return [np.arange(start, min(start + size, count)) for start in range(0, max(1, count), size)]


def pieces_of_groups(groups: np.ndarray) -> list[np.ndarray]:
    """Rows cut into pieces that keep groups (n,) together; -1 is in none."""
    own = np.where(groups >= 0, groups, groups.max(initial=0) + 1 + np.arange(len(groups)))
    order = np.argsort(own, kind="stable")
    size = len(pieces_of(len(groups))[0])
    starts = np.flatnonzero(np.diff(own[order], prepend=-1))
    cuts = [0]
    for start in starts.tolist():
        if start - cuts[-1] >= size:
            cuts.append(start)
    return [np.sort(part) for part in np.split(order, cuts[1:])]
