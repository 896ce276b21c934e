"""Worlds in the layouts of other tools: written beside their own, the figures the same."""

from __future__ import annotations

import sys

import pytest
from conftest import overrides

from gcsa.config import load_config
from gcsa.datasets.images import image_path
from gcsa.datasets.readers import reader
from gcsa.evaluate import evaluate
from gcsa.miniworld.__main__ import main


def test_streets_as_utm(tmp_path, monkeypatch, capsys):
    """All of it through the command line: cities, names, links, descriptors."""
    words = ["gcsa miniworld", "--out", str(tmp_path), "--workers", "1", "--also", "utm"]
    monkeypatch.setattr(sys, "argv", words)
    main()
    printed = [line for line in capsys.readouterr().out.splitlines() if "to read" in line]
    val = next(line for line in printed if "data.val_scenes=[" in line)
    own = {
        "data.root": tmp_path / "datasets",
        "data.outputs": tmp_path / "outputs",
        "data.desc_fn": "global-feats-miniworld.h5",
        "data.val_scenes": val.partition("data.val_scenes=")[2],
    }
    first = load_config(None, overrides(own))
    again = load_config(None, val.partition(": ")[2].split())
    reports = [evaluate(config) for config in (first, again)]
    assert reports[0]["metrics"] == reports[1]["metrics"]
    assert reports[0]["counts"] == reports[1]["counts"]
    assert 0 < reports[0]["metrics"]["recall@1"] < 1
    city = again.data.val_scenes[0]
    scenes = [reader(c.data).read(c.data, city, "val")[0] for c in (first, again)]
    assert scenes[0].database.positions == pytest.approx(scenes[1].database.positions, abs=0.00501)
    files = [
        image_path(c.data, city, str(s.queries.names[0])).read_bytes()
        for c, s in zip((first, again), scenes, strict=True)
    ]
    assert files[0] == files[1]
