"""A training run on disk: outputs/training/<name>/.

config.yaml (resolved), checkpoint_<epoch>.pth.tar, checkpoint_best.pth.tar where asked for,
metrics.csv (row 0 is without re-ranking, or training), log.txt, and resume.pth.tar: all that the
next epoch needs, written last, so that a run killed at any moment goes on from its last whole
epoch. One process at a time trains a run.
"""

from __future__ import annotations

import csv
import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gcsa import distributed
from gcsa.config import Config, as_dict, load_config, save_config
from gcsa.config.train import BY_STEP
from gcsa.datasets.settings import DataConfig
from gcsa.descriptors.networks.network import Network
from gcsa.errors import InputError, MissingFileError, nearest
from gcsa.files import make_folder, replacing
from gcsa.models.checkpoint import Model, save_archive, save_checkpoint
from gcsa.models.place import PlaceNet
from gcsa.models.place_files import save_place
from gcsa.training.holding import held
from gcsa.training.kept import METRICS, STATE, last_state
from gcsa.training.network_files import save_network
from gcsa.written import read_yaml

logger = logging.getLogger(__name__)

# Settings that may differ when a run is resumed: they change where and how long, not what.
FREE_SETTINGS = {
    "data.root",
    "data.photos",
    "data.outputs",
    "data.descriptors",
    "data.num_workers",
    "data.memory",
    "data.on_device",
    "train.num_epochs",
    "train.device",
    "train.timeout",
}
CONFIG = "config.yaml"


@dataclass
class Run:
    """The folder of a run, and the rows of its metrics.csv so far."""

    folder: Path
    config: Config
    rows: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    @contextmanager
    def start(cls, config: Config, name: str, resume: bool) -> Iterator[Run]:
        """Hold the folder of run ``name``: an old one is resumed, or moved aside.

        InputError where another process holds it.
        """
        if not name or Path(name).name != name:
            raise InputError(f"--name: '{name}' is not a folder's name")
        run = cls(Path(config.data.outputs) / "training" / name, config)
        if distributed.rank() > 0:  # only the first of several processes writes
            yield run
            return
        with ExitStack() as stack:
            old = run.folder.is_dir()
            if old:
                stack.enter_context(held(run.folder))
            if resume:
                run._check_same_settings()
            elif (run.folder / METRICS).exists():
                logger.info("%s exists, moved to %s", run.folder, _move_aside(run.folder))
                old = False
            make_folder(run.folder)
            if not old:
                stack.enter_context(held(run.folder))
            save_config(config, run.folder / CONFIG)
            yield run

    @property
    def address(self) -> str:
        """What ``--resume`` finds the run by: its name, or its folder where that is elsewhere."""
        usual = self.config.data.outputs == DataConfig().outputs
        return self.folder.name if usual else str(self.folder)

    @property
    def epoch(self) -> int:
        """The last epoch that is whole; 0 is the evaluation before training."""
        return len(self.rows) - 1

    def finish_epoch(
        self,
        row: dict[str, Any],
        model: Model | Network | PlaceNet,
        training_state: dict[str, Any],
    ) -> None:
        """Keep an epoch: its checkpoint, its row of metrics.csv, and what resuming needs."""
        self.rows.append(row)
        if distributed.rank() > 0:
            return
        if row["epoch"] > 0:
            self._save(model, row, f"checkpoint_{row['epoch']}.pth.tar")
            if self.config.train.keep_best and row is self.best():
                self._save(model, row, "checkpoint_best.pth.tar")
        self._write_metrics()
        content = {"rows": self.rows, "model": model.state_dict(), **training_state}
        save_archive(self.folder / STATE, content, {})

    def restore(self) -> dict[str, Any] | None:
        """What the last whole epoch left; None where not even the evaluation was kept."""
        state = last_state(self.folder, self.config)
        if state is None:
            return None
        self.rows = state["rows"]
        if distributed.rank() == 0:
            self._write_metrics()
        logger.info("%s: resumed after epoch %d", self.folder, self.epoch)
        return state

    def best(self) -> dict[str, Any]:
        """The row of the best epoch by :func:`selected_by`, the first of equals."""
        return max(self.rows[1:], key=lambda row: row[selected_by(self.config)])

    def no_gain(self) -> str | None:
        """A line where the best epoch is worse than no re-ranking or no training, else None."""
        metric = selected_by(self.config)
        first = self.rows[0][metric]
        if self.epoch < 1 or first is None or not self.best()[metric] < first:
            return None
        best, none = (100 * row[metric] for row in (self.best(), self.rows[0]))
        return (
            f"worse than {before(self.config)}: validation {metric} is {best:.2f} at best (epoch "
            f"{self.best()['epoch']}), {none:.2f} without; docs/troubleshooting.md has what helps"
        )

    def _save(self, model: Model | Network | PlaceNet, row: dict[str, Any], name: str) -> None:
        settings = {"config": as_dict(self.config), "epoch": row["epoch"], "metrics": row}
        if isinstance(model, Network):
            save_network(self.folder / name, model, settings)
            return
        if isinstance(model, PlaceNet):
            save_place(self.folder / name, model, settings)
            return
        save_checkpoint(self.folder / name, model, self.config.model.affinity, settings)

    def _write_metrics(self) -> None:
        with (
            replacing(self.folder / METRICS) as temporary,
            open(temporary, "w", newline="") as file,
        ):
            writer = csv.DictWriter(file, self.rows[0])
            writer.writeheader()
            writer.writerows(self.rows)

    def _check_same_settings(self) -> None:
        path = self.folder / CONFIG
        if not path.is_file():
            raise InputError(
                f"{self.folder}: nothing to resume, there is no config.yaml (--name, data.outputs)"
            )
        old, new = _flat(_settings(path)), _flat(self.config)
        free = set(FREE_SETTINGS)
        if self.config.train.schedule in BY_STEP:  # their learning rates depend on the last epoch
            free.remove("train.num_epochs")
        changed = [key for key in new if new[key] != old[key] and key not in free]
        if changed:
            raise InputError(
                f"{path}: cannot resume with other settings: "
                + ", ".join(f"{key} was {old[key]}, is {new[key]}" for key in changed)
            )


