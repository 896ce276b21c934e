"""Writers of the package struck at any of their file operations, in children of this process.

Run as a program under the shim, see :func:`shims.struck`:

    striking.py FOLDER kills COUNT SEED      so many kills, at chosen and at random moments
    striking.py FOLDER faults                a full disk from, and EIO at, every operation

Prints a line of JSON: how many strikes there were, and what was found wrong.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import torch

from gcsa.config import Config
from gcsa.datasets.lamar.label_files import LabelFile, load_labels, save_labels
from gcsa.descriptors.new_hdf5 import new_hdf5
from gcsa.errors import InputError
from gcsa.files import write_text
from gcsa.models.checkpoint import load_checkpoint, save_checkpoint
from gcsa.models.gcsa import GCSA
from gcsa.training.kept import PARTS, last_state
from gcsa.training.run import Run

COUNT, FAIL_ONCE, FAIL_FROM, KILL_BEFORE, KILL_WITHIN = range(5)
REFUSED, BROKEN = 3, 4  # how a child ends that was told, or that was not


def model(version):
    made = GCSA(8, 4, 8, 3, 2, 0, 2, aff_dim=1)
    for parameter in made.parameters():
        torch.nn.init.constant_(parameter, version)
    return made


class Text:
    def write(self, folder, version):
        write_text(folder / "new/a.txt", f"{version}\n" * 5000)

    def read(self, folder):
        path = folder / "new/a.txt"
        lines = set(path.read_text().split()) if path.exists() else {"0"}
        assert len(lines) == 1
        return int(lines.pop())


class Labels:
    def write(self, folder, version):
        topk = np.arange(6).reshape(2, 3)
        save_labels(folder / "labels.npz", LabelFile(topk, topk >= 0, np.full(2, version)))

    def read(self, folder):
        path = folder / "labels.npz"
        return int(load_labels(path, 2, 6, 3).num_pos[0]) if path.exists() else 0


class Features:
    def write(self, folder, version):
        with new_hdf5(folder / "features.h5") as file:
            for i in range(4):
                file[f"{i}/global_descriptor"] = np.full(64, version, np.float16)

    def read(self, folder):
        path = folder / "features.h5"
        if not path.exists():
            return 0
        with h5py.File(path) as file:
            values = {int(v) for i in range(4) for v in file[f"{i}/global_descriptor"][:]}
        assert len(values) == 1
        return values.pop()


class Checkpoint:
    def write(self, folder, version):
        save_checkpoint(folder / "a.pth.tar", model(version), [], {"epoch": version})

    def read(self, folder):
        path = folder / "a.pth.tar"
        if not path.exists():
            return 0
        return int(next(load_checkpoint(path)[0].parameters()).flatten()[0])


class Epoch:
    """All that a run keeps of an epoch, four files: an epoch is there or it is not.

    The first version is epoch 0, before training.
    """

    def _run(self, folder):
        config = Config()
        config.train.keep_best = True
        return Run(folder / "run", config)

    def write(self, folder, version):
        run, epoch = self._run(folder), version - 1
        run.rows = [{"epoch": e, "mAP@10": e / 1e6} for e in range(epoch)]
        row = {"epoch": epoch, "mAP@10": epoch / 1e6}
        run.finish_epoch(row, model(version), {part: [] for part in PARTS - {"rows", "model"}})

    def read(self, folder):
        run = self._run(folder)
        state = last_state(run.folder, run.config) if run.folder.is_dir() else None
        if state is None:
            return 0
        assert "optimizer" in state
        version = len(state["rows"])
        assert [row["epoch"] for row in state["rows"]] == list(range(version))
        assert {int(tensor.flatten()[0]) for tensor in state["model"].values()} == {version}
        return version


WRITERS = [Text(), Labels(), Features(), Checkpoint(), Epoch()]


class Striker:
    def __init__(self, folder):
        self.shim = ctypes.CDLL(None)
        self.folder, self.wrong, self.strikes = folder, [], 0

    def child(self, writer, moment, mode, number=0, after=None):
        """The wait status of a child that writes the next version; ``after``: killed so late."""
        version = self.there(writer) + 1
        child = os.fork()
        if not child:
            os._exit(self._work(writer, version, moment, mode, number))
        if after is not None:
            time.sleep(after)
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        self.strikes += moment > 0 or after is not None
        found = self.there(writer)
        done = os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
        told = os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == REFUSED
        if not (found == version if done else told and found in (version - 1, version)):
            name = type(writer).__name__
            self.wrong.append([name, moment, mode, number, status, version, found])
        return status

    def _work(self, writer, version, moment, mode, number):
        self.shim.fault_arm(bytes(self.folder), ctypes.c_long(moment), mode, number)
        try:
            writer.write(self.folder, version)
            return 0
        except InputError as error:
            return REFUSED if "cannot be written" in str(error) else BROKEN
        except BaseException as error:
            print(type(writer).__name__, moment, mode, repr(error), file=sys.stderr)
            return BROKEN

    def there(self, writer):
        """The version that is on the disk, whole; -1 where it is not whole."""
        try:
            return writer.read(self.folder)
        except Exception as error:
            print(type(writer).__name__, repr(error), file=sys.stderr)
            return -1

    def operations(self, writer):
        """How many operations writing takes, and seconds; a child's, as each sweeps once."""
        read, write = os.pipe()
        if not os.fork():
            start = time.perf_counter()
            self.shim.fault_arm(bytes(self.folder), ctypes.c_long(0), COUNT, 0)
            writer.write(self.folder, self.there(writer) + 1)
            count = self.shim.fault_count()
            os.write(write, json.dumps([count, time.perf_counter() - start]).encode())
            os._exit(0)
        os.wait()
        os.close(write)
        with open(read) as pipe:
            return json.load(pipe)


def kills(striker, count, seed):
    chance = random.Random(seed)
    costs = [striker.operations(writer) for writer in WRITERS]
    for _ in range(count):
        writer, (operations, seconds) = chance.choice(list(zip(WRITERS, costs, strict=True)))
        moment, mode = chance.randint(1, operations), chance.choice([KILL_BEFORE, KILL_WITHIN])
        if chance.random() < 0.25:
            striker.child(writer, 0, COUNT, after=chance.random() * seconds)
        else:
            striker.child(writer, moment, mode)


def faults(striker):
    for writer in WRITERS:
        for moment in range(1, striker.operations(writer)[0] + 1):
            striker.child(writer, moment, FAIL_FROM, errno.ENOSPC)
            striker.child(writer, moment, FAIL_ONCE, errno.EIO)


def main():
    torch.set_num_threads(1)
    folder, what, *numbers = sys.argv[1:]
    striker = Striker(Path(folder))
    {"kills": kills, "faults": faults}[what](striker, *map(int, numbers))
    for writer in WRITERS:  # the last one sweeps what was left
        striker.child(writer, 0, COUNT)
    left = [str(path) for path in Path(folder).rglob(".gcsa-*")]
    print(json.dumps({"strikes": striker.strikes, "wrong": striker.wrong, "left": left}))


if __name__ == "__main__":
    main()
