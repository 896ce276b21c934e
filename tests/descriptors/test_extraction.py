"""Photos to files: what is kept, what is used again, in which order, and what is broken."""

import json
import struct
import subprocess
import sys
import threading
import time
import zlib
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gcsa.descriptors.extraction import extract
from gcsa.descriptors.extraction.decoding import Broken, Decoded, Photo, batches, decoded
from gcsa.descriptors.extraction.extract import Effort
from gcsa.descriptors.extraction.journal import SUFFIX, Journal
from gcsa.descriptors.extraction.recipes import Recipe
from gcsa.descriptors.extraction.stores import ATTRIBUTE, store
from gcsa.descriptors.hdf5 import open_pack
from gcsa.descriptors.networks.preprocessing import Resize
from gcsa.errors import InputError
from gcsa.imaging import read_rgb

ABOUT = {"network": "means", "scales": [1.0]}
STORED = {**ABOUT, "length": 3, "dtype": "float16"}


def means(pixels):
    """Unit mean colours (B, 3)."""
    return torch.nn.functional.normalize(pixels.mean(dim=(2, 3)), dim=1)


def decode(photo):
    image, size = read_rgb(photo.path)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    return Decoded(photo.name, pixels, size)


RECIPE = Recipe(decode, means, Resize(), 3, ABOUT)


@pytest.fixture
def photos(tmp_path):
    """Twelve photos of three sizes in folders, and their unit mean colours by name."""
    random, found, expected = np.random.default_rng(0), [], {}
    for number in range(12):
        name = f"{'ab'[number % 2]}/{number:02d}.png"
        shape = ((8, 6), (6, 8), (5, 5))[number % 3]
        pixels = random.integers(1, 255, (*shape, 3), dtype=np.uint8)
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        found.append(Photo(name, path))
        mean = pixels.reshape(-1, 3).mean(axis=0)
        expected[name] = mean / np.linalg.norm(mean)
    return sorted(found), expected


def run(photos, path, recipe=RECIPE, **options):
    target = store(path, STORED)
    cpu = torch.device("cpu")
    broken = extract.describe(photos, recipe, target, Effort(batch_size=4), cpu, **options)
    extract.write(photos, recipe, target)
    return broken


def content(path):
    with h5py.File(path) as file:
        found = {}
        file.visititems(
            lambda name, item: (
                found.update({name: item["global_descriptor"][()]})
                if isinstance(item, h5py.Group) and "global_descriptor" in item
                else None
            )
        )
        return found


def test_hlocs_file_has_every_photo(photos, tmp_path):
    found, expected = photos
    path = tmp_path / "out" / "feats.h5"
    assert run(found, path) == []
    rows = content(path)
    assert rows.keys() == expected.keys()
    for name, row in rows.items():
        assert row.dtype == np.float16
        np.testing.assert_allclose(row, expected[name], atol=1e-3)
    with h5py.File(path) as file:
        assert file["a/00.png/image_size"][()].tolist() == [6, 8]
        about = json.loads(file.attrs[ATTRIBUTE])
    assert about["network"] == "means" and about["version"]
    assert sorted(open_pack(path).names) == sorted(expected)  # the package reads it
    assert sorted(p.name for p in path.parent.iterdir() if ".pack" not in p.name) == ["feats.h5"]


def test_what_is_there_is_passed_over(photos, tmp_path):
    found, expected = photos
    path = tmp_path / "feats.h5"
    run(found[:5], path)
    seen = []
    told = replace(RECIPE, decode=lambda photo: seen.append(photo.name) or decode(photo))
    run(found, path, told)
    assert sorted(seen) == [photo.name for photo in found[5:]]
    assert content(path).keys() == expected.keys()
    before = path.stat().st_mtime_ns
    run(found, path, replace(RECIPE, decode=None))  # nobody decodes
    assert path.stat().st_mtime_ns == before


def test_a_killed_process_leaves_what_it_made(photos, tmp_path):
    found, expected = photos
    path = tmp_path / "feats.h5"
    count = []

    def killed(pixels):
        count.append(len(pixels))
        if len(count) == 3:
            raise KeyboardInterrupt
        return means(pixels)

    target, cpu = store(path, STORED), torch.device("cpu")
    with pytest.raises(KeyboardInterrupt):
        extract.describe(found, replace(RECIPE, describe=killed), target, Effort(batch_size=2), cpu)
    assert not path.exists()
    seen = []
    told = replace(RECIPE, decode=lambda photo: seen.append(photo.name) or decode(photo))
    run(found, path, told)
    assert len(seen) == len(found) - sum(count[:2])
    for name, row in content(path).items():
        np.testing.assert_allclose(row, expected[name], atol=1e-3)
    assert not path.with_name(path.name + SUFFIX).exists()


