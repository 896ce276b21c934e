"""The challenge file: as the official evaluator reads it."""

import os
import subprocess
import zipfile

import numpy as np
import pytest
from conftest import STAGE_2, overrides
from test_evaluate import save

from gcsa.config import load_config
from gcsa.datasets.msls import keys, read_scene
from gcsa.errors import InputError
from gcsa.msls import test as program


@pytest.fixture
def checkpoint(world, tmp_path):
    config = load_config(None, overrides(world, STAGE_2))
    save(tmp_path / "c.pth.tar", config, None)
    return tmp_path / "c.pth.tar"


def run(monkeypatch, world, *arguments):
    settings = [s for s in overrides(world) if "desc_fn" not in s and "batch_size" not in s]
    fixed = ["--desc_fn", world["data.desc_fn"], "--batch_size", "4", "--device", "cpu"]
    monkeypatch.setattr("sys.argv", ["test", *map(str, arguments), *fixed, *settings])
    program.main()


def test_one_line_a_query(world, checkpoint, tmp_path, monkeypatch, capsys):
    output = tmp_path / "sub" / "challenge.csv"
    run(monkeypatch, world, "--checkpoint", checkpoint, "--output", output)
    # The official evaluator reads with exactly this call.
    table = np.loadtxt(output, dtype=str, ndmin=2)
    scene, _ = read_scene(tmp_path / "datasets" / "msls", "miami", subtask="all")
    assert table.shape == (20, 21)
    assert list(table[:, 0]) == keys(scene.queries.names)
    assert table[0, 0].startswith("-") and table[1, 0].startswith("_")
    for row in table:
        assert len(set(row[1:])) == 20 and set(row[1:]) <= set(keys(scene.database.names))
    assert "  " not in output.read_text() and output.read_text().endswith("\n")
    with zipfile.ZipFile(output.with_suffix(".zip")) as archive:
        assert archive.namelist() == ["challenge.csv"]
        assert archive.read("challenge.csv") == output.read_bytes()
    assert "MSLS test cities, subtask" in capsys.readouterr().out


def test_without_ground_truth_and_other_k(world, checkpoint, tmp_path, monkeypatch, capsys):
    for role in ("query", "database"):
        for name in ("raw", "postprocessed"):
            (tmp_path / f"datasets/msls/test/miami/{role}/{name}.csv").unlink()
    output = tmp_path / "c.csv"
    run(monkeypatch, world, "--checkpoint", checkpoint, "--output", output, "--num", 50)
    assert np.loadtxt(output, dtype=str, ndmin=2).shape == (20, 51)
    assert capsys.readouterr().out == ""


def test_lists_that_are_too_short(world, checkpoint, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="miami: only 60 database images, --num asks for 61"):
        run(
            monkeypatch,
            world,
            "--checkpoint",
            checkpoint,
            "--output",
            tmp_path / "c.csv",
            "--num",
            61,
        )
    with pytest.raises(InputError, match="end it in .csv"):
        run(monkeypatch, world, "--checkpoint", checkpoint, "--output", tmp_path / "c.zip")
    assert not list(tmp_path.glob("c.csv")) and not list(tmp_path.glob("c.zip"))


def test_other_data_sets_have_no_challenge_file(world, checkpoint, tmp_path, monkeypatch):
    other = {**world, "data.dataset": "lamar"}
    with pytest.raises(InputError, match="the challenge is of msls, not 'lamar'"):
        run(monkeypatch, other, "--checkpoint", checkpoint, "--output", tmp_path / "c.csv")


def test_the_file_may_be_a_pipe(tmp_path):
    """Its zip has what was written; nothing is read back from the pipe."""
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True)
    archive = program.write_predictions(pipe, ["query a b"])
    assert reader.communicate()[0] == "query a b\n"
    with zipfile.ZipFile(archive) as file:
        assert file.namelist() == ["pipe.csv"] and file.read("pipe.csv") == b"query a b\n"
