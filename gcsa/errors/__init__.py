"""Errors that are the input's fault, not the program's.

The programs print these as one line and leave with status 2; anything else is a bug and keeps
its traceback.
"""

from __future__ import annotations

import difflib
import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from gcsa.errors.machine import of_the_machine
from gcsa.errors.output import OutputError, standard_output

T = TypeVar("T")
MOST_CHOICES = 50  # that a message lists


# Characters of a message, which may quote a file; of more the middle is left out.
LONGEST = 1000
# What would break a line, or steer a terminal.
CONTROLS = {
    code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160), 0x2028, 0x2029, 0xFEFF)
}


class InputError(ValueError):
    """Bad input: the message names the file, the row or key, and what was expected.

    It is one line that is not too long, whatever it quotes.
    """

    def __str__(self) -> str:
        text = str(self.args[0]).translate(CONTROLS) if self.args else ""
        half = LONGEST // 2
        return text if len(text) <= LONGEST else f"{text[:half]} ... {text[-half:]}"


class MissingFileError(InputError, FileNotFoundError):
    """A file or folder that should exist does not; the message says what to do about it."""


class LostProcessError(InputError):
    """Of several processes that share the work another one is gone.

    tells: whether this one of those that are left says so to the user.
    """

    def __init__(self, message: str, tells: bool):
        super().__init__(message)
        self.tells = tells


def given(value: T | None, what: str) -> T:
    """``value`` where there is one; else InputError: ``what`` is needed, and is not there."""
    if value is None:
        raise InputError(f"{what}: not there, but needed")
    return value


def nearest(word: str, words: Iterable[str]) -> str:
    """A hint for a misspelt word: " (did you mean 'x'?)", or the choices where none is close."""
    words = sorted(words)
    listed = ", ".join([*words[:MOST_CHOICES], *(["..."] if len(words) > MOST_CHOICES else [])])
    return similar(word, words) or f" (choose from {listed})"


def similar(word: str, words: Iterable[str]) -> str:
    """The hint of :func:`nearest` where a word is close, else nothing."""
    words = sorted(words)
    close = [w for w in words if w.lower() == word.lower()]
    close = close or difflib.get_close_matches(word, words, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def run_program(main: Callable[[], object]) -> None:
    """Run a program's ``main``; an InputError ends it with one line and status 2.

    So do faults of the machine: no memory left, a file that may not be read, standard output that
    takes no more. A reader of standard output that has left ends it with status 141, as in a shell.
    Ctrl-C and SIGTERM end it with one line and status 130, once what is half done is removed.
    """
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    try:
        with _terminable(), standard_output():
            _of_the_package(main)()
    except LostProcessError as error:
        sys.exit(_say(f"error: {error}", 2, error.tells))
    except OutputError as error:
        sys.exit(_fail(f"error: {error}", error.status))
    except InputError as error:
        sys.exit(_fail(f"error: {error}", 2))
    except KeyboardInterrupt as stop:
        sys.exit(_fail("; ".join(["interrupted", *map(str, stop.args)]), 130))
    except Exception as error:
        if (fault := of_the_machine(error)) is None:
            raise
        sys.exit(_fail(f"error: {fault}", 2))


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM, which ends a process at once, interrupt this one as Ctrl-C does."""
    process = os.getpid()

    def interrupt(number: int, frame: object) -> None:
        if os.getpid() != process:  # a worker, forked with this handler: it ends as without it
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        signal.signal(number, signal.SIG_IGN)  # a second one would cut the clearing up short
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:  # whoever started us wants otherwise
        yield
        return
    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is interrupt:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _of_the_package(main: Callable[[], object]) -> Callable[[], object]:
    """The same ``main`` in the module under its own name, where ``python -m`` runs it as __main__.

    Loggers, and classes that are pickled, are named after their module.
    """
    running = sys.modules["__main__"]
    spec = getattr(running, "__spec__", None)
    if spec is None or getattr(running, "main", None) is not main:
        return main
    same: Callable[[], object] = importlib.import_module(spec.name).main
    return same


def _fail(message: str, status: int) -> int:
    # Of several processes with the same input, one says it.
    return _say(message, status, os.environ.get("RANK", "0") == "0")


def _say(message: str, status: int, tells: bool) -> int:
    if tells and sys.stderr is not None:
        print(message, file=sys.stderr)
    return status
