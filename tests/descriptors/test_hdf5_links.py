"""HDF5 files whose objects are elsewhere: values as h5py gives them, or refused by name."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from gcsa.descriptors import listing, packing
from gcsa.descriptors.hdf5 import open_pack
from gcsa.descriptors.objects import find, open_hdf5, read_array
from gcsa.errors import InputError
from gcsa.local.files import LocalFeatures

DATASET = "global_descriptor"
ROWS = np.random.default_rng(0).normal(size=(6, 16)).astype(np.float32)
ROWS /= np.linalg.norm(ROWS, axis=1, keepdims=True)
FORMATS = Path(__file__).parents[2] / "docs" / "formats.md"


def write(path, names, **how):
    with h5py.File(path, "w", **how) as file:
        for name, row in zip(names, ROWS, strict=False):
            file[f"{name}/{DATASET}"] = row
    return path


def by_h5py(path, names):
    with h5py.File(path) as file:
        return np.stack([file[name][DATASET][()] for name in names]).astype(np.float16)


def agrees(path, names):
    pack = open_pack(path)
    assert list(pack.names) == sorted(names)
    np.testing.assert_array_equal(pack.rows(names)[:], by_h5py(path, names))


@pytest.mark.parametrize("userblock", [0, 512, 4096])
@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_links_within_the_file(tmp_path, userblock, libver):
    path = write(tmp_path / "d.h5", ["db/0", "db/1"], userblock_size=userblock, libver=libver)
    with h5py.File(path, "a") as file:
        file["query/hard"] = file["db/0"]
        file["query/soft"] = h5py.SoftLink("/db/1")
        file["query/relative"] = h5py.SoftLink("soft")
        file[f"query/of_a_set/{DATASET}"] = file[f"db/1/{DATASET}"]
        file[f"query/soft_to_a_set/{DATASET}"] = h5py.SoftLink(f"/db/0/{DATASET}")
        file["all"] = h5py.SoftLink("/query")
        file["again"] = file["query"]
    inner = ["hard", "soft", "relative", "of_a_set", "soft_to_a_set"]
    folders = ["query", "all", "again"]
    agrees(path, ["db/0", "db/1", *(f"{folder}/{name}" for folder in folders for name in inner)])


def test_links_that_lead_nowhere_are_counted(tmp_path, caplog):
    path = write(tmp_path / "d.h5", ["db/0"])
    with h5py.File(path, "a") as file:
        file["db/gone"] = h5py.SoftLink("/nothing")
        file["db/self"] = h5py.SoftLink("/db/self")
        file[f"db/set/{DATASET}"] = h5py.SoftLink("/nothing")
    agrees(path, ["db/0"])
    assert "3 images have no descriptor ('db/gone', ...)" in caplog.text


@pytest.mark.parametrize("soft", [True, False])
def test_a_group_that_holds_itself(tmp_path, soft):
    path = write(tmp_path / "d.h5", ["db/0"])
    with h5py.File(path, "a") as file:
        file["db/loop"] = h5py.SoftLink("/") if soft else file["/"]
    with pytest.raises(InputError, match="d.h5: link 'db/loop' leads back to a group that holds"):
        open_pack(path)


def test_links_of_links_of_links(tmp_path, monkeypatch):
    """Ten to the power of twelve names in a file of some kilobytes."""
    monkeypatch.setattr(listing, "MOST_FOLLOWED", 5000)
    path = write(tmp_path / "d.h5", ["level0/image"])
    with h5py.File(path, "a") as file:
        for level in range(1, 13):
            for i in range(10):
                file[f"level{level}/{i}"] = h5py.SoftLink(f"/level{level - 1}")
    with pytest.raises(InputError, match="d.h5: over 5000 objects by way of links"):
        open_pack(path)


@pytest.mark.parametrize("at", ["query", "query/0", f"query/0/{DATASET}", "elsewhere"])
def test_external_links_are_refused_by_name(tmp_path, at):
    other = write(tmp_path / "other.h5", ["x"])
    path = write(tmp_path / "d.h5", ["db/0", "db/1"])
    inside = {"query/0": "x", f"query/0/{DATASET}": f"x/{DATASET}"}.get(at, "/")
    with h5py.File(path, "a") as file:
        file[at] = h5py.ExternalLink("other.h5", inside)
    wrong = f"d.h5: '{at}' is a link to another file, 'other.h5', and is not followed"
    with pytest.raises(InputError, match=wrong):
        open_pack(path)
    other.unlink()
    with pytest.raises(InputError, match=wrong):
        open_pack(path)


def test_soft_links_through_an_external_one(tmp_path):
    write(tmp_path / "other.h5", ["x"])
    path = write(tmp_path / "d.h5", ["db/0"])
    with h5py.File(path, "a") as file:
        file["db/1"] = h5py.SoftLink("/out/x")
        file["out"] = h5py.ExternalLink("other.h5", "/")
    with pytest.raises(InputError, match="'out' is a link to another file"):
        open_pack(path)


@pytest.mark.parametrize("place", [0, 1])
def test_numbers_in_other_files_are_refused(tmp_path, place):
    secret = tmp_path / "secret.txt"
    secret.write_bytes(ROWS[0].tobytes())
    write(tmp_path / "other.h5", ["x"])
    name = ["db/0", "db/2"][place]  # the first in the order of names, and another
    for kind in ("raw", "virtual"):
        path = write(tmp_path / f"{kind}.h5", ["db/1"])
        with h5py.File(path, "a") as file:
            if kind == "raw":
                where = [(str(secret), 0, 64)]
                file.create_dataset(f"{name}/{DATASET}", (16,), "f4", external=where)
            else:
                layout = h5py.VirtualLayout((16,), "f4")
                layout[:] = h5py.VirtualSource("other.h5", f"x/{DATASET}", (16,))
                file.create_virtual_dataset(f"{name}/{DATASET}", layout)
        np.testing.assert_array_equal(by_h5py(path, [name])[0], ROWS[0].astype(np.float16))
        told = {"raw": f"lies in another file, '{secret}'", "virtual": "is a view of other"}[kind]
        with pytest.raises(InputError, match=f"descriptor of image '{name}' {told}"):
            open_pack(path)


def test_the_way_to_a_whole_file_in_the_docs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["query/0", "query/1", "db/0", "db/1", "soft"]
    write(Path("other.h5"), ["x", "y"])
    write(Path("joined.h5"), ["db/0"])
    with h5py.File("joined.h5", "a") as file:
        file["query/0"] = h5py.ExternalLink("other.h5", "x")
        file["query/1"] = h5py.ExternalLink("other.h5", "y")
        file["soft"] = h5py.SoftLink("/db/0")
        layout = h5py.VirtualLayout((16,), "f4")
        layout[:] = h5py.VirtualSource("other.h5", f"x/{DATASET}", (16,))
        file.create_virtual_dataset(f"db/1/{DATASET}", layout)
    (code,) = re.findall(r"```python\n(.*?)```", FORMATS.read_text(), re.DOTALL)
    exec(code, {})
    np.testing.assert_array_equal(by_h5py("whole.h5", names), by_h5py("joined.h5", names))
    Path("other.h5").unlink()
    agrees(Path("whole.h5"), names)


def test_an_address_that_is_none(tmp_path):
    """Never written, behind a block of the user's: HDF5 gives 511 for its address."""
    path = write(tmp_path / "d.h5", ["db/0"], userblock_size=512)
    with h5py.File(path, "a") as file:
        file.create_dataset(f"db/1/{DATASET}", (16,), "f4", fillvalue=0.25)
    agrees(path, ["db/0", "db/1"])


