"""What the service has done, counted, in Prometheus's text format (version 0.0.4)."""

from __future__ import annotations

import bisect
import threading
from collections import Counter
from collections.abc import Callable, Sequence

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZES = (1, 2, 4, 8, 16, 32, 64)
KIND = "text/plain; version=0.0.4; charset=utf-8"


class Histogram:
    """Numbers counted by upper limits; not for several threads without a lock."""

    def __init__(self, limits: Sequence[float]):
        self._limits, self._counts, self._sum = limits, [0] * (len(limits) + 1), 0.0

    def add(self, value: float) -> None:
        """Count one number."""
        self._counts[bisect.bisect_left(self._limits, value)] += 1
        self._sum += value

    def lines(self, name: str) -> list[str]:
        """Lines of the format: counts up to each limit, the sum, the count."""
        total, lines = 0, []
        for limit, count in zip([*self._limits, "+Inf"], self._counts, strict=True):
            total += count
            lines.append(f'{name}_bucket{{le="{limit}"}} {total}')
        return [*lines, f"{name}_sum {self._sum:.6f}", f"{name}_count {total}"]


class Metrics:
    """Counters of a service. gauges: what is read when it is asked for, by name."""

    def __init__(self) -> None:
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self._lock = threading.Lock()
        self._answers: Counter[int] = Counter()
        self._seconds, self._batches = Histogram(SECONDS), Histogram(SIZES)
        self._worked = 0.0

    def answered(self, status: int, seconds: float) -> None:
        """Count a request to locate, by its HTTP status; its seconds where it was located."""
        with self._lock:
            self._answers[status] += 1
            if status == 200:
                self._seconds.add(seconds)

    def batch(self, count: int, seconds: float) -> None:
        """Count a batch of so many questions."""
        with self._lock:
            self._batches.add(count)
            self._worked += seconds

    def text(self) -> str:
        """All of it."""
        with self._lock:
            about = "requests to locate, by HTTP status; 499: nobody waited"
            lines = [
                *_lines("requests_total", "counter", about, self._codes()),
                *_lines("request_seconds", "histogram", "until the answer", self._seconds),
                *_lines("batch_size", "histogram", "answered together", self._batches),
                *_lines("worked_seconds_total", "counter", "on answers", [f" {self._worked:.6f}"]),
            ]
        for name, (about, value) in self.gauges.items():
            lines += _lines(name, "gauge", about, [f" {value():g}"])
        return "".join(f"{line}\n" for line in lines)

    def _codes(self) -> list[str]:
        return [f'{{code="{status}"}} {n}' for status, n in sorted(self._answers.items())]


def _lines(name: str, kind: str, about: str, values: list[str] | Histogram) -> list[str]:
    full = f"gcsa_{name}"
    head = [f"# HELP {full} {about}", f"# TYPE {full} {kind}"]
    if isinstance(values, Histogram):
        return [*head, *values.lines(full)]
    return [*head, *(f"{full}{value}" for value in values)]
