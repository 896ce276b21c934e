"""What a run on disk goes on from: its resume.pth.tar, or its last checkpoint where that is broken.

A checkpoint has the weights alone. A run that goes on from one has a fresh optimiser, so it is not
the run that was, to the bit; it says so.
"""

from __future__ import annotations

import csv
import logging
import re
from pathlib import Path
from typing import Any

from gcsa.config import Config
from gcsa.errors import InputError
from gcsa.files import reading
from gcsa.models.checkpoint import load_checkpoint, read_settings, read_torch
from gcsa.models.place_files import load_place
from gcsa.places.inputs import FEATURES, PAIRS
from gcsa.training.network_files import network_tensors

logger = logging.getLogger(__name__)

STATE = "resume.pth.tar"
METRICS = "metrics.csv"
EXPECTED = "what --resume goes on from"
PARTS = {"rows", "model", "optimizer", "scheduler", "scaler", "tuples"}

Row = dict[str, Any]


def last_state(folder: Path, config: Config) -> dict[str, Any] | None:
    """What the last whole epoch of a run left, "rows" and "model" at least; None of none.

    Whole is also an epoch whose checkpoint is whole, where resume.pth.tar is not: then there is no
    "optimizer", and a line says so.
    """
    broken = f"{folder / STATE}: no such file"
    try:
        if (folder / STATE).is_file():
            return read_state(folder / STATE)
    except InputError as error:
        broken = str(error)
    for epoch, path in sorted(_checkpoints(folder).items(), reverse=True):
        try:
            state = _from_checkpoint(folder, epoch, path, config)
        except InputError as error:
            logger.warning("%s; passed over", error)
            continue
        logger.warning("%s; goes on from %s, with a fresh optimiser", broken, path.name)
        return state
    if (folder / STATE).is_file():
        logger.warning("%s; no checkpoint is whole, begins anew", broken)
    return None


def read_state(path: Path) -> dict[str, Any]:
    """The content of a resume.pth.tar; InputError where it is not whole."""
    state = read_torch(path, EXPECTED)
    if not isinstance(state, dict) or not PARTS <= state.keys() or not state["rows"]:
        raise InputError(f"{path}: not {EXPECTED}")
    return state


def _checkpoints(folder: Path) -> dict[int, Path]:
    """The checkpoints of a run by their epoch."""
    named = ((re.fullmatch(r"checkpoint_(\d+)\.pth\.tar", p.name), p) for p in folder.iterdir())
    return {int(name[1]): path for name, path in named if name}


def _from_checkpoint(folder: Path, epoch: int, path: Path, config: Config) -> dict[str, Any]:
    with reading(path, "a checkpoint of this run"):
        if config.train.system == "descriptor":
            tensors = network_tensors(path)
        elif config.train.system == "place":
            tensors = load_place(path, FEATURES, PAIRS).state_dict()
        else:
            tensors = load_checkpoint(path, sizes=config.model)[0].state_dict()
    return {"rows": _rows(folder, epoch), "model": tensors}


def _rows(folder: Path, last: int) -> list[Row]:
    """Rows 0 to ``last`` of metrics.csv; those that it lacks, by their checkpoints.

    What row 0 held, the first round, no checkpoint has: it may be empty.
    """
    known, checkpoints = _read_metrics(folder / METRICS), _checkpoints(folder)
    for epoch in range(last, 0, -1):
        if epoch not in known:
            known[epoch] = _row_of(checkpoints.get(epoch, folder / f"checkpoint_{epoch}.pth.tar"))
    known.setdefault(0, {**dict.fromkeys(known[last]), "epoch": 0})
    return [known[epoch] for epoch in range(last + 1)]


def _row_of(path: Path) -> Row:
    with reading(path, "the row of its epoch, which metrics.csv lacks"):
        row = (read_settings(path) or {}).get("metrics")
    if not row:
        raise InputError(f"{path}: without the row of its epoch, which metrics.csv lacks")
    return row


def _read_metrics(path: Path) -> dict[int, Row]:
    """The rows of metrics.csv by epoch; none where it is not whole."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = [
                {name: float(value) if value else None for name, value in row.items()}
                for row in csv.DictReader(file)
            ]
        return {int(row["epoch"]): {**row, "epoch": int(row["epoch"])} for row in rows}  # type: ignore[arg-type]
    except (OSError, ValueError, TypeError, KeyError, csv.Error):
        return {}
