"""--resume where what it goes on from is broken: from the last whole checkpoint, and it says so."""

import csv
import logging
from pathlib import Path

import pytest
import torch
from conftest import STAGE_2, overrides

from gcsa.config import load_config
from gcsa.errors import InputError
from gcsa.models.checkpoint import load_checkpoint
from gcsa.train import train
from gcsa.training.kept import last_state
from gcsa.training.optimisation import forward, make_optimizer, make_schedule
from gcsa.training.run import settings_of


@pytest.fixture
def trained(world):
    """A run of two epochs: its settings, its folder."""
    settings = overrides(world, STAGE_2)
    train(load_config(None, [*settings, "train.num_epochs=2"]), "a")
    return settings, Path(world["data.outputs"]) / "training/a"


def rows_of(folder):
    with open(folder / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def cut(path):
    path.write_bytes(path.read_bytes()[:1000])


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [cut, empty, Path.unlink])
def test_it_goes_on_from_the_last_whole_checkpoint(trained, harm, caplog):
    settings, folder = trained
    before, weights = rows_of(folder), load_checkpoint(folder / "checkpoint_2.pth.tar")[0]
    harm(folder / "resume.pth.tar")
    config = load_config(None, [*settings, "train.num_epochs=3"])
    state = last_state(folder, config)
    for name, tensor in weights.state_dict().items():
        torch.testing.assert_close(state["model"][name], tensor, rtol=0, atol=0)
    with caplog.at_level(logging.WARNING, "gcsa"):
        rows = train(config, "a", resume=True)
    (line,) = {m for m in caplog.messages if "fresh optimiser" in m}
    assert line.startswith(f"{folder / 'resume.pth.tar'}: ")
    assert line.endswith("; goes on from checkpoint_2.pth.tar, with a fresh optimiser")
    assert rows_of(folder)[:3] == before and len(rows) == 4
    assert rows[3]["learning_rate"] == pytest.approx(1e-4 * 0.9**2), "as after two epochs"


def test_a_checkpoint_that_is_broken_too_is_passed_over(trained, caplog):
    settings, folder = trained
    config = load_config(None, [*settings, "train.num_epochs=2"])
    cut(folder / "resume.pth.tar")
    cut(folder / "checkpoint_2.pth.tar")
    rows = train(config, "a", resume=True)
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert any("checkpoint_2.pth.tar: " in m and "passed over" in m for m in caplog.messages)
    for name in ("resume", "checkpoint_1", "checkpoint_2"):
        cut(folder / f"{name}.pth.tar")
    assert last_state(folder, config) is None
    assert caplog.messages[-1].endswith("no checkpoint is whole, begins anew")
    assert [row["epoch"] for row in train(config, "a", resume=True)] == [0, 1, 2]


def test_rows_that_metrics_csv_lacks_are_those_of_the_checkpoints(trained):
    settings, folder = trained
    config, before = load_config(None, settings), last_state(folder, load_config(None, settings))
    (folder / "resume.pth.tar").unlink()
    empty(folder / "metrics.csv")
    rows = last_state(folder, config)["rows"]
    assert rows[1:] == before["rows"][1:]
    assert rows[0] == {**dict.fromkeys(before["rows"][0]), "epoch": 0}
    assert len(train(config_of(settings, 3), "a", resume=True)) == 4, "row 0 is not needed"


def config_of(settings, epochs):
    return load_config(None, [*settings, f"train.num_epochs={epochs}"])


@pytest.mark.parametrize("schedule", ["step", "cosine"])
def test_a_fresh_schedule_is_brought_to_where_the_old_one_was(schedule):
    settings = load_config(None, [f"train.schedule={schedule}", "train.lr_step=2"]).train
    rates = []
    for steps in ([1] * 7, [7]):
        optimizer = make_optimizer([torch.nn.Parameter(torch.zeros(2))], settings)
        made = make_schedule(optimizer, settings, 3)
        for step in steps:
            forward(made, step)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates[0] == rates[1] < settings.learning_rate


@pytest.mark.parametrize("harm", [cut, empty])
def test_half_a_file_under_its_name_is_one_line_that_names_it(trained, harm):
    settings, folder = trained
    for name in ("checkpoint_1.pth.tar", "config.yaml"):
        harm(folder / name)
    with pytest.raises(InputError, match="checkpoint_1.pth.tar: .* that is whole") as told:
        load_checkpoint(folder / "checkpoint_1.pth.tar")
    assert "\n" not in str(told.value)
    for resume in (
        lambda: train(config_of(settings, 3), "a", resume=True),
        lambda: settings_of(str(folder)),
    ):
        with pytest.raises(InputError, match="a/config.yaml: ") as told:
            resume()
        # Where it was cut decides whether what is left is YAML.
        assert "not whole, it has no section 'train'" in str(told.value) or harm is cut
        assert "\n" not in str(told.value)
