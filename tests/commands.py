"""``python -m MODULE ...`` as the command does it, in this process: without torch's import anew."""

from __future__ import annotations

import io
import runpy
import warnings
from contextlib import redirect_stdout

import pytest


def call(module: str, *arguments: object) -> str:
    """What ``python -m module arguments`` prints; it fails where the command would.

    The module runs as ``__main__``, with what stands at its end. What it is to leave behind or to
    say where the process ends is a matter for a process of its own.
    """
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as said:
        patch.setattr("sys.argv", [module, *map(str, arguments)])
        with warnings.catch_warnings():
            # That it was imported before is what is wanted here.
            warnings.filterwarnings("ignore", ".*found in sys.modules", RuntimeWarning)
            try:
                runpy.run_module(module, run_name="__main__", alter_sys=False)
            except SystemExit as end:
                assert not end.code, f"{module}: status {end.code}"
    return said.getvalue()
