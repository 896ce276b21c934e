"""Scenes as datasets and programs leave them, a few images each, and what reads them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from folders import write_csv
from scipy.io import savemat

from gcsa.datasets import gsv
from gcsa.datasets.folder.from_sfm import from_sfm
from gcsa.datasets.folder.gathered import gather


def colmap(path: Path) -> None:
    lines = ["# Image list"]
    for i in range(3):
        lines += [f"{i + 1} 0.7 0.7 0 0 {i} 1.5 2 1 db/{i}.jpg", f"1.0 2.0 {i} 3.5 4 -1"]
    (path / "images.txt").write_text("\n".join(lines) + "\n")


def opensfm(path: Path) -> None:
    shots = {
        f"{i}.jpg": {"rotation": [1.5, 0.1 * i, 0], "translation": [i, 2, 3]} for i in range(3)
    }
    part = {"shots": shots, "cameras": {}, "points": {}}
    part["reference_lla"] = {"latitude": 55.7, "longitude": 13.2, "altitude": 0.0}
    (path / "r.json").write_text(json.dumps([part]))


def read_sfm(name: str) -> Callable[[Path], None]:
    return lambda path: from_sfm(path / name, path / "images.csv")


def dbstruct(path: Path) -> None:
    names = np.array([["a.jpg"], ["b.jpg"]], dtype=object)
    utm = np.array([[584825.5, 584900.0], [4476945.25, 4477000.0]])
    fields = {"dbImageFns": names, "utmDb": utm, "qImageFns": names, "utmQ": utm}
    savemat(path / "pitts.mat", {"dbStruct": {**fields, "posDistThr": 25.0}})


def patchnetvlad(path: Path) -> None:
    for part in ("index", "query"):
        (path / f"x_imageNames_{part}.txt").write_text(f"./{part}/0.png\n./{part}/1.png\n")
    np.savez(path / "x_test.npz", utmDb=np.eye(2), utmQ=np.eye(2), posDistThr=10)


def gsv_cities(path: Path) -> None:
    (path / "Dataframes").mkdir()
    rows = (
        ",".join(gsv.COLUMNS),
        "15,2011,9,285,London,51.507,-0.1283,ab",
        "16,2014,10,0,London,51.5,-0.1,c",
    )
    (path / "Dataframes" / "London.csv").write_text("\n".join(rows) + "\n")


RADIO = "name,transmitter,rssi,frequency_mhz|{0}.jpg,ap1,-50,2437|{0}.jpg,ap2,-60,2437|"


def two_folders(path: Path) -> None:
    """Photos of known places, and photos whose places are asked for."""
    for role, columns, cells in (
        ("known", "name,lat,lon,heading", ("a.jpg,55.7,13.19,90", "b.jpg,55.71,13.2,")),
        ("asked", "name;time;heading", ("q.jpg;2020-01-02T03:04:05;90,5", "r.jpg;;")),
    ):
        write_csv(path / role / "images.csv", "|".join((columns, *cells)) + "|")
        write_csv(path / role / "radio.csv", RADIO.format(cells[0][0]))


def gathered(path: Path) -> None:
    shutil.rmtree(path / "scene", ignore_errors=True)
    gather(path / "known", path / "asked", path / "scene")


def kapture(path: Path) -> None:
    """A map of three images and a query, with receivers, a rig and positions."""
    pose = "0.5, 0.5, -0.5, 0.5"
    times = [1_600_000_000_000_000 + 10**6 * i for i in range(3)]
    sensors = (
        "cam, , camera, SIMPLE_PINHOLE, 640, 480, 500, 320, 240\n"
        "wifi, , wifi\nbt, , bluetooth\ncam_gnss, , gnss, EPSG:4326\n"
    )
    files = {
        "sensors": sensors,
        "rigs": f"rig, cam, {pose}, 0, 0, 0\nrig, wifi, {pose}, 0, 0, 1\n",
        "records_camera": "".join(f"{t}, cam, {i}.jpg\n" for i, t in enumerate(times)),
        "trajectories": "".join(f"{t}, rig, {pose}, {i}, 5, 2\n" for i, t in enumerate(times)),
        "records_wifi": "".join(
            f"{t}, wifi, 0a:00:00:00:00:01, 2437, -50, x, 0, 0\n" for t in times
        ),
        "records_gnss": "".join(f"{t}, cam_gnss, 14.4, 50.1, 0, 0, 1\n" for t in times),
    }
    for part in ("mapping", "query"):
        (path / part / "sensors").mkdir(parents=True)
        for name, text in files.items():
            target = path / part / "sensors" / f"{name}.txt"
            target.write_text("# kapture format: 1.1\n" + text)


def utm(path: Path) -> None:
    """Lists of images, in whose names all is."""
    name = "@0584825.50@4476945.25@17@T@040.43@-079.98@pano{0}@05@090@@@@201311@@.jpg"
    for role in ("database", "queries"):
        lines = [name.format(i) for i in range(3)]
        (path / f"{role}_images_paths.txt").write_text("\n".join(lines) + "\n")
