"""A street whose queries gcsa locate is called for."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from conftest import SMALL
from folders import settings, write_street
from PIL import Image

from gcsa.__main__ import main


def street(root, scene="east", queries=12):
    """A street whose queries' devices report where they are, every third none; with photos."""
    write_street(root, scene, 2, queries=queries)
    table = pd.read_csv(root / scene / "images.csv")
    own = (table["split"] == "query") & (table.index % 3 > 0)
    random = np.random.default_rng(0)
    for column in ("lat", "lon"):
        moved = table[column] + 1e-4 * random.normal(size=len(table))
        table[f"gps_{column}"] = moved.where(own).round(8)
    table["gps_accuracy"] = pd.Series(9.5, table.index).where(own & (table.index % 2 == 0))
    table.to_csv(root / scene / "images.csv", index=False)
    for name in table["name"]:
        (root / scene / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (32, 24), (len(name) * 9, 90, 60)).save(root / scene / name)
    return {**SMALL, **settings(root), "data.val_scenes": f"[{scene}]"}


def call(monkeypatch, output, *words):
    monkeypatch.setattr("sys.argv", ["gcsa", "locate", "--output", str(output), *words])
    main()
    return json.loads(output.read_text())["features"]
