"""A model that reads where a query's device says it is: one step, from the shipped settings."""

import numpy as np
from conftest import SMALL, STAGE_2, overrides

from gcsa.config import load_config
from gcsa.evaluate import evaluate
from gcsa.models.checkpoint import load_checkpoint
from gcsa.scoring.split import prepare
from gcsa.sideinfo.affinity import Lists
from gcsa.train import train

KINDS = ["positional-db", "heading", "position"]


def test_a_step_with_position(world, tmp_path):
    more = {k: v for k, v in {**SMALL, **STAGE_2}.items() if k != "model.affinity"}
    few = {"train.checkpoint": "null", "data.train_scenes": "[zurich]", "train.num_epochs": 1}
    given = overrides(world, more, few, {"data.batch_size": 20})
    config = load_config("configs/miniworld_position.yaml", given)
    assert config.data.query_gps and config.model.affinity == KINDS
    (ranked,) = prepare(config.data, config.fov, KINDS, "val", 40)
    lists = Lists(np.arange(4), ranked.candidates.indices[:4], config.model.K, config.model.L)
    block = ranked.side.columns(lists)[:, :, -(1 + config.model.L) :]
    assert (block[:, 0, 0] == 1).all() and (block[:, 0, 1:] > 0.5).any(), "the readings are there"
    train(config, "p")
    path = str(tmp_path / "outputs/training/p/checkpoint_1.pth.tar")
    assert load_checkpoint(path, "cpu")[1] == KINDS
    found = evaluate(config, path)
    assert found["protocol"].startswith("MSLS with query GPS val cities")
    blind = load_config("configs/miniworld_position.yaml", [*given, "data.query_gps=false"])
    assert evaluate(blind, path)["metrics"] != found["metrics"], "the model reads it"
