"""Trainings one after another: in this process, or in each of torchrun's.

    torchrun ... tests/runs.py FILE

FILE is JSON, a list of trainings, each the name of its run and the words after it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from unittest.mock import patch

from gcsa import distributed
from gcsa.__main__ import main
from gcsa.errors import run_program


def train_all(trainings: list[list[str]]) -> None:
    """Train as ``gcsa train`` does, with these names and words."""
    for name, *words in trainings:
        with patch.object(sys, "argv", ["gcsa", "train", "--name", name, *words]):
            main()


def _of_file() -> None:
    with distributed.processes(30.0, ""):
        train_all(json.loads(Path(sys.argv[1]).read_text()))


if __name__ == "__main__":
    run_program(_of_file)
