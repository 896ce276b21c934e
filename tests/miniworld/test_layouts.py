"""Worlds in the layouts of other tools: written beside their own, the figures the same."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from conftest import overrides

from gcsa.config import load_config
from gcsa.datasets.images import image_path
from gcsa.datasets.readers import reader
from gcsa.evaluate import evaluate
from gcsa.miniworld import __main__ as streets
from gcsa.miniworld import plan
from gcsa.miniworld.building import __main__ as buildings
from gcsa.miniworld.building import plan as building_plan

CITIES = plan.Size(("trondheim",), ("cph",), ("miami",), 40, 20, 32, 8)
CAB = building_plan.Size(
    shapes=(building_plan.Shape("CAB", 2, 9.0, 12.0, 2.4, 3.0, 7.0, 3.6),),
    navvis=building_plan.Amount(2, 8),
    map_phone=building_plan.Amount(2, 10),
    map_hololens=building_plan.Amount(2, 4),
    phone=building_plan.Amount(3, 24),
    hololens=building_plan.Amount(2, 6),
    test_phone=building_plan.Amount(2, 4),
    test_hololens=building_plan.Amount(1, 2),
    dim=16,
    depth=True,
    vocabulary=8,
)


def both(tmp_path, monkeypatch, capsys, main, layout, **own):
    """Draw a world through the command line; settings of its own files, and of the layout."""
    words = ["gcsa", "--out", str(tmp_path), "--workers", "1", "--also", layout]
    monkeypatch.setattr(sys, "argv", words)
    main()
    printed = capsys.readouterr().out.splitlines()
    again = next(line for line in printed if "data.val_scenes=[" in line).partition(": ")[2].split()
    first = {
        "data.root": tmp_path / "datasets",
        "data.outputs": tmp_path / "outputs",
        "data.desc_fn": "global-feats-miniworld.h5",
        "data.val_scenes": again[-1].partition("=")[2],
        **own,
    }
    rule = "data.val_labels=dist@2"  # a little building is all within 25 m
    return load_config(None, [*overrides(first), rule]), load_config(None, [*again, rule])


def same_figures(first, again):
    reports = [evaluate(config) for config in (first, again)]
    assert reports[0]["metrics"] == reports[1]["metrics"]
    assert reports[0]["counts"] == reports[1]["counts"]
    assert 0 < reports[0]["metrics"]["recall@1"] < 1


def same_pictures(first, again, scene):
    for config in (first, again):
        assert reader(config.data).read(config.data, scene, "val")[1] is not None
    scenes = [reader(c.data).read(c.data, scene, "val")[0] for c in (first, again)]
    files = [
        image_path(c.data, scene, str(s.queries.names[0])).read_bytes()
        for c, s in zip((first, again), scenes, strict=True)
    ]
    assert files[0] == files[1]
    return scenes


def test_streets_as_utm(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(plan.SIZES, "tiny", CITIES)
    first, again = both(tmp_path, monkeypatch, capsys, streets.main, "utm")
    same_figures(first, again)
    own, other = same_pictures(first, again, "cph")
    assert own.database.positions == pytest.approx(other.database.positions, abs=0.00501)
    assert sorted(p.name for p in (tmp_path / "utm").iterdir() if p.is_dir()) == [
        "cph",
        "descriptors",
        "miami",
        "trondheim",
    ]


def test_buildings_as_kapture(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(building_plan.SIZES, "tiny", CAB)
    first, again = both(
        tmp_path, monkeypatch, capsys, buildings.main, "kapture", **{"data.dataset": "lamar"}
    )
    same_figures(first, again)
    own, other = same_pictures(first, again, "CAB")
    assert own.database.positions == pytest.approx(other.database.positions)
    assert np.array_equal(own.queries.radio.has_any, other.queries.radio.has_any)
