"""What the pages quote is what the programs answer; tables and pictures are of today."""

import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from captures import write_scene
from pages import ROOT, agrees, blocks, commands, run
from worlds import write_city, write_descriptors

from gcsa.datasets.lamar.scene import read_scene
from gcsa.models.checkpoint import save_checkpoint
from gcsa.models.gcsa import GCSA
from gcsa.sideinfo.affinity import width
from gcsa.training.holding import held

NETVLAD = "global-feats-netvlad.h5"
CITIES = dict.fromkeys(["zurich", "boston", "cph", "sf", "amman", "goa", "nairobi"], "train_val")


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """A disk like that of a newcomer: data sets, descriptors, checkpoints, and mistakes."""
    root = tmp_path_factory.mktemp("newcomer")
    shutil.copytree(ROOT / "configs", root / "configs")
    for number, (city, split) in enumerate({**CITIES, "miami": "test"}.items()):
        random = np.random.default_rng(number)
        write_city(root, city, split, random, database=60, queries=12, dim=4096)
        made = root / "outputs/msls" / city / "global-feats-test.h5"
        made.rename(made.with_name(NETVLAD))
    _checkpoint(root / "checkpoints/msls.pth.tar", ["positional-db", "heading"])
    _checkpoint(root / "checkpoints/lamar.pth.tar", ["positional-db", "radio"])
    _photos(root)
    _faults(root)
    _halls(root)
    for name in ("held", "half"):
        (root / "outputs/training" / name).mkdir(parents=True)
        (root / "outputs/training" / name / "config.yaml").write_text("data: {batch_size: 4}\n")
    with held(root / "outputs/training/held"):  # by another process, as far as programs can tell
        yield root


def _checkpoint(path, kinds):
    columns = sum(width(kind, 31) for kind in kinds)
    save_checkpoint(path, GCSA(4096, 16, 32, 40, 31, 1, 4, aff_dim=columns), kinds)


def _photos(root):
    """Own photos: right ones, and some whose latitude and longitude are swapped."""
    random = np.random.default_rng(0)
    names, offsets = [f"{i:02d}.jpg" for i in range(8)], 1e-4 * random.normal(size=(8, 2))
    for folder, middle in {"own": (55.7, 13.2), "swapped": (-122.4194, 37.7749)}.items():
        lines = ["name,lat,lon,split"]
        for name, (lat, lon) in zip(names, middle + offsets, strict=True):
            role = "query" if name < "03" else "database"
            lines.append(f"{name},{lat:.4f},{lon:.4f},{role}")
        (root / "photos" / folder).mkdir(parents=True)
        (root / "photos" / folder / "images.csv").write_text("\n".join(lines) + "\n")
        path = root / "outputs/folder" / folder / NETVLAD
        write_descriptors(path, names, random.normal(size=(8, 4096)))


def _faults(root):
    """Files that are cut, of another kind, or of other images."""
    outputs, cities = root / "outputs/msls", root / "datasets/msls/train_val"
    for name, count in (("queries", 3), ("database", 15000)):
        np.save(root / f"{name}.npy", np.full((count, 4), 0.5, dtype=np.float16))
    whole = (outputs / "cph" / NETVLAD).read_bytes()
    (outputs / "cph/cut.h5").write_bytes(whole[:100_000])
    (outputs / "cph/page.h5").write_text("<!DOCTYPE html>\n")
    names = [name for name in _names(cities / "cph") if name.startswith("database")]
    random = np.random.default_rng(0)
    write_descriptors(outputs / "cph/database.h5", names, random.normal(size=(60, 4096)))
    for city in ("cph", "sf"):
        names, rows = _names(cities / city), random.normal(size=(72, 2048))
        write_descriptors(outputs / city / "global-feats-dir.h5", names, rows)
    shutil.copy(outputs / "cph" / NETVLAD, outputs / "cph/long.h5")
    with h5py.File(outputs / "cph/long.h5", "a") as file:
        for image in file["query/images"].values():
            image["global_descriptor"][:] *= 2
    raw = cities / "amman/database/raw.csv"
    table = pd.read_csv(raw, index_col=0)
    table.iloc[::-1].reset_index(drop=True).to_csv(raw, lineterminator="\n")
    (cities / "goa/query/postprocessed.csv").unlink()
    raw = cities / "nairobi/query/raw.csv"
    table = pd.read_csv(raw, index_col=0, dtype={"key": str, "ca": str})
    table.loc[4, "ca"] = "east"
    table.to_csv(raw, lineterminator="\n")
    (root / "datasets/msls/test/miami/query/postprocessed.csv").unlink()
    (root / "notes.yaml").write_text("model:\n  affinity: [heading\n")
    torch.save({"weights": torch.zeros(3)}, root / "weights.pth")
    (root / "cut.pth.tar").write_bytes((root / "checkpoints/msls.pth.tar").read_bytes()[:5000])


def _halls(root):
    """A LaMAR building with descriptors and without label files."""
    write_scene(root / "datasets/lamar/CAB", 0)
    scene, _ = read_scene(root / "datasets/lamar", "CAB", "val")
    names = [*scene.database.names, *scene.queries.names]
    random = np.random.default_rng(0)
    write_descriptors(
        root / "outputs/lamar/CAB" / NETVLAD, names, random.normal(size=(len(names), 4096))
    )


def _names(city):
    roles = ("database", "query")
    tables = {role: pd.read_csv(city / role / "raw.csv", dtype=str) for role in roles}
    return [f"{role}/images/{key}.jpg" for role in roles for key in tables[role]["key"]]


PAGES = ("newcomers.md", "troubleshooting.md")
CONSOLES = [
    pytest.param(block, id=f"{page[:-3]}: {block.heading} {number}")
    for page in PAGES
    for number, block in enumerate(blocks(ROOT / "docs" / page, "console"))
]


@pytest.mark.parametrize("block", CONSOLES)
def test_answers_are_as_quoted(disk, monkeypatch, block):
    monkeypatch.chdir(disk)
    for command, quoted in commands(block):
        status, output = run(command)
        assert agrees(output, quoted), f"{command}\n{output}"
        assert status == (2 if output.splitlines()[-1].startswith("error: ") else 0)
