"""Every benchmark runs, says on what machine, and prints its table."""

import logging
import subprocess
import sys

import pytest
import torch
from commands import call_file
from pages import ROOT

FOLDER = ROOT / "benchmarks"
SHARED = {"machine", "city", "noise", "photos"}
BENCHMARKS = sorted(p.stem for p in FOLDER.glob("*.py") if p.stem not in SHARED)
# How its memory grows: Linux has a process begin with the peak of the one that starts it.
ALONE = {"localization"}


@pytest.fixture(autouse=True)
def undone():
    """What benchmarks change of a process, which ends with them otherwise."""
    logger, threads = logging.getLogger("gcsa"), torch.get_num_threads()
    level = logger.level
    yield
    torch.set_num_threads(threads)
    logger.setLevel(level)


def quick_run(name):
    """What it prints, in this process where that does not change what is measured."""
    script = FOLDER / f"{name}.py"
    if name not in ALONE:
        return call_file(script, "--quick")
    done = subprocess.run([sys.executable, script, "--quick"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_quick_run(name):
    lines = quick_run(name).splitlines()
    assert " cores, " in lines[0] and "torch" in lines[0]
    rules = [i for i, line in enumerate(lines) if line.startswith("| ---")]
    assert rules, "a Markdown table"
    for i in rules:
        columns = lines[i].count("|")
        assert lines[i - 1].count("|") == lines[i + 1].count("|") == columns
