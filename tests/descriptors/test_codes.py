"""Product quantisation against faiss's and against loops; its files, right and wrong."""

import h5py
import numpy as np
import pytest

from gcsa.descriptors import quantisation
from gcsa.descriptors.codes import write_codes
from gcsa.descriptors.hdf5 import open_pack
from gcsa.descriptors.quantisation import Codebooks
from gcsa.descriptors.table import Table
from gcsa.errors import InputError
from gcsa.ranking.retrieval import retrieve
from gcsa.scene import ImageSet, Scene


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    found = random.normal(size=(60, 16))[random.integers(60, size=900)]
    found += 0.3 * random.normal(size=(900, 16))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def codebooks(rows):
    return quantisation.fit(rows, 4)


@pytest.fixture
def path(tmp_path, rows, codebooks):
    names = [f"i{i:03}" for i in range(900)]
    write_codes(tmp_path / "c.h5", names, [rows[:500], rows[500:]], codebooks)
    return tmp_path / "c.h5"


def test_codes_are_the_nearest_centres(rows, codebooks):
    codes = codebooks.encode(rows[:20])
    for row, code in zip(rows[:20], codes, strict=True):
        for part in range(4):
            distances = np.linalg.norm(row[4 * part :][:4] - codebooks.centres[part], axis=1)
            assert distances[code[part]] == pytest.approx(distances.min(), abs=1e-6)
    parts = [codebooks.centres[part, codes[3, part]] for part in range(4)]
    unit = np.concatenate(parts) / np.linalg.norm(np.concatenate(parts))
    np.testing.assert_allclose(codebooks.decode(codes)[3], unit, atol=1e-6)


def test_as_near_as_the_codes_of_faiss(rows, codebooks):
    faiss = pytest.importorskip("faiss")
    peer = faiss.ProductQuantizer(16, 4, 8)
    peer.cp.min_points_per_centroid = 1
    peer.train(rows)
    theirs = np.linalg.norm(rows - peer.decode(peer.compute_codes(rows)), axis=1)
    codes = codebooks.encode(rows)
    plain = codebooks.centres[np.arange(4), codes].reshape(900, 16)
    ours = np.linalg.norm(rows - plain, axis=1)
    assert np.mean(ours**2) == pytest.approx(np.mean(theirs**2), rel=0.1)


def test_a_part_of_few_different_values():
    rows = np.tile(np.eye(4, dtype=np.float32), (75, 1))
    found = quantisation.fit(rows, 2)
    np.testing.assert_allclose(found.decode(found.encode(rows)), rows, atol=1e-6)


def test_a_file_of_codes_is_read_like_any_other(path, rows, codebooks, caplog):
    with caplog.at_level("INFO"):
        pack = open_pack(path)
    assert "4 codes a descriptor; what is read is near what was encoded" in caplog.text
    decoded = codebooks.decode(codebooks.encode(rows)).astype(np.float16)
    assert pack.names.tolist() == [f"i{i:03}" for i in range(900)]
    some = np.array(["i700", "i003", "i899"])
    np.testing.assert_array_equal(pack.rows(some)[:], decoded[[700, 3, 899]])
    np.testing.assert_array_equal(pack.rows(some)[1], decoded[3])
    names = pack.names
    database, queries = (ImageSet(n, pack.rows(n)) for n in (names[50:], names[:50]))
    scene = Scene("s", database, queries)
    gathered = Table([scene]).gather(np.array([0, 60])).numpy()
    np.testing.assert_array_equal(gathered, decoded[[0, 60]])
    in_memory = Scene("s", ImageSet(names[50:], decoded[50:]), ImageSet(names[:50], decoded[:50]))
    np.testing.assert_array_equal(retrieve(scene, 5).scores, retrieve(in_memory, 5).scores)
    assert not list(path.parent.glob("*.pack.npy"))
    with pytest.raises(InputError, match="no descriptor for image 'x'"):
        pack.rows(np.array(["x"]))


def test_its_index_is_of_this_content(path, rows, codebooks):
    some = np.array(["i001"])
    _, first = open_pack(path).rows(some).home
    assert first == open_pack(path).rows(some).home[1]
    write_codes(path, [f"i{i:03}" for i in range(900)], [rows[::-1]], codebooks)
    assert first != open_pack(path).rows(some).home[1]


def _without(key):
    return lambda file: file.__delitem__(key)


@pytest.mark.parametrize(
    "key, value, said",
    [
        ("codes", np.zeros((900, 3), np.uint8), "900 names, codes of shape"),
        ("codes", np.zeros((900, 4), np.int32), "codes do not lie in one piece of bytes"),
        ("codebooks", np.zeros((4, 300, 4), np.float32), "codebooks have shape"),
        ("codebooks", np.full((4, 256, 4), np.nan, np.float32), "not finite"),
        ("codebooks", np.ones((4, 7, 4), np.float32), "beyond the codebooks"),
        ("names", np.array([b"b"] * 900), "names are no ascending text"),
    ],
)
def test_files_that_cannot_be(path, key, value, said):
    with h5py.File(path, "r+") as file:
        del file[key]
        file[key] = value
    with pytest.raises(InputError, match=f"c.h5: .*{said}"):
        open_pack(path)


def test_what_cannot_be_cut(rows):
    with pytest.raises(InputError, match="16 numbers are not cut into 5 parts"):
        quantisation.fit(rows, 5)
    with pytest.raises(InputError, match="100 descriptors are too few for 256 centres"):
        quantisation.fit(rows[:100], 4)
    with pytest.raises(InputError, match="descriptors of 16 numbers, the codebooks are of 12"):
        Codebooks(np.zeros((3, 256, 4), np.float32)).encode(rows)