def selected_by(config: Config) -> str:
    """The metric of validation that the best epoch is the highest of."""
    if config.train.system == "place":
        return "recall@1"  # it finds the place; the kernel fills the list
    return config.descriptor.best if config.train.system == "descriptor" else "mAP@10"


def before(config: Config) -> str:
    """What row 0 of metrics.csv is of."""
    return "no training" if config.train.system in ("descriptor", "place") else "no re-ranking"


def is_run(config: Config, name: str) -> bool:
    """Whether there is a run of this name to go on with."""
    return (Path(config.data.outputs) / "training" / name / CONFIG).is_file()


def find_run(name: str, overrides: Sequence[str] = ()) -> Path:
    """The folder of a run by that folder, or by the run's name in <data.outputs>/training."""
    if (Path(name) / CONFIG).is_file():
        return Path(name)
    training = Path(load_config(None, overrides).data.outputs) / "training"
    if (training / name / CONFIG).is_file():
        return training / name
    runs = [path.parent.name for path in training.glob(f"*/{CONFIG}")]
    hint = nearest(name, runs) if runs else ""
    raise MissingFileError(f"{name}: no run, neither as a folder nor in {training}{hint}")


def settings_of(name: str, overrides: Sequence[str] = ()) -> tuple[Config, str]:
    """The settings and the name of a run that is to be resumed; see :func:`find_run`."""
    folder = find_run(name, overrides)
    config = _settings(folder / CONFIG, overrides)
    here = Path(config.data.outputs) / "training" / folder.resolve().name
    if here.resolve() != folder.resolve():
        raise InputError(
            f"{folder}: its settings say that it is {here}; name the outputs it is in now "
            "(data.outputs)"
        )
    return config, here.name


def _settings(path: Path, overrides: Sequence[str] = ()) -> Config:
    """The settings that a run was started with; InputError where their file is not whole."""
    if "train" not in (read_yaml(path) or {}):  # its last section
        raise InputError(f"{path}: not whole, it has no section 'train'; start the run anew")
    return load_config(path, overrides)


def _flat(config: Config) -> dict[str, Any]:
    sections = as_dict(config)
    return {f"{name}.{key}": value for name, s in sections.items() for key, value in s.items()}


def _move_aside(folder: Path) -> Path:
    number = 1
    while (aside := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    try:
        return Path(shutil.move(folder, aside))
    except OSError as error:
        raise InputError(f"{folder}: cannot be moved aside ({error.strerror or error})") from error
