"""What the README says about settings and options is what there is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = sorted(set(re.findall(r"python -m (gcsa[\w.]+)([^\n#]*)", README)))
SETTINGS = sorted(set(re.findall(r"\b(?:data|fov|model|train)\.\w+(?==)", README)))


def test_the_table_of_settings_is_of_today():
    printed = subprocess.run(
        [sys.executable, "scripts/config_reference.py"], cwd=ROOT, capture_output=True, text=True
    )
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout.strip() in README


@pytest.mark.parametrize(("module", "arguments"), COMMANDS)
def test_options_of_commands_exist(module, arguments):
    done = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for option in re.findall(r"--\w+", arguments):
        assert option in done.stdout, f"{module} has no {option}"


def test_files_and_settings_exist():
    assert COMMANDS and SETTINGS
    for path in re.findall(r"(?:configs|scripts)/[\w.]+\.(?:yaml|sh|py)", README):
        assert (ROOT / path).is_file(), path
    for path in re.findall(r"\]\(((?!http)[^)]+)\)", README):
        assert (ROOT / path).exists(), path
    for setting in SETTINGS:
        assert f"| `{setting}` |" in README, setting


def test_nothing_is_left_to_be_filled_in():
    assert not re.findall(r"\b[A-Z]+_(?:TABLE|MINUTES)\b", README)
