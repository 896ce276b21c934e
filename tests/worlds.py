"""A plain little MSLS city for tests: streets of places, descriptors drawn around them.

Unlike the miniworld it renders nothing; it writes the four CSV files and the HDF5 file of a city
in milliseconds. Descriptors here come from the places, look-alikes share one.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from gcsa.datasets.msls import SUBTASKS
from gcsa.sideinfo.utm import to_lonlat

DESC_FN = "global-feats-test.h5"
ZONE = 33  # of UTM, in which the streets lie
ALPHABET = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))


def write_world(root: Path, cities: dict[str, str], seed: int = 0, **options) -> dict[str, str]:
    """Write {city: "train_val" or "test"}; returns the overrides that point a config at them."""
    for number, (city, split) in enumerate(cities.items()):
        write_city(root, city, split, np.random.default_rng([seed, number]), **options)
    return {
        "data.root": str(root / "datasets"),
        "data.outputs": str(root / "outputs"),
        "data.desc_fn": DESC_FN,
    }


def write_city(
    root: Path,
    city: str,
    split: str,
    random: np.random.Generator,
    database: int = 60,
    queries: int = 20,
    dim: int = 32,
    kinds: int = 12,
) -> None:
    """One city: images every 8 m of a straight street, ``kinds`` looks that recur along it."""
    looks = random.normal(size=(kinds, dim))
    folder, names, descriptors = root / "datasets" / "msls" / split / city, [], []
    look_of = random.integers(kinds, size=database)
    for role, count in (("database", database), ("query", queries)):
        place = np.arange(count) if role == "database" else random.integers(database, size=count)
        tables = city_tables(random, place)
        (folder / role / "images").mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            table.to_csv(folder / role / f"{name}.csv", lineterminator="\n")
        names += [f"{role}/images/{key}.jpg" for key in tables["raw"]["key"]]
        noise = 0.6 * random.normal(size=(count, dim))
        own = 0.5 * np.random.default_rng(7).normal(size=(database, dim))[place]
        descriptors.append(looks[look_of[place]] + own + noise)
    write_descriptors(
        root / "outputs" / "msls" / city / DESC_FN, names, np.concatenate(descriptors)
    )


def city_tables(random: np.random.Generator, place: np.ndarray) -> dict[str, pd.DataFrame]:
    """The four row-aligned tables of one role, cameras at places 8 m apart looking east."""
    count = len(place)
    keys = ["".join(random.choice(ALPHABET, 22)) for _ in range(count)]
    keys[0] = "-" + keys[0][1:]
    if count > 1:
        keys[1] = "_" + keys[1][1:]
    east = 500_000 + 8.0 * place + random.normal(scale=1.0, size=count)
    north = 6_000_000 + random.normal(scale=1.0, size=count)
    compass = (90 + random.normal(scale=8.0, size=count)) % 360
    sequence = pd.DataFrame({"key": keys, "sequence_key": "s", "frame_number": np.arange(count)})
    post = pd.DataFrame({"key": keys, "easting": east, "northing": north})
    post = post.assign(unique_cluster=0, control_panel=False, night=False, view_direction="Forward")
    lon, lat = to_lonlat(east, north, ZONE)
    raw = pd.DataFrame({"key": keys, "lon": lon, "lat": lat, "ca": compass})
    raw = raw.assign(captured_at="2018-05-01", pano=False)
    subtask = pd.DataFrame({"key": keys, **{name: True for name in SUBTASKS}})
    return {"raw": raw, "seq_info": sequence, "postprocessed": post, "subtask_index": subtask}


def write_descriptors(path: Path, names: list[str], descriptors: np.ndarray) -> None:
    """An hloc feature file; rows are brought to unit length and stored in half precision."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unit = descriptors / np.linalg.norm(descriptors, axis=1, keepdims=True)
    with h5py.File(path, "w", libver="latest") as file:
        for name, row in zip(names, unit, strict=True):
            group = file.create_group(name)
            group["global_descriptor"] = row.astype(np.float16)
            group["image_size"] = np.array([160, 120])
