"""Several processes that train one model: who does what, and who writes.

``torchrun --nproc_per_node=N -m gcsa.train ...`` starts N processes, one a GPU, or on the CPU with
gloo. Each reads all scenes, takes its share of every batch and of every evaluation, and only the
first of them writes files and speaks. Without torchrun there is one process, which does everything.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.distributed as dist


def rank() -> int:
    """Number of this process, 0 for the one that writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


@contextmanager
def processes() -> Iterator[None]:
    """Join the other processes of torchrun, where it started this one."""
    if "WORLD_SIZE" not in os.environ or dist.is_initialized():
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group("cpu:gloo,cuda:nccl")
    else:
        dist.init_process_group("gloo")
    if rank() > 0:
        logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        dist.destroy_process_group()


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
    if size() == 1:
        return part
    parts: list = [None] * size()
    dist.all_gather_object(parts, part)
    return np.concatenate(parts)
