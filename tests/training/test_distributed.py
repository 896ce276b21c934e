"""Two processes do what one does: the same weights and metrics, every query counted once."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import runs
import torch
from conftest import STAGE_2, overrides
from test_csa_training import CSA, PLAIN
from test_place_training import PLACE
from test_placing import PLACE as NETWORK_OF_PLACES

from gcsa import distributed
from gcsa.models.checkpoint import load_checkpoint
from gcsa.training.trainer import _own_part

# Chance is drawn by each process for itself: without dropout there is none.
EXACT = {"model.input_dropout": 0, "model.attn_dropout": 0, "train.num_epochs": 2}
SHARED = {"train.projection": "shared"}
# 40 training queries in batches of 12: the last is shared unequally, 20 validation queries.
UNEQUAL = {"data.batch_size": 12}
WAYS = {
    "stage 1": {**SHARED, **UNEQUAL},
    "stage 2": {**STAGE_2, **SHARED, **UNEQUAL},
    "place": {**PLACE, **STAGE_2, **SHARED, **UNEQUAL},
    "csa": {**CSA, **PLAIN, "train.warmup_epochs": 0, **UNEQUAL},
    "network of places": {**NETWORK_OF_PLACES, "data.batch_size": 24},
}


def two(*words):
    """Two processes of torchrun that run a program; how they ended."""
    rdzv = ["--rdzv_backend=c10d", "--rdzv_endpoint=127.0.0.1:0"]
    launch = ["-m", "torch.distributed.run", "--nproc_per_node=2", *rdzv]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *launch, *map(str, words)], env=environment,
                          capture_output=True, text=True)  # fmt: skip


def written(folder):
    """A file of settings."""
    conf = folder / "c.yaml"
    conf.write_text("train: {learning_rate: 1.0e-3}\n")
    return str(conf)


def results(world, name):
    """The rows of a training's metrics, and its weights after the last epoch."""
    folder = f"{world['data.outputs']}/training/{name}"
    with open(f"{folder}/metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    if name.startswith("network of places"):
        return rows, {}
    return rows, load_checkpoint(f"{folder}/checkpoint_2.pth.tar")[0].state_dict()


def test_two_processes_train_as_one_does(world, tmp_path):
    """By every way of training, one after another in the same two processes."""
    conf = written(tmp_path)
    given = {way: overrides(world, EXACT, more) for way, more in WAYS.items()}
    jobs = {number: [[f"{way} by {number}", "--conf", conf, *words] for way, words in given.items()]
            for number in (1, 2)}  # fmt: skip
    runs.train_all(jobs[1])
    (tmp_path / "jobs.json").write_text(json.dumps(jobs[2]))
    done = two(runs.__file__, tmp_path / "jobs.json")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("epoch 2: loss") == len(WAYS), "one process speaks"
    for way in WAYS:
        assert_same(way, results(world, f"{way} by 1"), results(world, f"{way} by 2"))


def assert_same(way, one, two):
    (rows, weights), (others, other_weights) = one, two
    near = {"rel": 2e-3} if way == "network of places" else {"abs": 1e-5}
    assert len(rows) == len(others) == 3, way
    for row, other in zip(rows, others, strict=True):
        assert float(other["loss"] or 0) == pytest.approx(float(row["loss"] or 0), **near), way
        if weights:
            assert float(other["mAP@10"]) == pytest.approx(float(row["mAP@10"]), abs=1e-6), way
    close = {"atol": 1e-5, "rtol": 1e-4} if way == "csa" else {"atol": 2e-4, "rtol": 1e-3}
    for name, tensor in weights.items():
        if name.endswith("attn.in_proj_bias"):
            # Attention does not depend on the bias of the keys: Adam scales up its rounding error.
            for state in (weights, other_weights):
                state[name][32:64] = 0
        torch.testing.assert_close(other_weights[name], tensor, **close, msg=f"{way}: {name}")


def test_one_line_for_bad_input_from_several_processes(world, tmp_path):
    words = ["--conf", written(tmp_path), *overrides(world, {"data.batch_size": 7})]
    done = two("-m", "gcsa.train", "--name", "a", *words)
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
