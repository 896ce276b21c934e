"""Who is let in, what is answered together, and how it ends; nothing here knows of a network.

A place is taken before anything of a request is read, and held until it is answered: places bound
the memory, the time that one waits, and what is left to do when the service ends. Items are
answered by one thread, as many together as have come within a moment.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

logger = logging.getLogger(__name__)

LONGEST_WAIT = 60  # seconds that somebody is told to wait at most
WEIGHT = 0.2  # of the newest batch in the mean time of an item


class BusyError(Exception):
    """All places are taken. seconds: after which it is worth to ask again."""

    def __init__(self, seconds: int):
        super().__init__(f"all places are taken, ask again in {seconds} s")
        self.seconds = seconds


class StoppingError(Exception):
    """The service ends; nobody is let in any more."""


@dataclass(frozen=True)
class Pace:
    """size: items answered together at most. wait: seconds for which the first of them waits for
    others. places: requests that may be inside at a time.
    """

    size: int = 16
    wait: float = 0.005
    places: int = 128


@dataclass
class Asked:
    """An item and what becomes of it."""

    item: Any
    future: Future = field(default_factory=Future)


class Batcher:
    """Items answered together by one thread, in the order in which they come.

    answer: items -> as many results; an exception among them is that item's. What it raises itself
    is for all, who are then asked one by one: one item does not spoil the answers of others.
    measured: told the number of items and the seconds of each batch.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Any]], Sequence[Any]],
        pace: Pace,
        measured: Callable[[int, float], None] = lambda count, seconds: None,
    ):
        self.pace = pace
        self._answer, self._measured = answer, measured
        self._changed = threading.Condition()
        self._asked: deque[Asked] = deque()
        self._inside, self._stopping = 0, False
        self._each = 0.0  # seconds an item, in the mean of late
        self._thread = threading.Thread(target=self._run, name="answer", daemon=True)
        self._thread.start()

    @property
    def inside(self) -> int:
        """Requests that hold a place."""
        return self._inside

    @property
    def waiting(self) -> int:
        """Items that are asked and not yet begun."""
        return len(self._asked)

    @property
    def stopping(self) -> bool:
        """Whether nobody is let in any more."""
        return self._stopping

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for the length of a request; BusyError or StoppingError where there is none."""
        with self._changed:
            if self._stopping:
                raise StoppingError
            if self._inside >= self.pace.places:
                raise BusyError(self._seconds())
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def ask(self, item: Any) -> Future:
        """The future answer to an item; for who holds a place."""
        asked = Asked(item)
        with self._changed:
            self._asked.append(asked)
            self._changed.notify_all()
        return asked.future

    def stop(self) -> None:
        """Let nobody in any more; those inside are answered. Returns at once."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def join(self) -> None:
        """Wait until :meth:`stop` was called and the last one inside has left."""
        self._thread.join()

    def _seconds(self) -> int:
        """About as long as what is inside now will take."""
        return min(LONGEST_WAIT, max(1, math.ceil(self._each * self._inside)))

    def _run(self) -> None:
        while batch := self._next():
            began = time.monotonic()
            self._settle(batch)
            seconds = time.monotonic() - began
            self._each += WEIGHT * (seconds / len(batch) - self._each)
            self._measured(len(batch), seconds)

    def _next(self) -> list[Asked]:
        """The next items to answer; none where the service has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._asked or (self._stopping and not self._inside))
            if not self._asked:
                return []
            # Whoever is inside may come yet; where all have asked nobody is waited for.
            self._changed.wait_for(self._full, self.pace.wait)
            count = min(len(self._asked), self.pace.size)
            return [self._asked.popleft() for _ in range(count)]

    def _full(self) -> bool:
        return len(self._asked) >= min(self.pace.size, self._inside)

    def _settle(self, batch: Sequence[Asked]) -> None:
        try:
            results = self._answer([asked.item for asked in batch])
            for asked, result in zip(batch, results, strict=True):
                _resolve(asked.future, result)
        except Exception as error:  # whatever it is, the next items are answered
            if len(batch) > 1:
                for asked in batch:
                    if not asked.future.done():
                        self._settle([asked])
                return
            logger.exception("an item could not be answered")
            _resolve(batch[0].future, error)


def _resolve(future: Future, result: Any) -> None:
    if not future.set_running_or_notify_cancel():  # nobody waits for it any more
        return
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)
