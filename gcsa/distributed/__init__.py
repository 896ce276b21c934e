"""Several processes that do one piece of work: who does what, and who writes.

``torchrun --nproc_per_node=N -m gcsa.train ...`` starts N processes, one a GPU, or on the CPU with
gloo; with ``--nnodes`` on several machines. Each reads all scenes; batches of a training are shared
evenly, all other work piece by piece as each has time (:mod:`gcsa.distributed.work`). Only the
first of them speaks and writes files: what the others write in the usual way is thrown away.
Without torchrun there is one process, which does everything. Where one is lost the others end: at
once where it died, after ``train.timeout`` where it stopped.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from datetime import timedelta
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch._C._distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from gcsa import files
from gcsa.distributed.session import session
from gcsa.errors import InputError, LostProcessError

T = TypeVar("T")
_alone = False


def rank() -> int:
    """Number of this process, 0 for the one that writes."""
    return dist.get_rank() if dist.is_initialized() and not _alone else 0


def size() -> int:
    """How many processes there are that work together on what is being done."""
    return dist.get_world_size() if dist.is_initialized() and not _alone else 1


@contextmanager
def alone() -> Iterator[None]:
    """What is done within is this process's alone: it shares it with no other, and waits for none.

    It still writes nothing that others see, unless it is the first.
    """
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


# How the libraries below torch say that another process is gone; they have no type of their own.
LOST = re.compile(
    r"Timed out|Connection (closed|reset)|Broken pipe|Socket Timeout|wait timeout|"
    r"Watchdog caught|NCCL (error|communicator was aborted)|failed to recv|Gloo .*fail",
    re.IGNORECASE,
)


@contextmanager
def processes(timeout: float, remedy: str) -> Iterator[None]:
    """Join the other processes of torchrun, where it started this one.

    timeout: minutes that one waits for another. LostProcessError where that is exceeded, and where
    another has died; remedy: what to do then.
    """
    if "WORLD_SIZE" not in os.environ or dist.is_initialized():
        yield
        return
    try:
        with ExitStack() as silenced:
            _join(timedelta(minutes=timeout))
            if rank() > 0:
                _silence(silenced)
            yield
    except RuntimeError as error:
        if not LOST.search(str(error)):
            raise
        message = (
            f"another process of this run died, or did not answer for {timeout:g} minutes{remedy}"
        )
        raise LostProcessError(message, _first_to_tell()) from error
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _join(timeout: timedelta) -> None:
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend = "cpu:gloo,cuda:nccl"
    store, rank, size = next(rendezvous("env://", timeout=timeout))
    store.set_timeout(timeout)
    own = PrefixStore(f"gcsa/{session(store, rank, size, timeout)}", store)
    dist.init_process_group(backend, store=own, rank=rank, world_size=size, timeout=timeout)


def _silence(stack: ExitStack) -> None:
    """Let a process that is not the first speak no more, and throw away what it writes."""
    logging.disable(logging.WARNING)
    stack.callback(logging.disable, logging.NOTSET)
    stack.enter_context(redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
    files.discard_writes(True)
    stack.callback(files.discard_writes, False)


def _first_to_tell() -> bool:
    """Whether no other process has asked this before: one of those that are left tells the user."""
    try:
        return counted("gcsa/told") == 1
    except (RuntimeError, ValueError):  # no store, or it went down with the process that is lost
        return True


def counted(key: str) -> int:
    """Count a key on by one, for all processes together; the count after that."""
    return int(dist.distributed_c10d._get_default_store().add(key, 1))


@contextmanager
def first_alone() -> Iterator[None]:
    """The first process goes through the block, then the others: it makes what they find."""
    if rank() > 0:
        dist.barrier()
    try:
        yield
    finally:
        if rank() == 0 and size() > 1:
            dist.barrier()


def share(count: int) -> slice:
    """This process's part of ``count`` things in a row; the parts differ by one at most."""
    bounds = [count * r // size() for r in range(size() + 1)]
    return slice(bounds[rank()], bounds[rank() + 1])


def sum_of(value: torch.Tensor) -> torch.Tensor:
    """The sum of a tensor over all processes."""
    if size() > 1:
        dist.all_reduce(value)
    return value


def gathered(part: np.ndarray) -> np.ndarray:
    """The parts (m_r, ...) of all processes, one after another, in every process."""
    return part if size() == 1 else np.concatenate(everyone(part))


def barrier() -> None:
    """Wait for all processes."""
    if size() > 1:
        dist.barrier()


def everyone(own: T) -> list[T]:
    """What each process has, by its number, in every process."""
    if size() == 1:
        return [own]
    found: list = [None] * size()
    dist.all_gather_object(found, own)
    return found


def of_all(make: Callable[[], T]) -> list[T]:
    """What ``make`` returns in each process, in every process.

    An InputError of one of them is raised in all, so that the first says it.
    """
    if size() == 1:
        return [make()]
    found: tuple[list[T], InputError | None]
    try:
        found = [make()], None
    except InputError as error:
        found = [], error
    parts = everyone(found)
    for _, wrong in parts:
        if wrong is not None:
            raise wrong
    return [part for made, _ in parts for part in made]


def from_first(make: Callable[[], T]) -> T:
    """What ``make`` returns in the first process, in every process; the others wait for it."""
    return of_all(lambda: make() if rank() == 0 else None)[0]  # type: ignore[return-value]
