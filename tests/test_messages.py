"""Messages that docs/troubleshooting.md quotes outside of its commands, made by the program."""

import errno
import logging
import re

import pytest
import torch
from conftest import STAGE_2, overrides
from pages import ROOT, agrees, blocks, prose

from gcsa import distributed
from gcsa.config import Config, load_config
from gcsa.errors import InputError
from gcsa.errors.machine import of_the_machine
from gcsa.errors.output import OutputError
from gcsa.files import write_text
from gcsa.models.checkpoint import save_checkpoint
from gcsa.models.gcsa import GCSA
from gcsa.scoring.split import prepare
from gcsa.train import REMEDY, train
from gcsa.training.kept import last_state
from gcsa.training.optimisation import check_finite
from gcsa.training.run import Run
from gcsa.training.session import log_file

PAGE = ROOT / "docs/troubleshooting.md"
FULL = OSError(errno.ENOSPC, "No space left on device")


def test_lines_about_the_machine_are_those_of_the_program(tmp_path, monkeypatch, caplog):
    made = [
        f"error: {_written_to_a_full_disk(tmp_path, monkeypatch)}",
        _logged_to_a_full_disk(tmp_path, caplog),
        _resumed_from_a_checkpoint(tmp_path, caplog),
        f"error: {_lost(monkeypatch)}",
        f"error: {of_the_machine(MemoryError('CUDA out of memory. Tried to allocate 9 GiB'))}",
        f"error: {of_the_machine(PermissionError(errno.EACCES, 'Permission denied', 'a.h5'))}",
        f"error: {OutputError(BrokenPipeError(errno.EPIPE, 'Broken pipe'))}",
        f"error: {OutputError(FULL)}",
    ]
    (quoted,) = (block.text.splitlines() for block in blocks(PAGE, "text"))
    for line, of_page in zip(made, quoted, strict=True):
        assert agrees(line, of_page), f"{line}\n{of_page}"


def _written_to_a_full_disk(tmp_path, monkeypatch):
    def full(*_):
        raise FULL

    with monkeypatch.context() as patched, pytest.raises(InputError) as told:
        patched.setattr("gcsa.files.os.replace", full)
        write_text(tmp_path / "a.txt", "a")
    return told.value


def _logged_to_a_full_disk(tmp_path, caplog):
    def full(_):
        raise FULL

    with log_file(Run(tmp_path, Config())):
        (handler,) = (h for h in logging.getLogger("gcsa").handlers if hasattr(h, "baseFilename"))
        handler.format = full
        logging.getLogger("gcsa").info("x")
    return next(message for message in caplog.messages if "log.txt" in message)


def _resumed_from_a_checkpoint(tmp_path, caplog):
    for epoch in (1, 2):
        model = GCSA(8, 4, 8, 3, 2, 0, 2, aff_dim=1)
        kept = {"metrics": {"epoch": epoch, "mAP@10": 0.5}}
        save_checkpoint(tmp_path / f"checkpoint_{epoch}.pth.tar", model, [], kept)
    (tmp_path / "resume.pth.tar").write_bytes(b"PK")
    assert last_state(tmp_path, Config()) is not None
    return caplog.messages[-1]


def _lost(monkeypatch):
    """One process, joined with itself alone, that hears what gloo says of a lost one."""
    settings = {"WORLD_SIZE": 1, "RANK": 0, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 0}
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError) as told, distributed.processes(Config().train.timeout, REMEDY):
        raise RuntimeError("Connection closed by peer [127.0.0.1]:29500")
    return told.value


def quoted(start):
    """The message in the page's prose that begins so; "..." stands for anything."""
    (found,) = re.findall(rf"`({re.escape(start)}[^`]*)`", prose(PAGE))
    return found


def test_a_loss_that_is_nan():
    with pytest.raises(InputError) as told:
        check_finite(float("nan"), 1, 40)
    assert agrees(str(told.value), quoted("epoch 1, step 40: "))


def test_no_query_to_train_on(world):
    settings = {"data.train_labels": "dist@0.0001", "train.skip_empty": True}
    with pytest.raises(InputError) as told:
        train(load_config(None, overrides(world, settings)), "a")
    assert agrees(str(told.value), quoted("no query of the training scenes"))


def test_a_training_that_gains_nothing(tmp_path):
    rows = [{"epoch": e, "mAP@10": v} for e, v in enumerate((0.5, 0.4))]
    assert agrees(Run(tmp_path, Config(), rows).no_gain(), quoted("worse than no re-ranking"))


def test_side_information_without_data(world, caplog):
    config = load_config(None, overrides(world, STAGE_2, {"model.affinity": "[radio]"}))
    prepare(config.data, config.fov, config.model.affinity, "val", 20)
    assert any(quoted("no data for affinity") in message for message in caplog.messages)


def test_a_pack_that_cannot_be_written(tmp_path):
    (tmp_path / "a.pack.npy").mkdir()
    with pytest.raises(InputError) as told:
        write_text(tmp_path / "a.pack.npy", "x")
    assert quoted("...pack.npy").removeprefix("...") in str(told.value)
