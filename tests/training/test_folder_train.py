"""Own images through the programs: training, evaluation, pairs; what they say of mistakes."""

import logging
import subprocess
import sys

import numpy as np
import pytest
from conftest import SMALL, overrides
from folders import settings, write_csv, write_street

from gcsa.config import load_config
from gcsa.datasets.hloc import read_pairs
from gcsa.datasets.readers import reader
from gcsa.errors import InputError
from gcsa.evaluate import evaluate
from gcsa.pairs import pairs
from gcsa.scoring.split import prepare
from gcsa.train import train

SCENES = {
    "data.train_scenes": "[north,south]",
    "data.val_scenes": "[east]",
    "data.test_scenes": "[]",
}
STAGE_2 = {
    "model.num_layers": 1,
    "model.affinity": "[positional-db,heading,radio]",
    "train.init_proj": "pca",
    "train.num_epochs": 2,
}


@pytest.fixture
def streets(tmp_path):
    for seed, scene in enumerate(("north", "south", "east")):
        write_street(tmp_path, scene, seed)
    return {**SMALL, **settings(tmp_path), **SCENES}


def config_of(*parts):
    return load_config(None, overrides(*parts))


def test_from_training_to_pairs(streets, tmp_path):
    config = config_of(streets, STAGE_2)
    rows = train(config, "own")
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    plain = evaluate(config_of(streets))
    assert plain["counts"] == {"queries": 20, "with_positives": 20, "database": 60}
    assert rows[0]["mAP@10"] == plain["metrics"]["mAP@10"]
    assert "relevant: within 25 m" in plain["protocol"] and "folder" in plain["protocol"]

    checkpoint = str(tmp_path / "outputs" / "training" / "own" / "checkpoint_2.pth.tar")
    refined = evaluate(config_of(streets), checkpoint)
    assert refined["metrics"]["mAP@10"] == rows[2]["mAP@10"]
    (path,) = pairs(config_of(streets), str(tmp_path / "p.txt"), checkpoint, num=5)
    queries, database = read_pairs(path)
    assert len(queries) == 100 and set(np.char.partition(database, "/")[:, 0]) == {"database"}


@pytest.mark.parametrize(
    ("rule", "said"), [("fov", "fields of view"), ("cluster", "of the same place")]
)
def test_other_rules(streets, rule, said):
    result = evaluate(config_of(streets, {"data.val_labels": rule}))
    assert result["counts"]["with_positives"] > 0 and said in result["protocol"]


def test_a_scene_without_queries_trains(streets, tmp_path):
    path = tmp_path / "north" / "images.csv"
    rows = [line.split(",") for line in path.read_text().splitlines()]
    write_csv(path, "|".join(",".join(row[:4]) for row in rows))
    own = {"data.train_scenes": "[north]", "train.num_epochs": 1, "train.skip_empty": True}
    assert len(train(config_of(streets, own), "own")) == 2
    (ranked,) = prepare(config_of(streets, own).data, config_of(streets).fov, [], "train", 10)
    names = ranked.scene.database.names[ranked.candidates.indices]
    assert len(names) == 80 and not (names == ranked.scene.queries.names[:, None]).any()


def test_the_root_may_be_the_scene(streets, tmp_path, caplog):
    one = {**streets, "data.root": str(tmp_path / "east"), "data.val_scenes": "[]"}
    one["data.desc_fn"] = "east/" + streets["data.desc_fn"]
    result = evaluate(config_of(one))
    assert result["metrics"] == evaluate(config_of(streets))["metrics"]
    with pytest.raises(InputError, match="'train', data.train_scenes must name scenes"):
        train(config_of(one, {"data.train_scenes": "[]"}), "x")
    with caplog.at_level(logging.WARNING):
        train(config_of(one, {"data.train_scenes": "[.]", "train.num_epochs": 0}), "x")
    assert ".: is a scene of training and of validation" in caplog.text


def test_radio_can_be_left_out(streets):
    read = reader(config_of(streets).data).read
    scene, _ = read(config_of(streets).data, "east", "val")
    assert scene.database.radio is not None
    scene, _ = read(config_of(streets, {"data.radio": False}).data, "east", "val")
    assert scene.database.radio is None


def test_poses_alone_need_no_descriptors(streets):
    scene, truth = reader(config_of(streets).data).read(
        config_of(streets, {"data.desc_fn": '""'}).data, "east", "val"
    )
    assert scene.database.descriptors is None and truth is not None


def test_the_command_line(streets, tmp_path):
    def call(module, *arguments):
        command = [sys.executable, "-m", module, *arguments, *overrides(streets)]
        return subprocess.run(command, capture_output=True, text=True)

    assert call("gcsa.pairs", "--output", str(tmp_path / "p.txt")).returncode == 0
    assert len(read_pairs(tmp_path / "p.txt")[0]) == 20 * 20
    streets["data.val_scenes"] = "[west]"
    done = call("gcsa.evaluate")
    assert done.returncode == 2 and "has the scenes east, north, south" in done.stderr
    assert "Traceback" not in done.stderr
