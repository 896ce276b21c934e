"""Packs of hloc descriptor files: their content, and when they are made again."""

import os

import h5py
import numpy as np
import pytest
from worlds import write_descriptors

from gcsa.descriptors import packfile, packing
from gcsa.descriptors.hdf5 import RESIDENT, open_pack
from gcsa.descriptors.memory import mapped_bytes
from gcsa.descriptors.packing import pack_record
from gcsa.errors import InputError, MissingFileError

NAMES = ["query/images/-b.jpg", "database/images/z.jpg", "database/images/_a.jpg"]


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "feats.h5"
    write_descriptors(path, NAMES, np.random.default_rng(0).normal(size=(3, 16)))
    return path


def stored(path):
    with h5py.File(path) as file:
        return {name: file[name]["global_descriptor"][:] for name in NAMES}


def test_rows_are_the_descriptors_of_the_names(source):
    pack = open_pack(source)
    assert list(pack.names) == sorted(NAMES)
    assert isinstance(pack.array, np.memmap) and pack.array.dtype == np.float16
    order = [NAMES[0], NAMES[2], NAMES[0]]
    rows = pack.rows(np.array(order))
    expected = np.stack([stored(source)[name] for name in order])
    assert rows.shape == (3, 16) and rows.dtype == np.float16 and len(rows) == 3
    np.testing.assert_array_equal(np.asarray(rows), expected)
    np.testing.assert_array_equal(rows[[2, 1]], expected[[2, 1]])
    np.testing.assert_array_equal(rows[1:, :4], expected[1:, :4])
    np.testing.assert_array_equal(rows[np.array([[0, 1], [2, 0]])], expected[[[0, 1], [2, 0]]])
    np.testing.assert_array_equal(rows[1], expected[1])
    np.testing.assert_array_equal(rows * 2, expected * 2)


def test_float32_files_are_packed_in_half_precision(tmp_path):
    path, values = tmp_path / "feats.h5", np.linspace(-1, 1, 7, dtype=np.float32)
    values /= np.linalg.norm(values)
    with h5py.File(path, "w") as file:
        file["a.jpg/global_descriptor"] = values
    np.testing.assert_array_equal(open_pack(path).array[0], values.astype(np.float16))


def test_a_fresh_pack_is_used_as_it_is(source):
    open_pack(source)
    pack = source.with_suffix(".pack.npy")
    before = pack.stat().st_mtime_ns
    open_pack(source)
    assert pack.stat().st_mtime_ns == before


def test_a_changed_source_is_packed_again(source):
    open_pack(source)
    with h5py.File(source, "a") as file:
        file[NAMES[0]]["global_descriptor"][...] = 0.25  # same size, other content
    os.utime(source, ns=(1, 1))
    assert (open_pack(source).rows([NAMES[0]])[0] == 0.25).all()
    with h5py.File(source, "a") as file:
        file["database/images/new.jpg/global_descriptor"] = np.full(16, 0.25)
    assert len(open_pack(source).names) == 4


def test_an_image_without_a_descriptor_is_named(source):
    with pytest.raises(InputError, match=r"feats.h5: no descriptor for image 'query/x.jpg' \(nor"):
        open_pack(source).rows(["query/x.jpg", NAMES[0], "zz"])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros(15), r"image 'query/images/-b.jpg' has shape \(15,\), that of .* \(16,\)"),
        (np.zeros((16, 1)), r"has shape \(16, 1\)"),
        (np.full(16, np.nan), "image 'query/images/-b.jpg' is not finite"),
        (np.full(16, np.inf), "image 'query/images/-b.jpg' is not finite"),
        (np.zeros(16), "image 'query/images/-b.jpg' is zero, it has no direction"),
        (np.eye(1, 16, dtype=np.int32)[0], "image 'query/images/-b.jpg' is of int32, expected"),
        (np.eye(1, 16, dtype=bool)[0], "image 'query/images/-b.jpg' is of bool, expected floats"),
        (np.eye(1, 16, dtype=complex)[0], "'query/images/-b.jpg' is of complex128, expected"),
        (h5py.Empty("f4"), r"'query/images/-b.jpg' is empty, expected a vector \(D,\) of floats"),
    ],
)
def test_a_wrong_descriptor_is_named_and_leaves_nothing_behind(source, value, message):
    with h5py.File(source, "a") as file:
        del file[NAMES[0]]["global_descriptor"]
        file[NAMES[0]]["global_descriptor"] = value
    with pytest.raises(InputError, match=message):
        open_pack(source)
    assert [p.name for p in source.parent.iterdir()] == [source.name]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_every_length_is_looked_at(tmp_path, caplog, kind):
    names = [f"{i:03d}.jpg" for i in range(200)]
    rows = np.random.default_rng(0).normal(size=(200, 16))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    lengths = np.ones((200, 1))
    lengths[101] = 30
    lengths[150] = 1e-3 if kind == np.float16 else 1e6  # half precision ends at 65504
    with h5py.File(tmp_path / "f.h5", "w") as file:
        for name, row in zip(names, (rows * lengths).astype(kind), strict=True):
            file[f"{name}/global_descriptor"] = row
    wrong = "f.h5: descriptor of image '101.jpg' has length 30, expected 1 .*data.normalise=true"
    for _ in range(2):  # packed, and opened
        with pytest.raises(InputError, match=wrong):
            open_pack(tmp_path / "f.h5")
        with caplog.at_level("INFO"):
            pack = open_pack(tmp_path / "f.h5", normalise=True)
        assert "2 of 200 descriptors normalised" in caplog.text
        caplog.clear()
    np.testing.assert_allclose(pack.array, rows, atol=1e-3)
    np.testing.assert_array_equal(pack.array[:101], rows[:101].astype(kind).astype(np.float16))


