"""Training end to end on little cities: files, repeatability, resuming, messages."""

import csv
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import SMALL, STAGE_2, overrides
from worlds import write_world

from gcsa import train as program
from gcsa.config import load_config
from gcsa.errors import InputError
from gcsa.evaluate import evaluate
from gcsa.models.checkpoint import load_checkpoint, read_settings
from gcsa.scoring.split import prepare
from gcsa.sideinfo.fov import FovConfig
from gcsa.train import train
from gcsa.training.run import Run
from gcsa.training.trainer import Trainer, build_model


def rows_of(world, name):
    with open(f"{world['data.outputs']}/training/{name}/metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def run(world, name, *settings, **options):
    return train(load_config(None, overrides(world, *settings)), name, **options)


def weights(world, name, epoch):
    path = f"{world['data.outputs']}/training/{name}/checkpoint_{epoch}.pth.tar"
    return load_checkpoint(path)[0].state_dict()


def first_batch(trainer, size):
    queries = trainer.sampler.epoch(np.random.default_rng(0))[:size]
    return trainer.stream.assemble(queries, trainer.stream.own_descriptors())


def assert_same_weights(one, two):
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_two_stages_and_their_files(world, tmp_path):
    run(world, "pre", {"train.num_epochs": 2, "train.keep_best": True})
    folder = tmp_path / "outputs" / "training" / "pre"
    expected = "checkpoint_1 checkpoint_2 checkpoint_best resume".split()
    expected = {f"{name}.pth.tar" for name in expected} | {"config.yaml", "metrics.csv", "log.txt"}
    assert {p.name for p in folder.iterdir()} == expected
    rows = rows_of(world, "pre")
    assert [r["epoch"] for r in rows] == ["0", "1", "2"] and rows[0]["loss"] == ""
    plain = evaluate(load_config(None, overrides(world)))["metrics"]
    assert {name: float(rows[0][name]) for name in plain} == plain
    assert [float(r["learning_rate"]) for r in rows[1:]] == pytest.approx([1e-4, 0.9e-4])

    checkpoint = str(folder / "checkpoint_2.pth.tar")
    stage_2 = {**STAGE_2, "train.init_proj": "random", "train.checkpoint": checkpoint}
    run(world, "main", stage_2, {"train.num_epochs": 1})
    before, after = weights(world, "pre", 2), weights(world, "main", 1)
    assert torch.equal(before["input_proj.weight"], after["input_proj.weight"]), "it is frozen"
    # The metrics of the last row are those that evaluate finds for the checkpoint.
    found = evaluate(
        load_config(None, overrides(world)), f"{folder.parent}/main/checkpoint_1.pth.tar"
    )
    assert {n: float(rows_of(world, "main")[1][n]) for n in plain} == found["metrics"]
    settings = read_settings(folder.parent / "main" / "checkpoint_1.pth.tar")
    assert settings["epoch"] == 1 and settings["config"]["model"]["affinity"] == [
        "positional-db",
        "heading",
    ]
    assert "epoch 1: loss" in (folder.parent / "main" / "log.txt").read_text()


def test_the_best_checkpoint_is_the_best(world):
    rows = run(world, "a", {"train.num_epochs": 4, "train.keep_best": True,
                            "train.learning_rate": 0.05})  # fmt: skip
    best = max(rows[1:], key=lambda r: r["mAP@10"])["epoch"]
    path = f"{world['data.outputs']}/training/a/checkpoint_best.pth.tar"
    assert_same_weights(load_checkpoint(path)[0].state_dict(), weights(world, "a", best))
    assert read_settings(path)["epoch"] == best


def test_a_run_that_ends_worse_than_no_re_ranking_says_so(world, caplog):
    rows = run(world, "a", {"train.num_epochs": 2})
    best, none = max(row["mAP@10"] for row in rows[1:]), rows[0]["mAP@10"]
    assert best < none, "a random projection, trained for a moment, is worse"
    last = caplog.records[-1]
    assert last.levelname == "WARNING" and last.message.startswith(
        f"worse than no re-ranking: validation mAP@10 is {100 * best:.2f} at best (epoch "
    )
    assert f"{100 * none:.2f} without" in last.message
    log = open(f"{world['data.outputs']}/training/a/log.txt").read()
    assert "worse than no re-ranking" in log.splitlines()[-1]


@pytest.mark.parametrize(
    ("values", "said"),
    [([0.5], False), ([0.5, 0.4, 0.5], False), ([0.5, 0.4, 0.49], True), ([0.5, 0.6, 0.1], False)],
)
def test_when_a_run_is_worse_than_no_re_ranking(tmp_path, values, said):
    rows = [{"epoch": epoch, "mAP@10": value} for epoch, value in enumerate(values)]
    line = Run(tmp_path, load_config(), rows).no_gain()
    assert (line is not None) == said
    assert not said or "49.00 at best (epoch 2), 50.00 without" in line


def test_the_same_seed_gives_the_same_run(world):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(world, name, STAGE_2, {"train.num_epochs": 2, "train.seed": seed})
    files = [open(f"{world['data.outputs']}/training/{n}/metrics.csv").read() for n in "abc"]
    assert files[0] == files[1] != files[2]
    assert_same_weights(weights(world, "a", 2), weights(world, "b", 2))


def test_the_number_of_threads_changes_nothing(world):
    for name, workers in (("a", 0), ("b", 5)):
        run(world, name, STAGE_2, {"train.num_epochs": 1, "data.num_workers": workers})
    assert_same_weights(weights(world, "a", 1), weights(world, "b", 1))


@pytest.mark.parametrize("dies_in", [1, 3])
def test_a_run_that_dies_within_an_epoch_resumes_to_the_same_weights(world, monkeypatch, dies_in):
    settings = (STAGE_2, {"train.num_epochs": 4})
    run(world, "whole", *settings)
    step, calls = Trainer.step, []

    def failing(self, *batch):
        calls.append(1)
        if len(calls) == 5 * (dies_in - 1) + 3:  # five batches an epoch
            raise KeyboardInterrupt
        return step(self, *batch)

    monkeypatch.setattr(Trainer, "step", failing)
    with pytest.raises(KeyboardInterrupt):
        run(world, "cut", *settings)
    assert len(rows_of(world, "cut")) == dies_in
    monkeypatch.setattr(Trainer, "step", step)
    run(world, "cut", *settings, resume=True)
    assert_same_weights(weights(world, "whole", 4), weights(world, "cut", 4))
    assert rows_of(world, "whole") == rows_of(world, "cut")


def test_a_killed_process_resumes(world):
    """SIGKILL at whatever moment, then --resume on the command line."""
    conf = f"{world['data.root']}/c.yaml"
    with open(conf, "w") as file:
        file.write("train: {learning_rate: 1.0e-3}\n")

    def command(name, epochs, *more):
        settings = overrides(world, STAGE_2, {"train.num_epochs": epochs})
        words = [sys.executable, "-m", "gcsa.train", "--conf", conf, "--name", name]
        return [*words, *more, *settings]

    process = subprocess.Popen(command("cut", 100_000), stderr=subprocess.DEVNULL)
    metrics = f"{world['data.outputs']}/training/cut/metrics.csv"
    while not os.path.exists(metrics) or len(rows_of(world, "cut")) < 3:
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    epochs = len(rows_of(world, "cut")) + 3
    for words in (command("whole", epochs), command("cut", epochs, "--resume")):
        subprocess.run(words, check=True, capture_output=True)
    assert_same_weights(weights(world, "whole", epochs), weights(world, "cut", epochs))
    assert rows_of(world, "whole") == rows_of(world, "cut")


def test_resuming_with_other_settings_is_refused(world):
    run(world, "a", {"train.num_epochs": 1})
    with pytest.raises(InputError, match="train.learning_rate was 0.0001, is 0.5"):
        run(world, "a", {"train.num_epochs": 2, "train.learning_rate": 0.5}, resume=True)
    with pytest.raises(InputError, match="nothing to resume"):
        run(world, "new", resume=True)
    assert len(run(world, "a", {"train.num_epochs": 2}, resume=True)) == 3


def test_an_old_run_is_moved_aside(world, tmp_path):
    for _ in range(3):
        run(world, "a", {"train.num_epochs": 0})
    assert {p.name for p in (tmp_path / "outputs" / "training").iterdir()} == {"a", "a.1", "a.2"}
    with pytest.raises(InputError, match="--name: 'a/b' is not a folder's name"):
        run(world, "a/b")


def test_one_batch_can_be_overfitted(world):
    config = load_config(None, overrides(
        world, STAGE_2, {"model.input_dropout": 0, "model.attn_dropout": 0,
                         "train.learning_rate": 3e-3, "train.own_positive": False,
                         "train.skip_empty": True}))  # fmt: skip
    scenes = prepare(config.data, config.fov, config.model.affinity, "train", 40)
    trainer = Trainer(config, scenes, torch.device("cpu"))
    batch = first_batch(trainer, 6)
    losses = [float(trainer.step(batch)) for _ in range(400)]
    assert losses[0] > 0.3 and losses[-1] < 0.03


def test_settings_beyond_the_published_loop(world):
    """What each setting says about the loss is what the loss then is."""
    scenes = None
    found = {}
    for own in (True, False):
        config = load_config(None, overrides(
            world, {"train.own_positive": own, "model.input_dropout": 0}))  # fmt: skip
        scenes = scenes or prepare(config.data, config.fov, [], "train", 40)
        trainer = Trainer(config, scenes, torch.device("cpu"))
        found[own] = trainer.step(first_batch(trainer, 8))
    assert found[True] < found[False], "the query as its own positive flatters"


def test_projection_by_pca_keeps_the_inner_products(world):
    config = load_config(None, overrides(world, {"train.init_proj": "pca", "model.proj_dim": 31}))
    scenes = prepare(config.data, config.fov, [], "train", 40)
    model = build_model(config, scenes).eval()
    descriptors = torch.tensor(np.asarray(scenes[0].scene.database.descriptors)).float()
    weight = model.input_proj.weight.detach()
    torch.testing.assert_close(weight @ weight.T, torch.eye(31), atol=1e-4, rtol=0)
    sets = [np.asarray(i.descriptors, dtype="f4") for s in scenes
            for i in (s.scene.database, s.scene.queries)]  # fmt: skip
    centred = descriptors - torch.from_numpy(np.concatenate(sets).mean(0))
    with torch.no_grad():
        # 31 of 32 axes: all but the weakest direction is kept.
        error = model.input_proj(descriptors).norm(dim=1) - centred.norm(dim=1)
    assert error.abs().max() < 0.2 and error.max() < 1e-4


def test_a_frozen_random_projection_is_refused(world):
    with pytest.raises(InputError, match="the projection would stay random"):
        run(world, "a", {"train.freeze_input_proj": True, "model.num_layers": 1})


def test_a_checkpoint_that_is_not_there_is_said_before_anything_is_read(tmp_path):
    config = load_config(None, ["train.checkpoint=none.pth.tar", f"data.outputs={tmp_path}"])
    with pytest.raises(InputError, match="train.checkpoint: none.pth.tar: no such checkpoint"):
        train(config, "a")
    assert not list(tmp_path.iterdir())


def test_a_frozen_identity_projection_works(world):
    run(world, "a", STAGE_2, {"model.proj_dim": 32, "train.num_epochs": 1})
    assert "input_proj.weight" not in weights(world, "a", 1)
    with pytest.raises(InputError, match="nothing to train"):
        run(world, "b", {"model.proj_dim": 32})


def test_a_loss_that_is_not_finite_stops_the_run(world, monkeypatch):
    monkeypatch.setattr(
        "gcsa.training.network.scores", lambda refined, *head: refined[:, :, 0] * float("nan")
    )
    with pytest.raises(InputError, match="epoch 1, step 1: the loss is nan; try a lower"):
        run(world, "a", STAGE_2)
    assert len(rows_of(world, "a")) == 1


def test_descriptors_that_do_not_fit_the_model(world):
    with pytest.raises(InputError, match="length 32, the model reads 99"):
        run(world, "a", {"model.input_dim": 99})


def test_a_second_descriptor_needs_only_a_config(world, tmp_path):
    """Another file and length: two settings, whatever else stays."""
    conf = tmp_path / "other.yaml"
    conf.write_text("data: {desc_fn: other.h5}\nmodel: {input_dim: 48}\n")
    cities = {"zurich": "train_val", "boston": "train_val", "cph": "train_val"}
    fresh = tmp_path / "second"
    write_world(fresh, cities, dim=48)
    for path in (fresh / "outputs" / "msls").rglob("*.h5"):
        path.rename(path.with_name("other.h5"))
    changed = {k: v for k, v in SMALL.items() if k != "model.input_dim"}
    roots = {"data.root": fresh / "datasets", "data.outputs": fresh / "outputs"}
    rows = train(load_config(conf, overrides(changed, roots, {"train.num_epochs": 1})), "other")
    assert len(rows) == 2 and load_checkpoint(
        fresh / "outputs/training/other/checkpoint_1.pth.tar"
    )[0].input_dim == 48  # fmt: skip


def test_half_precision_trains_close_to_full(world):
    losses = {}
    for precision in ("fp32", "bf16"):
        rows = run(world, precision, STAGE_2, {"train.num_epochs": 1, "train.precision": precision})
        losses[precision] = rows[1]["loss"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], abs=0.02)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_losses_are_of_full_precision(world, precision):
    """Scores of half precision made the loss NaN where no bin near 1 held an entry."""
    losses = {}
    for name in ("fp32", precision):
        settings = {"train.precision": name, "train.own_positive": False, "train.init_proj": "pca"}
        losses[name] = run(world, name, settings, {"train.num_epochs": 1})[1]["loss"]
    assert losses[precision] == pytest.approx(losses["fp32"], abs=0.02)


