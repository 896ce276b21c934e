"""What the pages say about files, settings and options is what there is."""

import re
import subprocess
import sys
from functools import cache

import pytest
from pages import PAGES, ROOT

from gcsa.config import load_config

SETTINGS_PAGE = (ROOT / "docs" / "settings.md").read_text()
TEXTS = {page.name if page.parent == ROOT else f"docs/{page.name}": page for page in PAGES}
COMMANDS = sorted(
    {
        (module, option)
        for page in PAGES
        for module, rest in re.findall(
            r"python -m (gcsa[\w.]*\w)((?:\\\n|[^\n#`])*)", page.read_text()
        )
        for option in re.findall(r"--\w+", rest)
    }
)
SECTIONS = "data|fov|model|csa|loss|mining|train"
# What a page quotes to show that it does not exist.
UNKNOWN = {"train.learning_rat"}


@cache
def _help(module):
    done = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_table_of_settings_is_of_today():
    printed = subprocess.run(
        [sys.executable, "scripts/config_reference.py"], cwd=ROOT, capture_output=True, text=True
    )
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout.strip() in SETTINGS_PAGE


@pytest.mark.parametrize(("module", "option"), COMMANDS)
def test_options_of_commands_exist(module, option):
    assert re.search(rf"{option}\b", _help(module)), f"{module} has no {option}"


@pytest.mark.parametrize("page", TEXTS)
def test_files_and_settings_exist(page):
    path, text = TEXTS[page], TEXTS[page].read_text()
    for file in re.findall(r"\b(?:configs|scripts|benchmarks)/[\w.]+\.(?:yaml|sh|py)", text):
        assert (ROOT / file).is_file() or "msls.yaml" in file, file
    for link in re.findall(r"\]\(((?!http)[^)#]+)", text):
        assert (path.parent / link).exists(), link
    for setting in set(re.findall(rf"(?<![\w/.])(?:{SECTIONS})\.\w+(?==)", text)) - UNKNOWN:
        assert f"| `{setting}` |" in SETTINGS_PAGE, setting


def test_readme_is_short_and_complete():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 300 and "@@" not in text


def test_settings_of_the_commands_are_accepted():
    """Each ``section.key=value`` of the README is one that the programs take."""
    text = (ROOT / "README.md").read_text()
    given = set(re.findall(rf"(?<![\w/.])((?:{SECTIONS})\.\w+=[\w.,/\[\]-]*[\w\]])", text))
    assert len(given) > 10
    for setting in given:
        load_config(None, [setting, "train.own_positive=false", "model.K=255"])
