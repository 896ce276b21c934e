"""Worker processes that share out independent tasks."""

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from types import ModuleType

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Crew:
    """A pool of processes with one thread each.

    All linear algebra runs in them, never in the calling process: threads change the order of
    sums, and the last bits of a descriptor would depend on the number of cores.
    """

    def __init__(self, workers: int):
        self.workers = workers

    def __enter__(self) -> "Crew":
        # Threads are counted when NumPy is loaded, so the variables must be set at the start.
        self._saved = {name: os.environ.get(name) for name in ONE_THREAD}
        os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(self.workers, context)
        return self

    def __exit__(self, *error) -> None:
        self._pool.shutdown(cancel_futures=True)
        for name, value in self._saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def run(self, task: Callable, arguments: list[tuple]) -> Iterator:
        """Yield task(*arguments[i]) in order, with a bounded number of tasks ahead."""
        waiting: deque[Future] = deque()
        rest = iter(arguments)
        try:
            while True:
                with _blank_main():  # submitting a task may start a process
                    for more in islice(rest, 4 * self.workers - len(waiting)):
                        waiting.append(self._pool.submit(task, *more))
                if not waiting:
                    return
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise RuntimeError("a worker process ended early; is the memory used up?") from error


@contextmanager
def _blank_main() -> Iterator[None]:
    """Hide the main module, which a spawned process would import, and with it run, again.

    Tasks never live there; so scripts need no `__name__` guard and may come from standard input.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
