"""What a piece of work costs: wall-clock time, and memory at its highest.

On the CPU memory is what the process holds (its resident set) at the highest moment above what it
held before: the kernel keeps that mark, and Linux lets a process set it back. What earlier work
has freed goes back to the system first, or later work would be served from it unseen. On a GPU it
is what torch has allocated there. Elsewhere memory is not known.
"""

from __future__ import annotations

import ctypes
import gc
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from gcsa.descriptors.hdf5 import RESIDENT

Result = TypeVar("Result")
STATUS, MARKS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# What sets the mark of the highest resident set back, written to MARKS; see proc(5).
SET_BACK = "5"


@dataclass(frozen=True)
class Cost:
    """seconds: wall clock. memory: bytes at the highest moment, above those before; None: unknown.

    Memory covers the warm-up too.
    """

    seconds: float
    memory: int | None


def measure(
    work: Callable[[], Result], warm_up: Callable[[], object], device: torch.device
) -> tuple[Result, Cost]:
    """Do some work after a warm-up, which is not timed; what comes of it, and its cost.

    Pages of mapped descriptor files are dropped before, so that those it reads are in its memory.
    """
    _release()
    before = _set_back(device)
    warm_up()
    start = time.perf_counter()
    result = work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds = time.perf_counter() - start
    return result, Cost(seconds, None if before is None else _highest(device) - before)


def _release() -> None:
    """Give what is free back to the system: garbage, the heap's free pages, mapped files."""
    gc.collect()
    RESIDENT.drop()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):  # glibc alone has it
        pass


def _set_back(device: torch.device) -> int | None:
    """Start a new highest moment; bytes held now, None where that cannot be known."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    try:
        MARKS.write_text(SET_BACK)
    except OSError:
        return None
    return _highest(device)


def _highest(device: torch.device) -> int:
    """Bytes held at the highest moment."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", STATUS.read_text())
    return 1024 * int(kilobytes)
