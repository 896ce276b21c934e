"""One process trains a run; a lock ends with its process, and leaves nothing behind."""

import os
import signal
import subprocess
import sys

import pytest
from conftest import overrides

from gcsa.config import load_config
from gcsa.errors import InputError
from gcsa.train import train
from gcsa.training.holding import held
from gcsa.training.kept import last_state

TRAINS = "another process trains this run now"
HOLDER = """
import sys, time
from gcsa.config import load_config
from gcsa.training.run import Run
with Run.start(load_config(None, sys.argv[3:]), sys.argv[1], sys.argv[2] == "resume"):
    print("ready", flush=True)
    time.sleep(10_000)
"""


@pytest.fixture
def settings(world):
    return overrides(world, {"train.num_epochs": 0})


@pytest.fixture
def holder(settings):
    """A process that holds the run "a"."""
    command = [sys.executable, "-c", HOLDER, "a", "new", *settings]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_start_is_refused_while_the_first_lives(settings, holder, tmp_path):
    config, folder = load_config(None, settings), tmp_path / "outputs/training/a"
    before = sorted(os.listdir(folder))
    assert before == ["config.yaml"], "nothing of the lock is in the folder"
    for signalled in (None, signal.SIGSTOP):  # stopped is alive
        if signalled:
            holder.send_signal(signalled)
        for resume in (False, True):
            with pytest.raises(InputError, match=f"training/a: {TRAINS}") as told:
                train(config, "a", resume)
            assert "\n" not in str(told.value)
    assert sorted(os.listdir(folder)) == before
    assert sorted(os.listdir(folder.parent)) == ["a"]
    assert last_state(folder, config) is None, "who reads is not refused"
    holder.kill()
    holder.wait()
    assert len(train(config, "a", resume=True)) == 1, "the lock of a dead process is none"
    assert len(train(config, "a")) == 1, "nor is one of this process left"


def test_a_folder_moved_away_is_not_mistaken(tmp_path, monkeypatch):
    """Between opening it and locking it, another process has moved it aside."""
    folder = tmp_path / "a"
    folder.mkdir()
    real = os.open

    def moved(path, *flags):
        handle = real(path, *flags)
        folder.rename(tmp_path / "a.1")
        folder.mkdir()
        return handle

    monkeypatch.setattr("gcsa.training.holding.os.open", moved)
    with pytest.raises(InputError, match=TRAINS), held(folder):
        pass


def test_a_copy_of_a_run_is_free(settings, holder, tmp_path):
    training = tmp_path / "outputs/training"
    subprocess.run(["cp", "-r", training / "a", training / "b"], check=True)
    assert len(train(load_config(None, settings), "b", resume=True)) == 1