@given(cut=st.integers(0, 200), flipped=st.integers(0, 199))
def test_a_record_cut_short_is_not_counted(tmp_path_factory, cut, flipped):
    target = tmp_path_factory.mktemp("j") / "x.h5"
    rows = {f"n{i}": np.full(3, i, dtype=np.float32) for i in range(5)}
    with Journal(target, ABOUT, 3, "float32") as journal:
        for name, row in rows.items():
            journal.append(name, (4, 3), row)
    (file,) = journal.folder.glob("*.records")
    whole = file.read_bytes()
    damaged = bytearray(whole)
    if flipped < len(damaged):
        damaged[flipped] ^= 0x10
    for bytes_, count in ((whole[:cut], cut // 30), (bytes(damaged), flipped // 30)):
        file.write_bytes(bytes_)
        with Journal(target, ABOUT, 3, "float32") as journal:
            found = journal.rows()
            assert len(whole) == 5 * 30 and list(found) == list(rows)[: min(5, count)]
            for name, row in found.items():
                np.testing.assert_array_equal(journal.read(row), rows[name])
                assert row.image_size == (4, 3)


def test_a_record_whose_name_is_no_text(tmp_path):
    with Journal(tmp_path / "x.h5", ABOUT, 3, "float32") as journal:
        journal.append("n", (4, 3), np.zeros(3))
    (file,) = journal.folder.glob("*.records")
    record = file.read_bytes()[4:].replace(b"n", b"\xff", 1)
    file.write_bytes(struct.pack("<I", zlib.crc32(record)) + record)
    with (
        Journal(tmp_path / "x.h5", ABOUT, 3, "float32") as journal,
        pytest.raises(InputError, match=r"\.records: .*expected what gcsa extract wrote"),
    ):
        journal.rows()


def test_descriptors_of_two_kinds_are_not_mixed(photos, tmp_path):
    found, _ = photos
    path = tmp_path / "feats.h5"
    run(found[:5], path)
    other = store(path, {**STORED, "network": "medians"})
    with pytest.raises(InputError, match="made with network means, now it would be medians"):
        other.names()
    with Journal(tmp_path / "y.h5", ABOUT, 3, "float32") as journal:
        journal.append("a", (1, 1), np.zeros(3))
    with pytest.raises(
        InputError, match=r"y.h5.parts: was made with scales \[1.0\], now .* \[2.0\]"
    ):
        Journal(tmp_path / "y.h5", {**ABOUT, "scales": [2.0]}, 3, "float32").__enter__()


def test_a_second_process_is_refused(tmp_path):
    with Journal(tmp_path / "x.h5", ABOUT, 3, "float32"):
        with pytest.raises(InputError, match="another process extracts to this file"):
            Journal(tmp_path / "x.h5", ABOUT, 3, "float32").__enter__()
        with Journal(tmp_path / "x.h5", ABOUT, 3, "float32", first=False):  # of the same run
            pass


def test_broken_photos_are_named_and_passed_over_when_asked(photos, tmp_path):
    found, _ = photos
    found[3].path.write_bytes(b"no image")
    found[7].path.write_bytes(found[7].path.read_bytes()[:40])
    path = tmp_path / "feats.h5"
    with pytest.raises(InputError) as told:
        run(found, path)
    for photo in (found[3], found[7]):
        assert str(photo.path) in str(told.value)
    assert "2 photos cannot be described" in str(told.value) and not path.exists()
    broken = run(found, path, skip_broken=True)
    assert sorted(b.name for b in broken) == [found[3].name, found[7].name]
    assert len(content(path)) == 10


def test_arrays_and_kaptures_folders(photos, tmp_path):
    found, expected = photos
    for part in (found[:4], found):  # added to, too
        run(part, tmp_path / "feats.npy")
        run(part, tmp_path / "gfeats")
    names = (tmp_path / "feats.txt").read_text().splitlines()
    array = np.load(tmp_path / "feats.npy")
    assert array.shape == (12, 3) and sorted(names) == sorted(expected)
    for name, row in zip(names, array, strict=True):
        np.testing.assert_allclose(row, expected[name], atol=1e-3)
        raw = np.fromfile(tmp_path / "gfeats" / f"{name}.gfeat", dtype="<f4")
        np.testing.assert_allclose(raw, expected[name], atol=1e-3)
    table = (tmp_path / "gfeats" / "global_features.txt").read_text().splitlines()
    assert table[0] == "# kapture format: 1.1" and table[-1] == "means, float32, 3, L2"
    with pytest.raises(InputError, match="ends with none of .h5, .hdf5, .npy"):
        store(tmp_path / "x.txt", STORED)


def test_an_image_in_the_place_of_a_folder_is_refused(tmp_path):
    photos = [Photo("a.jpg", tmp_path), Photo("a.jpg/b.jpg", tmp_path)]
    with pytest.raises(InputError, match=r"'a.jpg/b.jpg': an image is called 'a.jpg'"):
        run(photos, tmp_path / "x.h5")


@given(
    shapes=st.lists(st.sampled_from([(3, 4, 4), (3, 4, 6), (3, 6, 4), (3, 2, 2)]), max_size=40),
    size=st.integers(1, 5),
    held=st.integers(5, 9),
)
def test_batches_have_one_size_and_lose_nothing(shapes, size, held):
    photos = [Decoded(str(i), torch.zeros(shape), (1, 1)) for i, shape in enumerate(shapes)]
    given_out, most = 0, 0

    def counted():
        nonlocal most
        for number, photo in enumerate(photos, 1):
            most = max(most, number - given_out)
            yield photo

    found = []
    for batch in batches(counted(), size, held):
        given_out += len(batch)
        found += batch
        assert 1 <= len(batch) <= size and len({p.pixels.shape for p in batch}) == 1
    assert sorted(p.name for p in found) == sorted(p.name for p in photos)
    assert most <= held


def test_few_photos_are_decoded_ahead(tmp_path):
    lock, running, most = threading.Lock(), 0, 0
    photos = [Photo(str(i), tmp_path) for i in range(30)]

    def slow(photo):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        if photo.name == "17":
            raise InputError("17: broken")
        return Decoded(photo.name, torch.zeros(1), (1, 1))

    names = []
    for photo in decoded(photos, slow, workers=3, ahead=5):
        with lock:
            running -= 1
        names.append(photo.name)
        assert isinstance(photo, Broken) == (photo.name == "17")
        time.sleep(0)
    assert names == [p.name for p in photos] and most <= 5


def test_names_without_rows_are_not_counted(photos, tmp_path):
    """A process that was killed between the renames leaves the names, and not yet the rows."""
    found, expected = photos
    path = tmp_path / "feats.npy"
    run(found[:4], path)
    before = path.read_bytes()
    run(found, path)
    path.write_bytes(before)
    assert store(path, STORED).names() == [photo.name for photo in found[:4]]
    run(found, path)
    for name, row in zip(store(path, STORED).names(), np.load(path), strict=True):
        np.testing.assert_allclose(row, expected[name], atol=1e-3)
    path.with_suffix(".txt").write_text("a\n")
    with pytest.raises(InputError, match="feats.txt: 1 names, feats.npy has 12 rows"):
        store(path, STORED).names()


def test_kaptures_folder_says_how_it_was_made(photos, tmp_path):
    run(photos[0], tmp_path / "gfeats")
    with pytest.raises(InputError, match=r"gfeats: was made with scales \[1.0\], now .* \[2.0\]"):
        store(tmp_path / "gfeats", {**STORED, "scales": [2.0]}).names()


def test_a_disk_that_takes_no_more_is_one_line(tmp_path):
    """Of one record a part fits; the one before it is there afterwards."""
    code = f"""
import resource, signal, sys
from pathlib import Path
import numpy as np
from gcsa.descriptors.extraction.journal import Journal
from gcsa.errors import run_program
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def main():
    with Journal(Path(sys.argv[1]), {ABOUT!r}, 3, "float32") as journal:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
        for name in ("n0", "n1"):
            journal.append(name, (4, 3), np.ones(3))
run_program(main)
"""
    words = [sys.executable, "-c", code, tmp_path / "x.h5"]
    done = subprocess.run(words, capture_output=True, text=True)
    folder = tmp_path / f"x.h5{SUFFIX}"
    assert done.stderr == f"error: {folder}: cannot be written (File too large)\n"
    assert done.returncode == 2
    with Journal(tmp_path / "x.h5", ABOUT, 3, "float32") as journal:
        assert list(journal.rows()) == ["n0"]
