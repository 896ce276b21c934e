"""What the pages say about files, settings and options is what there is."""

import re
import subprocess
import sys
from functools import cache

import pytest
from captures import write_scene
from pages import PAGES, ROOT
from test_imports import WINGS

from gcsa.__main__ import PROGRAMS
from gcsa.config import load_config
from gcsa.datasets.lamar.scene import read_scene

SETTINGS_PAGE = (ROOT / "docs" / "settings.md").read_text()
TEXTS = {page.name if page.parent == ROOT else f"docs/{page.name}": page for page in PAGES}
PROGRAM = "|".join(sorted(map(re.escape, PROGRAMS), key=len, reverse=True))
COMMANDS = sorted(
    {
        (program, option)
        for page in PAGES
        for program, rest in re.findall(
            rf"(?<![\w/.-])gcsa ({PROGRAM})(?![\w.])((?:\\\n|[^\n#`])*)", page.read_text()
        )
        for option in re.findall(r"--\w+", rest)
    }
)
SECTIONS = "data|fov|model|csa|loss|mining|train"
# What a page quotes to show that it does not exist.
UNKNOWN = {"train.learning_rat"}
NO_FILES = {"configs/msls.yaml", "gcsa/NAME.py"}


@cache
def _help(program):
    command = [sys.executable, "-m", "gcsa", program, "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_table_of_settings_is_of_today():
    printed = subprocess.run(
        [sys.executable, "scripts/config_reference.py"], cwd=ROOT, capture_output=True, text=True
    )
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout.strip() in SETTINGS_PAGE


@pytest.mark.parametrize(("program", "option"), COMMANDS)
def test_options_of_commands_exist(program, option):
    assert re.search(rf"{option}\b", _help(program)), f"{program} has no {option}"


def test_commands_are_written_one_way():
    assert len(COMMANDS) > 25
    ways = [way for page in PAGES for way in re.findall(r"python\S* -m gcsa\S*", page.read_text())]
    assert ways == ["python -m gcsa.train`"]  # README says once that it is the same


@pytest.mark.parametrize("page", TEXTS)
def test_files_and_settings_exist(page):
    path, text = TEXTS[page], TEXTS[page].read_text()
    folders = "configs|scripts|benchmarks|gcsa|tests|src_c|docs"
    for file in set(re.findall(rf"\b(?:{folders})/[\w./]*\w\.(?:yaml|sh|py|c|md)\b", text)):
        assert (ROOT / file).is_file() or file in NO_FILES, file
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


def test_the_card_shows_the_wings():
    """README's "Layout" has the wings of the imports' test, in order, and what is in them."""
    layout = (ROOT / "README.md").read_text().split("## Layout")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in layout.splitlines()]
    card = [row for row in rows if len(row) == 3][2:]  # without the head
    assert {name.strip("`/"): answer for name, answer, _ in card} == WINGS
    assert [name.strip("`/") for name, _, _ in card] == list(WINGS)
    for name, _, held in card:
        folder = ROOT / "gcsa" / (name.strip("`") if name.startswith("`") else "")
        for path in re.findall(r"`([^`]+)`", held):
            assert (folder / path).exists() and path.endswith("/") == (folder / path).is_dir()


def test_hloc_is_given_lamars_images_and_no_more(tmp_path):
    """The list that README makes of a scene has what the reader asks descriptors of."""
    scene = tmp_path / "datasets/lamar/CAB"
    write_scene(scene, 0)
    text = (ROOT / "README.md").read_text()
    (command,) = re.findall(r"^ +mkdir -p outputs/lamar/CAB\n.* > .*/images\.txt$", text, re.M)
    subprocess.run(["bash", "-ec", command], cwd=tmp_path, check=True)
    listed = (tmp_path / "outputs/lamar/CAB/images.txt").read_text().split("\n")[:-1]
    found = [read_scene(scene.parent, "CAB", split)[0] for split in ("val", "test")]
    names = {name for s in found for name in (*s.database.names, *s.queries.names)}
    assert names <= set(listed) and len(listed) == len(set(listed))
    written = sum(
        not line.startswith("#")
        for file in scene.glob("sessions/*/images.txt")
        for line in file.read_text().splitlines()
    )
    assert len(listed) == written


def test_nothing_else_lies_at_the_top():
    """A file of somebody's trial that was added by mistake would; a source archive has no .git."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    command = ["git", "ls-files", "--full-name", ":(top,glob)*"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    kept = """.gitignore CHANGELOG.md CITATION.cff CONTRIBUTING.md LICENSE MANIFEST.in README.md
        demo.ipynb pyproject.toml requirements-lock.txt requirements.txt setup.py"""
    assert sorted(listed.stdout.split()) == sorted(kept.split())
