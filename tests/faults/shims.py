"""The shim of shim.c, compiled; programs run under it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
COMPILER = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


def compiled(folder: Path) -> Path:
    """The shared library; the test is skipped where nothing compiles C."""
    if COMPILER is None or not sys.platform.startswith("linux"):
        pytest.skip("no C compiler for Linux: faults cannot be injected")
    library = folder / "shim.so"
    command = [COMPILER, "-shared", "-fPIC", "-O1", "-o", library, HERE / "shim.c", "-ldl"]
    subprocess.run(command, check=True)
    return library


def under(shim: Path, *command: str | Path, **more) -> subprocess.CompletedProcess:
    """A Python program run with the shim in it."""
    environment = {**os.environ, "LD_PRELOAD": str(shim), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *map(str, command)],
        env=environment,
        capture_output=True,
        text=True,
        **more,
    )
