"""Training runs on disk, read back: settings, metrics by epoch, checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcsa.config import Config, as_dict, load_config
from gcsa.datasets.readers import scene_names
from gcsa.errors import MissingFileError
from gcsa.plots.curves import Row, read_metrics
from gcsa.training.run import CONFIG, FREE_SETTINGS, find_run, selected_by

METRICS, BEST = "metrics.csv", "checkpoint_best.pth.tar"


@dataclass(frozen=True, eq=False)
class PastRun:
    """A run as its folder holds it. rows: of metrics.csv, row 0 is before training."""

    folder: Path
    config: Config
    rows: list[Row]

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def best(self) -> Row:
        """The row of the epoch that is best on validation; row 0 where none is trained."""
        return max(self.rows[1:] or self.rows, key=lambda row: row[selected_by(self.config)] or 0.0)

    @property
    def checkpoint(self) -> Path:
        """The best checkpoint where the run kept it, else that of the last epoch."""
        last = self.folder / f"checkpoint_{self.rows[-1]['epoch']:.0f}.pth.tar"
        found = [path for path in (self.folder / BEST, last) if path.is_file()]
        if not found:
            raise MissingFileError(f"{self.folder}: neither {BEST} nor {last.name}")
        return found[0]


def open_run(name: str, overrides: Sequence[str] = ()) -> PastRun:
    """Open a run by its folder, or by its name in <data.outputs>/training.

    overrides: ``section.key=value`` over the settings that the run was trained with.
    """
    folder = find_run(name, overrides)
    config = load_config(folder / CONFIG, overrides)
    return PastRun(folder, config, read_metrics(folder / METRICS))


def differences(runs: Sequence[PastRun]) -> list[dict[str, Any]]:
    """The settings that are not the same in all runs, for each run: {"train.seed": 1, ...}."""
    settings = [_flat(run.config) for run in runs]
    different = [
        key
        for key in settings[0]
        if key not in FREE_SETTINGS - {"train.num_epochs"}
        and any(s[key] != settings[0][key] for s in settings)
    ]
    return [{key: s[key] for key in different} for s in settings]


def validated_on(run: PastRun) -> tuple:
    """What the metrics of a run are about: runs with another value cannot be compared."""
    data = run.config.data
    return data.dataset, tuple(scene_names(data, "val")), data.subtask, data.val_labels


def _flat(config: Config) -> dict[str, Any]:
    sections = as_dict(config)
    return {f"{name}.{key}": value for name, s in sections.items() for key, value in s.items()}
