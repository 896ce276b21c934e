"""The stand-in descriptor: hloc's file, unit length, alike views near, faults named."""

import h5py
import numpy as np
import pytest
from folders import write_csv
from PIL import Image

from gcsa.datasets.folder.describe import DIM, HEIGHT, WIDTH, describe, descriptor
from gcsa.descriptors.hdf5 import open_pack
from gcsa.errors import InputError


def picture(seed, shift=0, gain=1.0, size=(WIDTH, HEIGHT)):
    """Blocks of random colours, seen from a bit to the side, in other light."""
    random = np.random.default_rng(seed)
    blocks = random.integers(40, 200, (12, 20, 3)).repeat(12, axis=0).repeat(12, axis=1)
    view = gain * blocks[:HEIGHT, shift : shift + WIDTH]
    image = Image.fromarray(np.clip(view, 0, 255).astype(np.uint8))
    return np.asarray(image.resize(size, Image.Resampling.BOX))


def test_alike_views_are_near():
    views = [descriptor(picture(seed)) for seed in range(8)]
    for row in views:
        assert row.shape == (DIM,) and np.linalg.norm(row) == pytest.approx(1, abs=1e-5)
    moved = [descriptor(picture(seed, shift=4, gain=1.2)) for seed in range(8)]
    similarity = np.array(moved) @ np.array(views).T
    assert (similarity.argmax(axis=1) == np.arange(8)).all()
    assert np.diag(similarity).min() > similarity[~np.eye(8, dtype=bool)].max()


def test_it_changes_little_where_directions_do():
    """Half a picture of a slope, whose direction crosses the border between two of the eight."""
    down, across = np.indices((HEIGHT, WIDTH))
    rows = []
    for degrees in (40, 44, 46, 50):
        slope = np.cos(np.deg2rad(degrees)) * across + np.sin(np.deg2rad(degrees)) * down
        view = np.where(across < WIDTH // 2, slope, 20)[..., None].repeat(3, axis=2)
        rows.append(descriptor(view))
    steps = [float(a @ b) for a, b in zip(rows, rows[1:], strict=False)]
    assert min(steps) > 0.97, steps


def test_one_colour_has_a_descriptor():
    flat = descriptor(np.full((HEIGHT, WIDTH, 3), 90, dtype=np.uint8))
    assert np.isfinite(flat).all() and np.linalg.norm(flat) == pytest.approx(1, abs=1e-5)


def test_it_writes_files_of_hloc(tmp_path):
    for name, seed in (("a.png", 0), ("sub/b.png", 1)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture(seed, size=(320, 240))).save(path)
    write_csv(tmp_path / "images.csv", "name,x,y|sub/b.png,0,0|a.png,1,1")
    assert describe(tmp_path, tmp_path / "out" / "d.h5") == 2
    with h5py.File(tmp_path / "out" / "d.h5") as file:
        assert file["sub/b.png/image_size"][:].tolist() == [320, 240]
    rows = open_pack(tmp_path / "out" / "d.h5").rows(np.array(["a.png", "sub/b.png"]))
    small = [Image.open(tmp_path / n).resize((WIDTH, HEIGHT), 4) for n in ("a.png", "sub/b.png")]
    expected = [descriptor(np.asarray(image)) for image in small]
    np.testing.assert_array_equal(rows[:], np.array(expected, dtype=np.float16))


def test_turned_photos_are_set_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held sideways
    image = Image.fromarray(picture(0))
    image.save(tmp_path / "a.png")
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "b.png", exif=exif)
    write_csv(tmp_path / "images.csv", "name,x,y|a.png,0,0|b.png,1,1")
    describe(tmp_path, tmp_path / "d.h5")
    pack = open_pack(tmp_path / "d.h5")
    np.testing.assert_array_equal(pack.array[0], pack.array[1])


def test_faults(tmp_path):
    write_csv(tmp_path / "images.csv", "name,x,y|a.png,0,0")
    with pytest.raises(FileNotFoundError, match="a.png: no such image, images.csv names it"):
        describe(tmp_path, tmp_path / "d.h5")
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(InputError, match="a.png: .*; expected an image that can be read"):
        describe(tmp_path, tmp_path / "d.h5")
    assert not (tmp_path / "d.h5").exists()