def test_a_run_may_be_resumed_in_another_precision(world):
    """As on another device, where "auto" means another one."""
    run(world, "a", {"train.num_epochs": 1})
    trainer = Trainer(
        load_config(None, overrides(world, {"train.precision": "fp16"})),
        prepare(load_config(None, overrides(world)).data, FovConfig(), [], "train", 40),
        torch.device("cpu"),
    )
    trainer.scaler = torch.amp.GradScaler("cpu", enabled=True)
    with Run.start(load_config(None, overrides(world)), "a", True) as opened:
        state = opened.restore()
    assert state["scaler"] == {}
    trainer.load_state(state)


def test_resuming_needs_no_other_checkpoint(world, tmp_path):
    """What stage 2 started from may be gone or trained anew: its weights are in the run."""
    run(world, "first", {"train.num_epochs": 1})
    first = tmp_path / "outputs/training/first"
    given = {**STAGE_2, "train.init_proj": "random"}
    given["train.checkpoint"] = first / "checkpoint_1.pth.tar"
    run(world, "second", given, {"train.num_epochs": 1})
    shutil.rmtree(first)
    rows = run(world, "second", given, {"train.num_epochs": 2}, resume=True)
    assert len(rows) == 3
    assert_same_weights(
        {k: v for k, v in weights(world, "second", 1).items() if k.startswith("input_proj")},
        {k: v for k, v in weights(world, "second", 2).items() if k.startswith("input_proj")},
    )