def test_floats_that_numpy_does_not_have(tmp_path):
    """bfloat16, two bytes: h5py reads it as float32, whose bytes it has not."""
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)
    kind.set_size(2)
    kind.set_ebias(127)
    path = tmp_path / "d.h5"
    with h5py.File(path, "w") as file:
        for name, row in zip(["db/0", "db/1"], ROWS, strict=False):
            group = file.create_group(name)
            space = h5py.h5s.create_simple((16,))
            dataset = h5py.h5d.create(group.id, DATASET.encode(), kind, space)
            dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, row)
    agrees(path, ["db/0", "db/1"])
    np.testing.assert_allclose(open_pack(path).array, ROWS[:2], rtol=1e-2, atol=1e-6)


@pytest.mark.parametrize(
    "how",
    [
        {"chunks": (16,), "compression": "gzip", "shuffle": True},
        {"chunks": (4,), "fletcher32": True},
        {"dtype": ">f4"},
        {"dtype": "f8"},
        {"dtype": "f2"},
    ],
)
def test_every_way_to_store(tmp_path, how):
    path = write(tmp_path / "d.h5", ["db/0"])
    with h5py.File(path, "a") as file:
        file.create_dataset(f"db/1/{DATASET}", data=ROWS[1].astype(how.pop("dtype", "f4")), **how)
    agrees(path, ["db/0", "db/1"])


