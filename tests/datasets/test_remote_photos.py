"""Photos in an object store: read through fsspec, from its memory and from this disk by URL."""

import errno
import io

import fsspec
import numpy as np
import pytest
from conftest import overrides
from PIL import Image
from worlds import write_world

from gcsa.__main__ import main
from gcsa.config import load_config
from gcsa.datasets.images import image_path, missing, on_disk
from gcsa.datasets.settings import DataConfig
from gcsa.descriptors.extraction.decoding import Photo, decoded
from gcsa.descriptors.hdf5 import open_pack
from gcsa.errors import InputError
from gcsa.extract.photos import of_scenes
from gcsa.files.remote import Remote, StoreError, _store, folder_of
from gcsa.imaging import read_image, read_rgb


def jpeg(seed, size=(32, 24)):
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize(size).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.fixture
def store():
    """A bucket in memory, empty."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    yield files
    files.store.clear()


def test_a_photo_is_read_from_a_store_as_from_disk(store, tmp_path):
    store.pipe("/bucket/deep/a b.jpg", jpeg(1))
    (tmp_path / "a.jpg").write_bytes(jpeg(1))
    expected = np.asarray(read_rgb(tmp_path / "a.jpg")[0])
    for url in ("memory://bucket", "memory://bucket/", f"file://{tmp_path}"):
        name = "a.jpg" if url.startswith("file") else "deep/a b.jpg"
        path = folder_of(url) / name
        image, size = read_rgb(path)
        assert size == (32, 24) and str(path) == f"{url.rstrip('/')}/{name}"
        np.testing.assert_array_equal(np.asarray(image), expected)
    assert read_image(folder_of("memory://bucket") / "none.jpg") is None
    assert not isinstance(folder_of("C:/photos"), Remote)


def test_descriptors_of_a_data_set_whose_photos_are_in_a_store(store, tmp_path, monkeypatch):
    world = write_world(tmp_path, {"cph": "train_val"}, database=4, queries=2)
    world |= {"data.val_scenes": "[cph]", "data.train_scenes": "[]", "data.test_scenes": "[]"}
    world |= {"data.dataset": "msls", "data.desc_fn": "lite0.h5"}
    config = load_config(None, overrides(world, {"data.photos": "memory://bucket"}))
    monkeypatch.setattr("gcsa.extract.photos.SPLITS", ("val",))
    (job,) = of_scenes(config)
    assert len(job.photos) == 6
    for number, photo in enumerate(job.photos):
        store.pipe(f"/bucket/msls/train_val/cph/{photo.name}", jpeg(number))
        path = tmp_path / "datasets/msls/train_val/cph" / photo.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(number))
    conf, found = tmp_path / "c.yaml", {}
    conf.write_text("data: {}\n")
    for photos in ("", "memory://bucket"):
        home = tmp_path / ("far" if photos else "near")
        words = overrides(world, {"data.photos": photos, "data.outputs": home})
        argv = ["gcsa", "extract", "--conf", str(conf), "--whiten", "none", *words]
        monkeypatch.setattr("sys.argv", argv)
        main()
        found[photos] = open_pack(home / "msls/cph/lite0.h5")
    assert list(found[""].names) == list(found["memory://bucket"].names)
    np.testing.assert_array_equal(*(np.asarray(pack.array) for pack in found.values()))


def test_what_cannot_be_read_is_one_line(store, monkeypatch):
    store.pipe("/bucket/a.jpg", jpeg(1))
    store.pipe("/bucket/text.jpg", b"no picture")
    home = folder_of("memory://bucket")
    for name, said in {
        "none.jpg": "memory://bucket/none.jpg: no such file; expected a file of an object store",
        "text.jpg": "memory://bucket/text.jpg: .* expected an image",
        "../a.jpg": "expected a name without '..'",
    }.items():
        with pytest.raises(InputError, match=said):
            read_rgb(home / name)
    monkeypatch.setenv("GCSA_MAX_BYTES", "50")
    with pytest.raises(InputError, match="51 bytes or more of a photo in an object store, at most"):
        read_rgb(home / "a.jpg")
    monkeypatch.delenv("GCSA_MAX_BYTES")
    with pytest.raises(InputError, match="^nowhere://b/a.jpg: .*; expected a file of an object"):
        read_rgb(folder_of("nowhere://b") / "a.jpg")


def test_a_name_of_a_table_is_no_url_of_its_own(store, tmp_path):
    """fsspec takes "::" in a URL for another file system: a stranger's table may hold that."""
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(jpeg(3))
    store.mkdir("/bucket")
    for name in (f"simplecache::file://{secret}", f"file://{secret}", f"/{secret}"):
        assert read_image(folder_of("memory://bucket") / name) is None
        assert read_image(folder_of(f"file://{tmp_path}/deep") / name) is None


def test_without_fsspec_that_is_said(monkeypatch):
    _store.cache_clear()

    def no_module(name):
        raise ImportError(name)

    monkeypatch.setattr("gcsa.files.remote.importlib.import_module", no_module)
    with pytest.raises(InputError, match=r"^s3://b: needs fsspec, which .* gcsa\[remote\]"):
        read_rgb(folder_of("s3://b") / "a.jpg")


def test_what_needs_a_disk_says_so(tmp_path):
    data = DataConfig(root=str(tmp_path), photos="s3://b/p", dataset="folder")
    path = image_path(data, "lund", "a.jpg")
    assert str(path) == "s3://b/p/lund/a.jpg"
    with pytest.raises(InputError, match="s3://b/p/lund/a.jpg: expected a photo on disk"):
        on_disk(path)
    assert missing([path, tmp_path / "no.jpg"]) == [tmp_path / "no.jpg"]


def test_a_store_is_asked_as_s3fs_wants_it(store, monkeypatch):
    """Its third argument is the version of a file; a range of an empty file is an error there."""
    store.pipe("/bucket/a.jpg", jpeg(1))
    store.pipe("/bucket/empty.jpg", b"")
    cat = type(store).cat_file

    def as_s3fs(self, path, version_id=None, start=None, end=None):
        if version_id is not None or start >= self.info(path)["size"]:
            raise OSError(errno.EINVAL, "The requested range is not satisfiable")
        return cat(self, path, start, end)

    monkeypatch.setattr(type(store), "cat_file", as_s3fs)
    assert (folder_of("memory://bucket") / "a.jpg").fetched().content == jpeg(1)
    assert (folder_of("memory://bucket") / "empty.jpg").fetched().content == b""


def test_a_store_that_cannot_be_asked_ends_the_command_at_once(store, monkeypatch):
    asked = []

    def silent(self, path, *_, **__):
        asked.append(path)
        raise ConnectionError("could not connect to the endpoint")

    monkeypatch.setattr(type(store), "cat_file", silent)
    with pytest.raises(StoreError, match="^memory://bucket/a.jpg: could not connect to the endpoi"):
        read_rgb(folder_of("memory://bucket") / "a.jpg")
    photos = [Photo(f"{i}.jpg", folder_of("memory://bucket") / f"{i}.jpg") for i in range(200)]
    del asked[:]
    with pytest.raises(StoreError):
        list(decoded(photos, lambda photo: read_rgb(photo.path), 2, 8))
    assert len(asked) < 100
