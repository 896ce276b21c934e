"""Every benchmark runs, says on what machine, and prints its table."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
SHARED = {"machine", "city", "noise", "photos"}
BENCHMARKS = sorted(p.stem for p in FOLDER.glob("*.py") if p.stem not in SHARED)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_quick_run(name):
    command = [sys.executable, FOLDER / f"{name}.py", "--quick"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert " cores, " in lines[0] and "torch" in lines[0]
    rules = [i for i, line in enumerate(lines) if line.startswith("| ---")]
    assert rules, "a Markdown table"
    for i in rules:
        columns = lines[i].count("|")
        assert lines[i - 1].count("|") == lines[i + 1].count("|") == columns