def test_small_files_of_gigabytes(tmp_path, monkeypatch):
    packed = {"chunks": (1 << 18,), "compression": "gzip"}
    with h5py.File(tmp_path / "long.h5", "w") as file:
        file.create_dataset(f"a/{DATASET}", (1 << 30,), "f4", chunks=(1 << 20,), compression="gzip")
    with h5py.File(tmp_path / "vector.h5", "w") as file:
        file.create_dataset(f"a/{DATASET}", (1 << 30,), "f4", **packed)
    with h5py.File(tmp_path / "chunk.h5", "w") as file:
        how = {"chunks": (1 << 28,), "maxshape": (None,), "compression": "gzip"}
        file.create_dataset(f"a/{DATASET}", (16,), "f4", **how)
    row = np.full(1 << 14, 2.0**-7, np.float32)
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        for i in range(50):
            file.create_dataset(f"{i}/{DATASET}", data=row, compression="gzip")
    for name, told in {
        "long": "image 'a', in its chunks: 1048576 numbers .* at most 262144 .*GCSA_MAX_LENGTH",
        "chunk": "image 'a', in its chunks: 268435456 numbers of a descriptor",
        "vector": "image 'a': 1073741824 numbers of a descriptor, at most 262144 are read",
    }.items():
        with pytest.raises(InputError, match=f"{name}.h5: descriptor of {told}"):
            open_pack(tmp_path / f"{name}.h5")
    assert open_pack(tmp_path / "rows.h5").array.shape == (50, 1 << 14)
    (tmp_path / "rows.pack.npy").unlink()
    monkeypatch.setattr(packing, "UNPACKED", 0)
    monkeypatch.setenv("GCSA_MAX_EXPANSION", "2")
    with pytest.raises(InputError, match="rows.h5: [0-9]+ times its size .*GCSA_MAX_EXPANSION"):
        open_pack(tmp_path / "rows.h5")
    monkeypatch.setenv("GCSA_MAX_EXPANSION", "40")
    assert len(open_pack(tmp_path / "rows.h5").array) == 50


