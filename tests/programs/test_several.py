"""Programs by several processes, on two machines, or killed half way: what one process finds."""

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
import several
import torch
from benchmark_worlds import checkpoint
from conftest import SMALL, STAGE_2, overrides
from PIL import Image
from worlds import write_world

from gcsa.config import load_config
from gcsa.models.checkpoint import load_checkpoint

# Chance is drawn by each process for itself: without dropout there is none.
EXACT = {"model.input_dropout": 0, "model.attn_dropout": 0, "train.num_epochs": 2}
HERE = Path(several.__file__)


def make(folder, kill=None, only=None):
    """A world of its own in ``folder``, and what is to be done in it."""
    cities = {"zurich": "train_val", "boston": "train_val", "cph": "train_val"}
    world = {**write_world(folder, cities), **SMALL, **EXACT, **STAGE_2}
    world |= {"data.train_scenes": "[zurich]", "train.projection": "shared", "data.batch_size": 4}
    settings = overrides(world, {"data.query_gps": True, "data.search": "fp32"})
    (folder / "c.yaml").write_text("train: {learning_rate: 1.0e-3}\n")
    torch.manual_seed(0)
    checkpoint(folder / "c.pth.tar", load_config(None, settings))
    (folder / "photos").mkdir()
    for number in range(9):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((96, 64)).save(folder / "photos" / f"{number}.png")
    asked = {"settings": settings, "kill": kill or {}, "only": only}
    (folder / "settings.json").write_text(json.dumps(asked))
    return settings


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    settings = make(folder)
    with pytest.MonkeyPatch.context() as patch:
        for (module, name), value in several.SMALL.items():
            patch.setattr(module, name, value)
        patch.setattr("sys.argv", [])
        several.run(folder, settings)
    return folder


def start(folder, *options):
    """A torchrun of the day's work, as one starts it on each machine."""
    launch = [sys.executable, "-m", "torch.distributed.run", *options, str(HERE), str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parents[1])}
    return subprocess.Popen(launch, env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)  # fmt: skip


def benchmarked(out):
    """The table of the benchmark without what the work cost."""
    lines = (out / "benchmark.md").read_text().splitlines()
    rows = [line.split("|") for line in lines if line.startswith("|")]
    assert [row[1].strip() for row in rows[2:]] == ["no re-ranking", "alpha-qe", "affinity",
                                                    "posterior"]  # fmt: skip
    assert [cell.strip() for cell in rows[0][-4:-2]] == ["ms a query", "MB"]
    return [row[:-4] + row[-2:] for row in rows]


def names(out):
    return {p.relative_to(out) for p in out.rglob("*") if p.is_file()}


def assert_same(one, folder):
    out, other = one / "out", folder / "out"
    assert names(other) <= names(out)
    for name in names(other):
        if name.suffix in (".json", ".geojson", ".txt"):
            assert (out / name).read_text() == (other / name).read_text(), name
    for number in (1, 7, 40):
        with np.load(out / f"{number}.npz") as a, np.load(other / f"{number}.npz") as b:
            np.testing.assert_array_equal(a["scores"], b["scores"])
            # Which of equal scores stand last is not defined.
            known = a["scores"] > a["scores"][:, -1:]
            np.testing.assert_array_equal(a["indices"][known], b["indices"][known])
    for city in ("cph", "zurich"):
        pack = f"outputs/msls/{city}/global-feats-test.pack.npy"
        assert (one / pack).read_bytes() == (folder / pack).read_bytes()
    with h5py.File(out / "f.h5") as a, h5py.File(other / "f.h5") as b:
        for name in a:
            values = [f[name]["global_descriptor"][:] for f in (a, b)]
            np.testing.assert_array_equal(*values)
    models = [load_checkpoint(f / "outputs/training/t/checkpoint_2.pth.tar")[0].state_dict()
              for f in (one, folder)]  # fmt: skip
    for name, tensor in models[0].items():
        if name.endswith("attn.in_proj_bias"):
            # Attention does not depend on the bias of the keys: Adam scales up its rounding error.
            for state in models:
                state[name][32:64] = 0
        torch.testing.assert_close(models[1][name], tensor, atol=2e-4, rtol=1e-3)
    assert not list(folder.rglob("parts")) and not list(folder.rglob("*.parts"))


def test_two_machines_of_two_processes(one, tmp_path):
    make(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        end = f"--rdzv_endpoint=127.0.0.1:{free.getsockname()[1]}"
    options = ["--nnodes=2", "--nproc_per_node=2", "--rdzv_backend=c10d", end, "--rdzv_id=day"]
    agents = [start(tmp_path, *options, "--local_addr=127.0.0.1") for _ in range(2)]
    said = [agent.communicate() for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0], said
    spoken = "".join(text for _, text in said)
    assert spoken.count("epoch 2: loss") == 1, "one process speaks"
    pieces = Counter()
    for rank in range(4):
        made = [line for line in (tmp_path / f"events.{rank}").read_text().splitlines()
                if " made " in line]  # fmt: skip
        pieces[rank] = len(made)
    assert min(pieces.values()) > 0, "all of them work"
    assert_same(one, tmp_path)
    assert names(one / "out") == names(tmp_path / "out")
    assert benchmarked(one / "out") == benchmarked(tmp_path / "out")


def test_a_process_that_is_killed_is_replaced(one, tmp_path):
    kill = {"0": {"after": "piece", "count": 12},
            "1": {"rank": 0, "after": "epoch", "count": 2}}  # fmt: skip
    make(tmp_path, kill, ["locate", "extract", "train"])
    options = ["--nproc_per_node=2", "--rdzv_backend=c10d", "--rdzv_endpoint=127.0.0.1:0"]
    agent = start(tmp_path, *options, "--max_restarts=2", "--monitor_interval=0.1")
    said = agent.communicate()
    assert agent.returncode == 0, said
    events = [line.split() for rank in (0, 1)
              for line in (tmp_path / f"events.{rank}").read_text().splitlines()]  # fmt: skip
    assert {attempt for attempt, *_ in events} == {"0", "1", "2"}
    made = [{name for attempt, what, name in events if (attempt, what) == (a, "made")}
            for a in "01"]  # fmt: skip
    assert made[0] and not made[0] & made[1], "what is written is not done again"
    epochs = [(attempt, name) for attempt, what, name in events if what == "epoch"]
    assert sorted(set(epochs)) == [("1", "0"), ("1", "1"), ("2", "2")], "it goes on"
    assert_same(one, tmp_path)