def test_outputs_that_cannot_be_written(world, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="file/training/a: cannot be written"):
        run(world, "a", {"data.outputs": tmp_path / "file", "train.num_epochs": 0})


def test_scenes_without_truth_cannot_be_trained_on(world, tmp_path):
    config = load_config(None, overrides(world))
    scenes = prepare(config.data, config.fov, [], "train", 40)
    scenes[1] = replace(scenes[1], labels=None)
    with pytest.raises(InputError, match="boston: what is relevant to its queries is not known"):
        Trainer(config, scenes, torch.device("cpu"))


def test_wandb_is_imported_on_demand_alone(world, monkeypatch, tmp_path):
    assert "wandb" not in sys.modules
    run(world, "plain", {"train.num_epochs": 0})
    assert "wandb" not in sys.modules
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(InputError, match="--wandb_project: wandb is not installed"):
        run(world, "tracked", {"train.num_epochs": 0}, wandb_project="p")


def test_the_program_ends_with_one_line_on_bad_input(world, tmp_path):
    def call(*arguments):
        command = [sys.executable, "-m", "gcsa.train", *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    done = call("--name", "x", "--conf", "none.yaml")
    assert done.returncode == 2 and done.stderr.startswith("error: none.yaml: no such config file")
    assert done.stderr.count("\n") == 1
    assert call("--help").returncode == 0


def test_verbose_and_log_level(world, monkeypatch, tmp_path):
    (tmp_path / "c.yaml").write_text("{}")
    argv = ["train", "--name", "v", "--conf", str(tmp_path / "c.yaml"), "--verbose"]
    monkeypatch.setattr("sys.argv", [*argv, *overrides(world, {"train.num_epochs": 0})])
    program.main()
    assert logging.getLogger("gcsa").level == logging.DEBUG
    logging.getLogger("gcsa").setLevel(logging.NOTSET)  # as it was for the tests that follow