def test_a_chunk_that_stores_more_than_it_has(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        data = file.create_dataset(f"a/{DATASET}", (16,), "f4", chunks=(16,), compression="gzip")
        data.id.write_direct_chunk((0,), bytes(10**6))
    with pytest.raises(InputError, match="image 'a' has more bytes stored than its chunks can"):
        open_pack(tmp_path / "d.h5")


@pytest.mark.parametrize("descriptor", [True, False])
def test_names_of_a_hundred_thousand_letters(tmp_path, descriptor):
    path, name = write(tmp_path / "d.h5", ["db/0"]), "n" * 100_000
    with h5py.File(path, "a") as file:
        file[f"{name}/{DATASET}" if descriptor else name] = ROWS[0]
    told = r"d.h5: 'n{120}\.\.\.': 100000 bytes of a name in an HDF5 file, at most 1024"
    with pytest.raises(InputError, match=told) as error:
        open_pack(path)
    assert len(str(error.value)) < 400


def test_a_hundred_thousand_levels(tmp_path):
    """HDF5's visitor would take the stack for each."""
    path = write(tmp_path / "d.h5", ["db/0"], libver="latest")
    with h5py.File(path, "a", libver="latest") as file:
        group = file.id
        for _ in range(20_000):
            group = h5py.h5g.create(group, b"a")
    with pytest.raises(
        InputError, match="d.h5: 'a/a/.*bytes of a name in an HDF5 file, at most 1024"
    ):
        open_pack(path)


def test_names_that_are_not_text(tmp_path):
    path = write(tmp_path / "d.h5", ["db/0"])
    with h5py.File(path, "a") as file:
        file[f"db/M\udcfcnster\n.jpg/{DATASET}".encode("utf-8", "surrogateescape")] = ROWS[1]
    with pytest.raises(InputError, match=r"d.h5: name 'db/M\\xfcnster\\n.jpg' is not UTF-8 text"):
        open_pack(path)


def local(tmp_path):
    """hloc's features of two images and their matches."""
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["map/a.jpg/keypoints"] = np.arange(8.0).reshape(4, 2)
        file["map/b.jpg"] = h5py.SoftLink("/map/a.jpg")
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["map-a.jpg/map-b.jpg/matches0"] = np.array([1, -1, 0, 3])
    return tmp_path / "f.h5", tmp_path / "m.h5"


def test_local_features_in_the_file_itself(tmp_path):
    features, matches = local(tmp_path)
    with LocalFeatures(features, matches) as found:
        for name in ("sessions/map/a.jpg", "sessions/map/b.jpg"):
            np.testing.assert_array_equal(found.keypoints(name).ravel(), np.arange(8) + 0.5)
        pairs = found.matches("sessions/map/a.jpg", "sessions/map/b.jpg")
        np.testing.assert_array_equal(pairs, [[0, 1], [2, 0], [3, 3]])
        assert found.matches("sessions/map/a.jpg", "sessions/map/c.jpg") is None


def test_local_features_of_other_files_are_refused(tmp_path):
    features, matches = local(tmp_path)
    with h5py.File(features, "a") as file:
        file["map/out.jpg"] = h5py.ExternalLink("o.h5", "x")
        file.create_dataset("map/raw.jpg/keypoints", (1, 2), "f4", external=[("/o", 0, 8)])
        file["map/soft.jpg"] = h5py.SoftLink("out.jpg")
        file["map/group.jpg/keypoints/x"] = 1
        file["map/text.jpg/keypoints"] = "text"
        file["map/loop.jpg"] = h5py.SoftLink("loop.jpg")
        how = {"chunks": (1 << 20, 2), "compression": "gzip"}
        file.create_dataset("map/large.jpg/keypoints", (1 << 40, 2), "f4", **how)
    with h5py.File(matches, "a") as file:
        file["map-a.jpg/map-out.jpg"] = h5py.ExternalLink("o.h5", "x")
    with LocalFeatures(features, matches) as found:
        for name, told in {
            "out": "f.h5: 'map/out.jpg/keypoints' is a link to another file, 'o.h5'",
            "soft": "f.h5: 'map/soft.jpg/keypoints' is a link to another file, 'o.h5'",
            "raw": "f.h5: 'map/raw.jpg/keypoints' lies in another file, '/o'",
            "group": "'map/group.jpg/keypoints' is no dataset",
            "text": "'map/text.jpg/keypoints' is of object, expected numbers",
            "loop": "f.h5: no keypoints of image 'map/loop.jpg'",
            "large": "'map/large.jpg/keypoints': 2199023255552 numbers .*, at most 16777216",
        }.items():
            with pytest.raises(InputError, match=told):
                found.keypoints(f"sessions/map/{name}.jpg")
        with pytest.raises(InputError, match="'map-a.jpg/map-out.jpg/matches0' is a link to"):
            found.matches("sessions/map/a.jpg", "sessions/map/out.jpg")


def test_finding_opens_no_other_file(tmp_path):
    path = write(tmp_path / "d.h5", ["db/0"])
    with h5py.File(path, "a") as file:
        file["x"] = h5py.SoftLink("./db//0/.")
    with open_hdf5(path) as file:
        assert find(file, "db/0") == find(file, "/db/0") == find(file, "x")
        assert find(file, "db/1") is None and find(file, f"db/0/{DATASET}/x") is None
        np.testing.assert_array_equal(read_array(file, f"x/{DATASET}"), ROWS[0])