def test_what_is_no_vector(tmp_path):
    for file, value in {"row": np.eye(1, 16), "group": None, "none": np.zeros(0)}.items():
        with h5py.File(tmp_path / f"{file}.h5", "w") as written:
            for name in ("db/0.jpg", "db/1.jpg"):
                if value is None:
                    written[f"{name}/global_descriptor/__array__"] = np.eye(1, 16)[0]
                else:
                    written[f"{name}/global_descriptor"] = value
    for file, got in {
        "row": r"has shape \(1, 16\)",
        "group": "is a group",
        "none": "is empty",
    }.items():
        with pytest.raises(InputError, match=f"{file}.h5: descriptor of image 'db/0.jpg' {got}.*"):
            open_pack(tmp_path / f"{file}.h5")


def test_images_without_a_descriptor_are_said(source, caplog):
    with h5py.File(source, "a") as file:
        file.create_group("db/interrupted.jpg")
        file["db/other.jpg/keypoints"] = np.zeros((3, 2))
        file[f"{NAMES[0]}/keypoints"] = np.zeros((3, 2))
    for _ in range(2):
        caplog.clear()
        assert len(open_pack(source).names) == 3
        assert "2 images have no descriptor ('db/interrupted.jpg', ...)" in caplog.text


def test_files_that_are_not_descriptors(tmp_path):
    with pytest.raises(MissingFileError, match="nothing.h5: no such descriptor file"):
        open_pack(tmp_path / "nothing.h5")
    text = tmp_path / "text.h5"
    text.write_text("hello")
    with pytest.raises(
        InputError, match="text.h5: .*signature not found.*; expected an HDF5 file of hloc"
    ):
        open_pack(text)
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file["a/keypoints"] = np.zeros(3)
    with pytest.raises(InputError, match="empty.h5: holds no 'global_descriptor'"):
        open_pack(tmp_path / "empty.h5")


def resident_bytes():
    """Pages of files that this process has mapped and read (Linux)."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[2]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads Linux's /proc")
def test_resident_memory_is_bounded_by_the_setting(tmp_path, monkeypatch):
    source, rows = tmp_path / "feats.h5", 40_000
    names = np.char.mod("%06d.jpg", np.arange(rows))
    # 330 MB, written, not a hole: some systems map large pieces of real files at once.
    blocks = (np.ones((2000, 4096), np.float16) for _ in range(0, rows, 2000))
    path = source.with_suffix(".pack.npy")
    packfile.write(path, (rows, 4096), names.astype("S10"), blocks, pack_record)
    order = np.random.default_rng(0).permutation(rows).reshape(-1, 500)
    out, peaks = np.empty((500, 4096), np.float16), {}
    for limit in (64e6, 8e9):
        monkeypatch.setattr(RESIDENT, "limit", int(limit))
        RESIDENT.drop()
        found, before, most = open_pack(source).rows(names), resident_bytes(), 0
        for rows_read in order:
            found.take(rows_read, out)
            most = max(most, resident_bytes() - before)
        peaks[limit] = most
        del found
    assert peaks[64e6] < 64e6 + 40e6 and peaks[8e9] > 300e6


@pytest.mark.skipif(mapped_bytes() is None, reason="reads Linux's /proc")
def test_packing_keeps_no_pages(tmp_path, monkeypatch):
    """40 MB of descriptors, packed in pieces of 1 MB."""
    names, random = [f"{i:05d}.jpg" for i in range(5000)], np.random.default_rng(0)
    write_descriptors(tmp_path / "f.h5", names, random.normal(size=(5000, 4096)))
    found, blocks = [], packing._blocks
    monkeypatch.setattr("gcsa.descriptors.packing.PACK_CHUNK", 128)

    def watched(*args):
        for block in blocks(*args):
            found.append(mapped_bytes())
            yield block

    monkeypatch.setattr(packing, "_blocks", watched)
    before = mapped_bytes()
    open_pack(tmp_path / "f.h5")
    assert len(found) == 40 and max(found) - before < 20e6


def test_the_last_touch_of_a_pack_leaves_its_content(source, monkeypatch):
    """Dropped pages are read again: what a row holds stays."""
    monkeypatch.setattr(RESIDENT, "limit", 1)
    rows = open_pack(source).rows(np.array(NAMES))
    expected = np.stack([stored(source)[name] for name in NAMES])
    out = np.empty((3, 16), np.float16)
    for _ in range(3):
        rows.take(np.array([0, 1, 2]), out)
        np.testing.assert_array_equal(out, expected)
        np.testing.assert_array_equal(rows[:], expected)
