"""gcsa match, from photos to hloc's files, by its command line."""

import sys

import h5py
import numpy as np
import pytest
from PIL import Image

from gcsa.errors import InputError
from gcsa.match import main

pytest.importorskip("cv2", reason="pip install gcsa[localize]")


def run(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["gcsa match", *map(str, words)])
    main()


def test_folder_and_pairs(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    for name in ("1.png", "2.png"):
        Image.fromarray(random.integers(0, 255, (80, 80), np.uint8)).save(tmp_path / name)
    (tmp_path / "pairs.txt").write_text("1.png 2.png\n")
    words = ["--images", tmp_path, "--features", tmp_path / "f.h5"]
    run(monkeypatch, *words, "--pairs", tmp_path / "pairs.txt", "--matches", tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        assert list(file["1.png/2.png"]) == ["matches0", "matching_scores0"]


@pytest.mark.parametrize(
    "words, said",
    [
        ([], "expected --images DIR or --conf YAML"),
        (["--pairs", "p"], "--pairs and --matches go together"),
        (["--images", "d"], "--features: the file"),
        (["--images", "d", "--conf", "msls_train"], "only one of them"),
        (["--conf", "msls_train"], "data.local_fn: is empty"),
    ],
)
def test_what_lacks_is_one_line(words, said, monkeypatch):
    with pytest.raises(InputError, match=said):
        run(monkeypatch, *words)


def test_scenes_of_a_data_set(tmp_path, monkeypatch):
    scene, random = tmp_path / "photos" / "street", np.random.default_rng(0)
    scene.mkdir(parents=True)
    lines = ["name,x,y,split"]
    for row, split in enumerate(("database", "query")):
        Image.fromarray(random.integers(0, 255, (80, 80), np.uint8)).save(scene / f"{row}.png")
        lines.append(f"{row}.png,{row},0,{split}")
    (scene / "images.csv").write_text("\n".join(lines) + "\n")
    sets = ["data.dataset=folder", f"data.root={scene.parent}", f"data.outputs={tmp_path}"]
    sets += ["data.val_scenes=[street]", "data.test_scenes=[street]", "data.local_fn=l.h5"]
    (tmp_path / "c.yaml").write_text("data: {}\n")
    run(monkeypatch, "--conf", tmp_path / "c.yaml", *sets)
    with h5py.File(tmp_path / "folder/street/l.h5") as file:
        assert list(file) == ["0.png", "1.png"]
