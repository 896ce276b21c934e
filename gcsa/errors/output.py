"""Standard output that may be closed, full, or read by somebody who leaves early."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

CLOSED_PIPE = 141  # what a shell says of a program that SIGPIPE ended


class OutputError(Exception):
    """Standard output takes no more; status: how the program ends."""

    def __init__(self, error: OSError):
        reader_left = error.errno == errno.EPIPE
        reason = "its reader has left" if reader_left else error.strerror or str(error)
        super().__init__(f"standard output: cannot be written ({reason})")
        self.status = CLOSED_PIPE if reader_left else 2


@contextmanager
def standard_output() -> Iterator[None]:
    """Whatever is printed within has left the process at the end, or OutputError says why not.

    A program that prints nothing needs no standard output.
    """
    before = sys.stdout
    guarded = _Guarded(_closed() if before is None else before)
    sys.stdout = guarded
    try:
        yield
        guarded.flush()
    except SystemExit:
        guarded.flush()
        raise
    except BaseException:
        with suppress(OutputError):  # what ends the program matters more
            guarded.flush()
        raise
    finally:
        if sys.stdout is guarded:
            sys.stdout = before
        if guarded.failed:
            _discard(guarded.stream)


class _Guarded:
    """A text stream whose errors are known for those of standard output."""

    def __init__(self, stream: Any):
        self.stream, self.failed = stream, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        with self._told():
            return self.stream.write(text)

    def writelines(self, lines: Any) -> None:
        with self._told():
            self.stream.writelines(lines)

    def flush(self) -> None:
        with self._told():
            self.stream.flush()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.failed = True
            raise OutputError(error) from error


def _closed() -> Any:
    """A stream for one that was closed before the start; writing to it fails.

    Its number is taken, or the next file that is opened would get what libraries print.
    """
    with suppress(OSError):
        os.fstat(1)
        return open(os.dup(1), "w")  # somebody has taken it already
    handle = os.open(os.devnull, os.O_RDONLY)
    if handle != 1:
        os.dup2(handle, 1)
        os.close(handle)
    return open(1, "w", closefd=False)


def _discard(stream: Any) -> None:
    """Forget what a stream still holds, which Python would try to write once more at its end."""
    if stream is sys.__stdout__ or sys.__stdout__ is None:
        handle = os.open(os.devnull, os.O_WRONLY)
        os.dup2(handle, 1)
        os.close(handle)
        with suppress(OSError):
            stream.flush()
