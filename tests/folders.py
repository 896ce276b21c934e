"""Little folders of own images for tests: tables and descriptors, no pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from worlds import write_descriptors

DESC_FN = "global-feats-test.h5"


def write_csv(path: Path, text: str) -> Path:
    """Write a table; "|" stands for the end of a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace("|", "\n"), encoding="utf-8")
    return path


def write_street(
    root: Path, scene: str, seed: int = 0, database: int = 60, queries: int = 20, dim: int = 32
) -> None:
    """A street in degrees: images 8 m apart looking east, looks that recur along it, radio."""
    random = np.random.default_rng(seed)
    place = np.append(np.arange(database), random.integers(database, size=queries))
    roles = ["database"] * database + ["query"] * queries
    looks, look = random.normal(size=(12, dim)), random.integers(12, size=database)
    lines, heard = ["name,lat,lon,heading,split,place"], ["name,transmitter,rssi,frequency_mhz"]
    for i, (where, role) in enumerate(zip(place, roles, strict=True)):
        lat, lon = 55.7 + 1e-6 * random.normal(), 13.19 + where * 8 / 62_800
        angle = 90 + random.normal(scale=8)
        lines.append(f"{role}/{i}.jpg,{lat:.8f},{lon:.8f},{angle:.2f},{role},{where // 5}")
        for mast in range(where // 10, where // 10 + 3):
            heard.append(f"{role}/{i}.jpg,ap{mast},{-50 - random.integers(20)},2437")
    write_csv(root / scene / "images.csv", "|".join(lines) + "|")
    write_csv(root / scene / "radio.csv", "|".join(heard) + "|")
    own = 0.5 * np.random.default_rng(7).normal(size=(database, dim))[place]
    rows = looks[look[place]] + own + 0.6 * random.normal(size=(len(place), dim))
    names = [f"{role}/{i}.jpg" for i, role in enumerate(roles)]
    write_descriptors(root / "outputs" / "folder" / scene / DESC_FN, names, rows)


def settings(root: Path) -> dict[str, str]:
    """The settings that point a config at scenes below ``root``."""
    return {
        "data.dataset": "folder",
        "data.root": str(root),
        "data.outputs": str(root / "outputs"),
        "data.desc_fn": DESC_FN,
    }
