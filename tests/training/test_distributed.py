"""Two processes do what one does: the same weights and metrics, every query counted once."""

import csv
import logging
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from commands import call
from conftest import STAGE_2, overrides

from gcsa import distributed
from gcsa.models.checkpoint import load_checkpoint
from gcsa.training.trainer import _own_part

# Chance is drawn by each process for itself: without dropout there is none.
EXACT = {"model.input_dropout": 0, "model.attn_dropout": 0, "train.num_epochs": 2}


def words(world, name, *settings):
    """What gcsa.train is told."""
    conf = f"{world['data.root']}/c.yaml"
    with open(conf, "w") as file:
        file.write("train: {learning_rate: 1.0e-3}\n")
    return ["--name", name, "--conf", conf, *overrides(world, EXACT, *settings)]


def start(*told):
    """Two processes of gcsa.train."""
    launch = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=0"]
    launch += ["--rdzv_backend=c10d", "--rdzv_endpoint=127.0.0.1:0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *launch, "-m", "gcsa.train", *told], env=environment,
                          capture_output=True, text=True)  # fmt: skip


def results(world, name):
    folder = f"{world['data.outputs']}/training/{name}"
    with open(f"{folder}/metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return rows, load_checkpoint(f"{folder}/checkpoint_2.pth.tar")[0].state_dict()


@pytest.mark.parametrize("stage", [{"train.projection": "shared"},
                                   {**STAGE_2, "train.projection": "shared"}])  # fmt: skip
def test_two_processes_train_as_one_does(world, stage, caplog):
    # 40 training queries in batches of 12: the last is shared unequally, 20 validation queries.
    settings = {**stage, "data.batch_size": 12}
    with caplog.at_level(logging.INFO):
        call("gcsa.train", *words(world, "one", settings))
    done = start(*words(world, "two", settings))
    assert done.returncode == 0, done.stderr
    for said in (caplog.text, done.stderr):
        assert said.count("epoch 2: loss") == 1, "one process speaks"
    (one, weights), (two, others) = results(world, "one"), results(world, "two")
    assert len(one) == len(two) == 3
    for row, other in zip(one, two, strict=True):
        assert float(other["loss"] or 0) == pytest.approx(float(row["loss"] or 0), abs=1e-5)
        assert float(other["mAP@10"]) == pytest.approx(float(row["mAP@10"]), abs=1e-6)
    for name, tensor in weights.items():
        if name.endswith("attn.in_proj_bias"):
            # Attention does not depend on the bias of the keys: Adam scales up its rounding error.
            for state in (weights, others):
                state[name][32:64] = 0
        torch.testing.assert_close(others[name], tensor, atol=2e-4, rtol=1e-3)


def test_one_line_for_bad_input_from_several_processes(world):
    done = start(*words(world, "a", {"data.batch_size": 7}))
    assert done.returncode != 0
    assert done.stderr.count("error: data.batch_size: 7 queries are not a multiple of the 2") == 1


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_shares_are_everything_once_and_weights_add_up(monkeypatch, size):
    order = np.stack([np.zeros(64, int), np.arange(64)], 1)
    monkeypatch.setattr(distributed, "size", lambda: size)
    parts = []
    for rank in range(size):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        parts.append(_own_part(order, 30))  # batches of 30, 30 and 4
    for step in range(3):
        assert sum(weights[step] for _, weights in parts) == pytest.approx(size)
    taken = []
    for queries, weights in parts:
        sizes = [30 // size, 30 // size, len(queries) - 2 * (30 // size)]
        batches = np.split(queries[:, 1], np.cumsum(sizes)[:-1])
        taken += [b for b, w in zip(batches, weights, strict=True) if w > 0]
    assert sorted(np.concatenate(taken)) == list(range(64))
