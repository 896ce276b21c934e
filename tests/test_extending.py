"""The worked example of docs/extending.md does what it says, and is what stands there."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from conftest import SMALL, overrides
from folders import DESC_FN, settings, write_csv
from pages import ROOT, blocks
from worlds import write_descriptors

from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.affinity import AFFINITIES, Lists
from gcsa.sideinfo.fov import FovConfig

EXAMPLE = ROOT / "docs" / "examples" / "time_of_day.py"


@pytest.fixture
def example(monkeypatch):
    monkeypatch.setattr("gcsa.sideinfo.affinity.AFFINITIES", dict(AFFINITIES))
    spec = importlib.util.spec_from_file_location("time_of_day", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_shows_the_file():
    (block,) = blocks(ROOT / "docs" / "extending.md", "python")
    assert block.text == EXAMPLE.read_text()
    assert len(block.text.splitlines()) < 40


def test_affinity_by_hand(example):
    database = ["IMG_20260611_060000.jpg", "x/20251224_180000.png", "harbour.jpg"]
    scene = Scene("s", ImageSet(np.array(database)), ImageSet(np.array(["q_20200101_233000.jpg"])))
    lists = Lists(np.array([0]), np.array([[1, 0, 2, -1]]), K=4, L=2)
    found = example.time_of_day(scene, FovConfig())(lists)
    # Half past eleven is 5.5 hours from six in the evening, 6.5 from six in the morning.
    late, early = 1 - 5.5 / 6, 1 - 6.5 / 6
    expected = [[1, late, early], [late, 1, -1], [early, -1, 1], [0, 0, 0], [0, 0, 0]]
    np.testing.assert_allclose(found[0], expected, atol=1e-12)


def test_programs_run_with_it(tmp_path):
    random = np.random.default_rng(0)
    for scene in ("lund", "berlin"):
        names = [f"2026061{i % 10}_{6 + i // 5:02d}{i:02d}00.jpg" for i in range(40)]
        rows = [f"{name},{8 * i},0,90" for i, name in enumerate(names)]
        write_csv(tmp_path / scene / "images.csv", "|".join(["name,x,y,heading", *rows]) + "|")
        described = random.normal(size=(40, 32))
        write_descriptors(tmp_path / "outputs" / "folder" / scene / DESC_FN, names, described)
    scenes = {"data.train_scenes": "[lund]", "data.val_scenes": "[berlin]"}
    stage = {
        "model.num_layers": 1,
        "model.affinity": "[positional-db,time-of-day]",
        "train.init_proj": "pca",
        "train.num_epochs": 1,
    }
    given = overrides({**SMALL, **settings(tmp_path), **scenes}, stage)
    empty = tmp_path / "defaults.yaml"
    empty.write_text("{}\n")
    conf = ["--conf", str(empty), *given]
    _run("train", "--name", "light", *conf)
    checkpoint = tmp_path / "outputs/training/light/checkpoint_1.pth.tar"
    done = _run("evaluate", "--checkpoint", str(checkpoint), *conf)
    assert "40 of 40" in done.stdout and "no data for affinity" not in done.stderr


def _run(*arguments):
    command = [sys.executable, str(EXAMPLE), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done
