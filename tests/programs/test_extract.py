"""gcsa extract: the network that ships on photos made here, and what its options do."""

import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from conftest import overrides
from landmarks import write_landmarks
from picture_worlds import write_pictures
from PIL import Image
from worlds import write_world

from gcsa.__main__ import main
from gcsa.config import load_config
from gcsa.datasets.landmarks.rsfm import read_scenes
from gcsa.datasets.landmarks.scene import read_ground_truth, read_scene
from gcsa.descriptors import whitening
from gcsa.descriptors.hdf5 import open_pack
from gcsa.descriptors.networks import load_network
from gcsa.errors import InputError
from gcsa.extract.photos import of_scenes

torch = pytest.importorskip("torch")


def scenery(seed, size=(96, 64)):
    """A picture with structure at every scale."""
    random = np.random.default_rng(seed)
    image = Image.fromarray(random.integers(0, 256, (8, 12, 3), dtype=np.uint8))
    return image.resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for number in range(5):
        name = f"{'deep/' if number % 2 else ''}{number}.jpg"
        scenery(number).save(folder / name, quality=95)
    return folder


def call(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["gcsa", "extract", *map(str, words)])
    main()


def rows(path):
    pack = open_pack(path)
    return dict(zip(pack.names, np.asarray(pack.array, dtype=np.float32), strict=True))


