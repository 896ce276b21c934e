"""demo.ipynb runs from scratch, and what it shows is what is stored in it."""

import re
import shutil

import nbformat
import pytest
from nbclient import NotebookClient
from pages import ROOT

STORED = ROOT / "demo.ipynb"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The notebook after a run in a folder that has what it reads and nothing else."""
    folder = tmp_path_factory.mktemp("notebook")
    for name in ("configs", "checkpoints"):
        shutil.copytree(ROOT / name, folder / name)
    notebook = nbformat.read(STORED, as_version=4)
    for cell in _code(notebook):
        cell.outputs, cell.execution_count = [], None
    # One text a cell, however often the kernel flushes what is printed.
    where = {"metadata": {"path": folder}}
    NotebookClient(notebook, timeout=None, resources=where, coalesce_streams=True).execute()
    return notebook


def test_a_run_shows_what_is_stored(run):
    stored = nbformat.read(STORED, as_version=4)
    pairs = list(zip(_code(run), _code(stored), strict=True))
    assert len(pairs) > 15
    for new, old in pairs:
        assert _kinds(new) == _kinds(old), new.source
        if "took" not in new.source:
            _agree(_text(new), _text(old))
    pictures = [kind for cell in _code(run) for kind in _kinds(cell) if kind.startswith("image/")]
    assert len(pictures) > 10


def test_re_ranking_is_better_in_it(run):
    """Outdoors and indoors, by the tables that it prints."""
    found = [re.search(r"First round.*\nRe-ranked.*", _text(cell)) for cell in _code(run)]
    tables = [match.group() for match in found if match]
    assert len(tables) >= 2
    for table in tables:
        first, refined = (_numbers(line) for line in table.splitlines())
        assert refined[6] > first[6] + 10, "mAP@10"


def test_it_is_small(run):
    assert STORED.stat().st_size < 3e6
    assert not any(output.output_type == "error" for c in _code(run) for output in c.outputs)


def _code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _kinds(cell):
    """What a cell shows, output by output."""
    return [
        "text" if "data" not in output else next((k for k in output.data if "image" in k), "text")
        for output in _shown(cell)
    ]


def _shown(cell):
    return [o for o in cell.outputs if o.get("name") != "stderr"]


def _text(cell):
    return "".join(output.text for output in _shown(cell) if output.output_type == "stream")


def _numbers(text):
    return [float(number) for number in re.findall(r"\d+\.?\d*", text)]


def _agree(new, old):
    """The same words, and numbers within a point: processors round differently."""
    number = r"\s*\d+\.?\d*"
    assert re.sub(number, "#", new) == re.sub(number, "#", old)
    assert _numbers(new) == pytest.approx(_numbers(old), abs=1.0)
