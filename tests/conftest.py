"""Fixtures that several test files share."""

from __future__ import annotations

import os
import signal

# Networks of a few thousand weights: several threads would only wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"

import hypothesis  # noqa: E402

# What is started in the background ignores Ctrl-C, and so would every program that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest  # noqa: E402
from browsers import started  # noqa: E402
from worlds import write_world  # noqa: E402

# No test is about how busy the machine is.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

# A network small enough to train in a second, on the 32-d descriptors of tests/worlds.py.
SMALL = {
    "model.input_dim": 32,
    "model.proj_dim": 16,
    "model.output_dim": 32,
    "model.K": 40,
    "model.L": 20,
    "model.num_heads": 4,
    "data.train_scenes": "[zurich,boston]",
    "data.val_scenes": "[cph]",
    "data.test_scenes": "[miami]",
    "data.batch_size": 8,
    "data.num_workers": 2,
    "train.device": "cpu",
}
STAGE_2 = {
    "model.num_layers": 1,
    "model.affinity": "[positional-db,heading]",
    "train.freeze_input_proj": True,
    "train.init_proj": "pca",
}


def overrides(*settings: dict) -> list[str]:
    """Dicts of settings as ``section.key=value`` strings, later ones going before earlier ones."""
    merged = {key: value for s in settings for key, value in s.items()}
    return [f"{key}={value}" for key, value in merged.items()]


@pytest.fixture
def world(tmp_path) -> dict[str, str]:
    """Four little cities on disk; the settings that point a config at them, and SMALL."""
    cities = {"zurich": "train_val", "boston": "train_val", "cph": "train_val", "miami": "test"}
    return {**write_world(tmp_path, cities), **SMALL}


@pytest.fixture(scope="module")
def browser():
    with started() as opened:
        yield opened