def test_the_network_that_ships(photos, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    path = tmp_path / "f.h5"
    call(monkeypatch, "--images", photos, "--output", path, "--whiten", "none", "--batch_size", 2)
    found = rows(path)
    assert sorted(found) == ["0.jpg", "2.jpg", "4.jpg", "deep/1.jpg", "deep/3.jpg"]
    assert "licence: Apache-2.0" in caplog.text and "5 images, 1280 numbers each" in caplog.text
    network = load_network()
    with Image.open(photos / "deep" / "1.jpg") as image:
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    row = network(network.normalise(network.resize(pixels)))[0].numpy()
    np.testing.assert_allclose(found["deep/1.jpg"], row, atol=1e-3)
    with h5py.File(path) as file:
        assert file["deep/1.jpg/image_size"][()].tolist() == [96, 64]
        about = json.loads(file.attrs["gcsa"])
    assert about["orientation"] == "exif" and len(about["weights_sha256"]) == 64
    assert "longer side at most 320" in about["preprocessing"]


def test_orientation_is_a_choice(tmp_path, monkeypatch):
    folder = tmp_path / "photos"
    folder.mkdir()
    upright, exif = scenery(1), Image.Exif()
    upright.save(folder / "upright.png")
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    upright.transpose(Image.Transpose.ROTATE_90).save(folder / "lying.png", exif=exif)
    near = {}
    for choice in ("exif", "ignore"):
        path = tmp_path / f"{choice}.h5"
        call(
            monkeypatch,
            *("--images", folder, "--output", path, "--whiten", "none", "--orientation", choice),
        )
        found = rows(path)
        near[choice] = float(found["lying.png"] @ found["upright.png"])
        with h5py.File(path) as file:
            size = file["lying.png/image_size"][()].tolist()
        assert size == ([96, 64] if choice == "exif" else [64, 96])
    assert near["exif"] > 0.999 > near["ignore"]


def test_whitening_is_kept_and_used_again(photos, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    raw, path = tmp_path / "raw.h5", tmp_path / "f.h5"
    call(monkeypatch, "--images", photos, "--output", raw, "--whiten", "none", "--dtype", "float32")
    call(monkeypatch, "--images", photos, "--output", path, "--whiten", "3")
    plain = rows(raw)
    values = np.array([plain[name] for name in sorted(plain)], dtype=np.float64)
    centred = values - values.mean(axis=0)
    _, lengths, axes = np.linalg.svd(centred, full_matrices=False)
    variances = lengths[:3] ** 2 / (len(values) - 1)
    expected = centred @ axes[:3].T / variances**0.25
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = rows(path)
    made = np.array([found[name] for name in sorted(found)])
    np.testing.assert_allclose(made @ made.T, expected @ expected.T, atol=0.02)
    kept = whitening.load(tmp_path / "f.whitening.npz")
    scenery(9).save(photos / "new.jpg")
    call(monkeypatch, "--images", photos, "--output", path, "--whiten", "3")
    assert "of an earlier call is used again" in caplog.text and len(rows(path)) == 6
    np.testing.assert_array_equal(
        whitening.load(tmp_path / "f.whitening.npz").components, kept.components
    )
    scenery(10).save(photos / "newer.jpg")
    (tmp_path / "f.whitening.npz").unlink()
    with pytest.raises(InputError, match="f.whitening.npz: no such whitening, by which"):
        call(monkeypatch, "--images", photos, "--output", path, "--whiten", "3")
    other = tmp_path / "other"
    other.mkdir()
    path.rename(other / "f.h5")
    call(monkeypatch, "--images", photos, "--output", tmp_path / "g.h5", "--whiten", "3")
    (tmp_path / "g.whitening.npz").rename(other / "f.whitening.npz")
    with pytest.raises(InputError, match="was made with whitening [0-9a-f]{64}, now it would be"):
        call(monkeypatch, "--images", photos, "--output", other / "f.h5", "--whiten", "3")
    with pytest.raises(InputError, match="7 photos are too few .* --whiten 6, or none"):
        call(monkeypatch, "--images", photos, "--output", tmp_path / "o.h5")


def test_reduced_decoding_hardly_changes_a_descriptor(tmp_path, monkeypatch):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        scenery(number, (1500, 1000)).save(folder / f"{number}.jpg", quality=95)
    found = {}
    for how in ("full", "reduced"):
        words = ("--images", folder, "--output", tmp_path / f"{how}.h5", "--whiten", "none")
        call(monkeypatch, *words, "--decode", how)
        found[how] = rows(tmp_path / f"{how}.h5")
    for name, row in found["full"].items():
        assert 0.995 < float(row @ found["reduced"][name])
        assert not np.array_equal(row, found["reduced"][name])
    with h5py.File(tmp_path / "reduced.h5") as file:
        assert file["0.jpg/image_size"][()].tolist() == [1500, 1000]


def test_sizes_and_scales(photos, tmp_path, monkeypatch):
    made = {}
    for name, more in {
        "own": (),
        "exact": ("--size", "96x128"),
        "longest": ("--size", "64"),
        "scales": ("--multiscale", "1", "0.7071"),
    }.items():
        path = tmp_path / f"{name}.h5"
        call(monkeypatch, "--images", photos, "--output", path, "--whiten", "none", *more)
        made[name] = rows(path)["0.jpg"]
    names = list(made)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            assert 0.2 < float(made[one] @ made[other]) < 0.9999, (one, other)
    for wrong in ("0x96", "axb", "96x"):
        with pytest.raises(InputError, match="--size"):
            call(monkeypatch, "--images", photos, "--output", tmp_path / "x.h5", "--size", wrong)


def test_the_scenes_of_a_data_set(tmp_path, monkeypatch):
    world = write_world(
        tmp_path, {"zurich": "train_val", "cph": "train_val"}, database=6, queries=3
    )
    for city in ("zurich", "cph"):
        write_pictures(tmp_path / "datasets", city)
    own = {
        **world,
        "data.train_scenes": "[zurich]",
        "data.val_scenes": "[cph]",
        "data.test_scenes": "[cph]",
        "data.desc_fn": "lite0.h5",
    }
    conf = tmp_path / "c.yaml"
    conf.write_text("data: {dataset: msls}\n")
    call(monkeypatch, "--conf", conf, "--whiten", "4", *overrides(own))
    jobs = of_scenes(load_config(str(conf), overrides(own)))
    assert [len(job.fitted) for job in jobs] == [6, 0]  # of the training scene, its database
    for city in ("zurich", "cph"):
        found = rows(tmp_path / "outputs" / "msls" / city / "lite0.h5")
        folder = tmp_path / "datasets" / "msls" / "train_val" / city
        there = {p.relative_to(folder).as_posix() for p in folder.rglob("*.jpg")}
        assert set(found) == there and len(there) == 9
        assert {len(row) for row in found.values()} == {4}
    kept = whitening.load(tmp_path / "outputs" / "msls" / "lite0.whitening.npz")
    assert kept.components.shape == (4, 1280)


def test_two_processes_share_the_work(photos, tmp_path):
    output = tmp_path / "f.h5"
    launch = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=0"]
    launch += ["--rdzv_backend=c10d", "--rdzv_endpoint=127.0.0.1:0", "-m", "gcsa.extract"]
    words = ["--images", str(photos), "--output", str(output), "--whiten", "4"]
    done = subprocess.run(
        [sys.executable, *launch, *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("5 images, 4 numbers each") == 1, "one process speaks"
    assert len(rows(output)) == 5 and not list(tmp_path.glob("*.parts"))


def test_words_that_do_not_fit(tmp_path, monkeypatch, capsys):
    for words, said in (
        ((), "--images DIR, or --conf"),
        (("--images", tmp_path), "--output goes with --images"),
        (("--images", tmp_path, "--output", "x.h5"), "no images"),
        (("--images", tmp_path / "no", "--output", "x.h5"), "no such folder"),
        (("--images", tmp_path, "--output", "x.h5", "--batch_size", 0), "--batch_size"),
    ):
        with pytest.raises(InputError, match=said):
            call(monkeypatch, *words)
    with pytest.raises(SystemExit):
        call(monkeypatch, "--list")
    table = capsys.readouterr().out
    for name in ("EfficientNet-Lite0", "SALAD", "MixVPR", "NetVLAD", "AnyLoc", "GPL-3.0"):
        assert name in table


def test_landmarks_are_found_by_their_lists(tmp_path, monkeypatch):
    write_landmarks(tmp_path, images=6, landmarks=2)
    roxford = read_ground_truth(tmp_path / "annotations" / "roxford5k" / "gnd_roxford5k.pkl")
    jpg = tmp_path / "test" / "roxford5k" / "jpg"
    jpg.mkdir()
    for number, name in enumerate([*roxford.database, *roxford.queries]):
        scenery(number).save(jpg / f"{name}.jpg", quality=95)
    ims = tmp_path / "train" / "retrieval-SfM-120k" / "ims"
    for mode, count in (("train", 6), ("val", 3)):
        for number in range(count):
            name = f"{mode}{number:04d}"
            path = ims / name[-2:] / name[-4:-2] / name[-6:-4] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            scenery(number).save(path, format="JPEG")
    conf = tmp_path / "c.yaml"
    conf.write_text(f"data: {{root: {tmp_path}, val_scenes: [lite0], train_scenes: [lite0]}}\n")
    for dataset in ("roxford5k", "rsfm"):
        call(monkeypatch, "--conf", conf, f"data.dataset={dataset}", "--whiten", "none")
    scene, _ = read_scene(
        tmp_path / "annotations" / "roxford5k" / "gnd_roxford5k.pkl",
        tmp_path / "test" / "roxford5k" / "lite0.npz",
    )
    network, found = load_network(), np.asarray(scene.queries.descriptors[:], dtype=np.float32)
    with Image.open(jpg / f"{roxford.queries[0]}.jpg") as image:
        part = np.array(image.crop((0, 0, 9, 9)))  # gnd's bbx
    pixels = torch.from_numpy(part).permute(2, 0, 1)[None].float() / 255
    row = network(network.normalise(network.resize(pixels)))[0].numpy()
    np.testing.assert_allclose(found[0], row, atol=1e-3)
    (trained,), _ = read_scenes(
        tmp_path / "annotations" / "retrieval-SfM-120k.pkl", [tmp_path / "train" / "lite0.npz"]
    )
    assert trained.database.descriptors.shape == (6, 1280)
    with pytest.raises(InputError, match="of one network"):
        words = ("data.dataset=roxford5k", "data.test_scenes=[other]")
        call(monkeypatch, "--conf", conf, *words)
