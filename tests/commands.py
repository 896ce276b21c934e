"""``python -m MODULE ...`` and ``python FILE ...`` in this process: without torch's import anew."""

from __future__ import annotations

import io
import runpy
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from pages import ROOT


def call(module: str, *arguments: object) -> str:
    """What ``python -m module arguments`` prints; it fails where the command would.

    The module runs as ``__main__``, with what stands at its end. What it is to leave behind or to
    say where the process ends is a matter for a process of its own.
    """
    with warnings.catch_warnings():
        # That it was imported before is what is wanted here.
        warnings.filterwarnings("ignore", ".*found in sys.modules", RuntimeWarning)
        return _said(runpy.run_module, module, arguments)


def call_file(path: Path, *arguments: object) -> str:
    """What ``python path arguments`` prints: its own folder is searched first, the tests' not."""
    with pytest.MonkeyPatch.context() as patch:
        others = [p for p in sys.path if Path(p).resolve() != ROOT / "tests"]
        patch.setattr("sys.path", [str(path.parent), *others])
        return _said(runpy.run_path, str(path), arguments)


def _said(run: Callable, what: str, arguments: Sequence[object]) -> str:
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as said:
        patch.setattr("sys.argv", [what, *map(str, arguments)])
        try:
            run(what, run_name="__main__")
        except SystemExit as end:
            assert not end.code, f"{what}: status {end.code}"
    return said.getvalue()
