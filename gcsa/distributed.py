"""Several processes that train one model: who does what, and who writes.

``torchrun --nproc_per_node=N -m gcsa.train ...`` starts N processes, one a GPU, or on the CPU with
gloo. Each reads all scenes, takes its share of every batch and of every evaluation, and only the
first of them writes files and speaks. Without torchrun there is one process, which does everything.
Where one is lost the others end: at once where it died, after ``train.timeout`` where it stopped.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist

from gcsa.errors import LostProcessError

T = TypeVar("T")


def rank() -> int:
    """Number of this process, 0 for the one that writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


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
        _join(timedelta(minutes=timeout))
        yield
    except RuntimeError as error:
        if not LOST.search(str(error)):
            raise
        message = (
            f"another process of this run died, or did not answer for {timeout:g} minutes{remedy}"
        )
        raise LostProcessError(message, _first_to_tell()) from error
    finally:
        logging.disable(logging.NOTSET)
        if dist.is_initialized():
            dist.destroy_process_group()


def _join(timeout: timedelta) -> None:
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group("cpu:gloo,cuda:nccl", timeout=timeout)
    else:
        dist.init_process_group("gloo", timeout=timeout)
    if rank() > 0:
        logging.disable(logging.WARNING)


def _first_to_tell() -> bool:
    """Whether no other process has asked this before: one of those that are left tells the user."""
    try:
        return dist.distributed_c10d._get_default_store().add("gcsa/told", 1) == 1
    except (RuntimeError, ValueError):  # no store, or it went down with the process that is lost
        return True


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
