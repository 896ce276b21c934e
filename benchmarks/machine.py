"""What the benchmarks share: the machine in words, two clocks, its peak, and Markdown tables.

Ratios are only worth something between figures of one run. Process CPU time of a single thread
hardly changes while other programs use the machine; wall time does, and is for what runs on
several threads or waits for a disk.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")  # x86, then ARM


def describe() -> str:
    """Cores, memory, what the CPU has for matrix products, GPUs, and versions; one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = [f"{os.cpu_count()} cores", f"{memory:.0f} GiB", *_features()]
    if torch.cuda.is_available():
        parts.append(f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}")
    return ", ".join([*parts, f"torch {torch.__version__}", f"NumPy {np.__version__}"])


def cpu_time(function: Callable[[], object], repeats: int = 5, warmup: int = 1) -> float:
    """Median CPU seconds of the whole process, all threads together, for one call."""
    return statistics.median(_seconds(function, time.process_time, repeats, warmup))


def wall_time(function: Callable[[], object], repeats: int = 5, warmup: int = 1) -> float:
    """Seconds of the fastest call, by the clock on the wall."""
    return min(_seconds(function, time.perf_counter, repeats, warmup))


def clock(device: torch.device | str, threads: int = 1) -> Callable[[], float]:
    """The clock for work on a device: CPU time of one thread, else the wall's, all work done."""
    if torch.device(device).type == "cpu":
        return time.process_time if threads == 1 else time.perf_counter

    def now() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return now


def time_on(
    device: torch.device | str, function: Callable[[], object], repeats: int = 5, threads: int = 1
) -> float:
    """Median seconds of a call by the clock of the device."""
    return statistics.median(_seconds(function, clock(device, threads), repeats, 1))


def peak_gflops(
    dtype: torch.dtype = torch.float32,
    size: int | None = None,
    threads: int = 1,
    device: torch.device | str = "cpu",
) -> float:
    """Measured rate of a product of two square matrices, in 1e9 operations a second.

    size: of the matrices; None: 2048 on a CPU, 8192 on a GPU. The number of torch's threads is
    restored.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    size = size or (2048 if torch.device(device).type == "cpu" else 8192)
    try:
        a, b = torch.randn(2, size, size, dtype=torch.float32).to(device, dtype)
        seconds = time_on(device, lambda: torch.mm(a, b), threads=threads)
    finally:
        torch.set_num_threads(before)
    return 2 * size**3 / seconds / 1e9


def table(rows: Iterable[Sequence[object]], header: Sequence[str]) -> str:
    """A Markdown table: the first column to the left, the others, numbers as a rule, right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in [header, rule, *rows])


def _seconds(function, clock, repeats, warmup) -> list[float]:
    """Seconds of a call, ``repeats`` times; calls that the last warm-up finds short are bundled."""
    calls, found = 1, []
    for _ in range(warmup):
        start = time.perf_counter()
        function()
        calls = max(1, int(2e-3 / max(time.perf_counter() - start, 1e-7)))
    for _ in range(repeats):
        start = clock()
        for _ in range(calls):
            function()
        found.append((clock() - start) / calls)
    return found


def _features() -> list[str]:
    """Of FEATURES, those that the CPU has (Linux), and what torch makes use of."""
    cpuinfo = Path("/proc/cpuinfo")
    flags = set(cpuinfo.read_text(encoding="utf-8").split()) if cpuinfo.exists() else set()
    used = f"torch uses {torch.backends.cpu.get_cpu_capability()}"
    return [" ".join(name for name in FEATURES if name in flags) or "CPU", used]
