"""A first round by an index of faiss: against the exact one; killed, added to, changed, damaged."""

import sys

import numpy as np
import pytest

from gcsa.config import load_config
from gcsa.descriptors.hdf5 import open_pack
from gcsa.descriptors.writing import write_features
from gcsa.errors import InputError
from gcsa.ranking.index import factory, manifest
from gcsa.ranking.index.settings import Searching
from gcsa.ranking.retrieval import retrieve
from gcsa.scene import ImageSet, Scene

EVERYTHING = "nprobe=8"  # all lists: what is missed is missed by rounding alone
SMALL = Searching("IVF8,SQ8", EVERYTHING, part=150)


def rows(count, seed=0):
    """Clustered descriptors of unit length, (count, 32) float16."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(20, 32))
    found = centres[random.integers(20, size=count)] + 0.5 * random.normal(size=(count, 32))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float16)


def images(prefix, descriptors):
    return ImageSet(np.array([f"{prefix}{i:04}" for i in range(len(descriptors))]), descriptors)


@pytest.fixture
def queries():
    return images("q", rows(30, 1))


@pytest.fixture
def database_of(tmp_path):
    """A function that writes named rows to a descriptor file and opens what is packed of it."""

    def write(named):
        path = tmp_path / "feats.h5"
        write_features(path, list(named), list(named.values()))
        names = np.array(sorted(named))
        return ImageSet(names, open_pack(path).rows(names))

    return write


@pytest.fixture
def named():
    return {f"d{i:04}": row for i, row in enumerate(rows(400))}


@pytest.fixture
def added(monkeypatch):
    """The numbers of images that were added to an index, part by part."""
    found, original = [], factory.write_part
    monkeypatch.setattr(
        factory,
        "write_part",
        lambda index, path: found.append(int(index.ntotal)) or original(index, path),
    )
    return found


def exact(database, queries, num=10):
    similarity = queries.descriptors.astype("f4") @ np.asarray(database.descriptors, "f4").T
    return np.argsort(-similarity, axis=1, kind="stable")[:, :num], similarity


def check(database, queries, searching=SMALL, least=1.0, num=10):
    """What is found, of which this share at least is the exact search's, with exact scores."""
    found = retrieve(Scene("s", database, queries), num, search=searching)
    expected, similarity = exact(database, queries, num)
    kept = found.indices >= 0
    right = np.take_along_axis(similarity, np.maximum(found.indices, 0), axis=1)
    np.testing.assert_allclose(found.scores[kept], right[kept], atol=1e-6)
    share = np.mean([np.isin(a, b).mean() for a, b in zip(expected, found.indices, strict=True)])
    assert share >= least
    return found


@pytest.mark.parametrize(
    "name, parameters",
    [
        ("IVF8,Flat", EVERYTHING),
        ("IVF8,PQ16x4", EVERYTHING),
        ("OPQ8,IVF8,PQ16x4", EVERYTHING),
        ("PCAW16,IVF8,SQ8", EVERYTHING),
        ("IVF8,PQ16x4fs", EVERYTHING),
        ("HNSW8", "efSearch=200"),
        ("SQ8", ""),
        ("Flat", ""),
        ("IVF8,PQ16x4,RFlat", "nprobe=8"),
    ],
)
def test_finds_what_the_exact_search_does(name, parameters, database_of, named, queries):
    searching = Searching(name, parameters, again=8, part=150)
    check(database_of(named), queries, searching, least=0.97)


def test_descriptors_of_no_file_have_an_index_for_the_moment(queries, tmp_path):
    check(images("d", rows(300)), queries)
    assert not list(tmp_path.iterdir())


def test_an_index_is_made_once(database_of, named, queries, added, tmp_path):
    first = check(database_of(named), queries)
    assert added == [150, 150, 100]
    again = check(database_of(named), queries)
    assert added == [150, 150, 100]
    np.testing.assert_array_equal(first.indices, again.indices)
    (folder,) = (tmp_path / "feats.index").iterdir()
    assert folder.name.startswith("IVF8-SQ8-")
    check(database_of(named), queries, Searching("IVF4,SQ8", "nprobe=4"))
    assert len(list((tmp_path / "feats.index").iterdir())) == 2


def test_a_killed_build_goes_on(database_of, named, queries, added, monkeypatch):
    database, written = database_of(named), []
    original = manifest.write

    def write(folder, found):
        if len(found.parts) == 2:
            raise KeyboardInterrupt
        original(folder, found)

    monkeypatch.setattr(manifest, "write", write)
    with pytest.raises(KeyboardInterrupt):
        check(database, queries)
    assert added == [150, 150]
    monkeypatch.setattr(manifest, "write", original)
    trained = monkeypatch.setattr(factory, "trained", lambda *_: written.append(1))
    check(database, queries)
    assert added == [150, 150, 150, 100], "the part that was listed is not made again"
    assert not written and trained is None, "nor is anything trained again"


def test_new_images_join(database_of, named, queries, added):
    check(database_of(named), queries)
    # Names that sort before, between and behind the others.
    more = dict(zip(["a", "d0100b", "z"], rows(3, 2), strict=True))
    found = check(database_of(named | more), queries)
    assert added == [150, 150, 100, 3]
    assert found.indices.max() < 403
    near = images("q", np.stack(list(more.values())))
    best = check(database_of(named | more), near, num=1).indices[:, 0]
    assert best.tolist() == [0, 102, 402]
    assert added == [150, 150, 100, 3]


def test_images_that_leave_are_not_found(database_of, named, queries, added, caplog):
    check(database_of(named), queries)
    few = {name: row for name, row in named.items() if name not in ("d0007", "d0300")}
    with caplog.at_level("INFO"):
        check(database_of(few), queries)
    assert added == [150, 150, 100]
    assert "0 parts are made anew, 2 images of others are gone" in caplog.text
    # Half of the last part's: it is made anew of what is left.
    fewer = {name: row for name, row in few.items() if name < "d0350"}
    check(database_of(fewer), queries)
    assert added == [150, 150, 100, 49]


def test_an_image_that_has_changed_is_another(database_of, named, queries, added):
    check(database_of(named), queries)
    named["d0001"] = rows(1, 5)[0]
    check(database_of(named), queries)
    assert added == [150, 150, 100, 1]


def test_damaged_files_are_made_anew(database_of, named, queries, added, tmp_path):
    check(database_of(named), queries)
    (folder,) = (tmp_path / "feats.index").iterdir()
    parts = manifest.read(folder).parts
    path = folder / f"{parts[1].name}.faiss"
    path.write_bytes(path.read_bytes()[:-1])
    check(database_of(named), queries)
    assert added == [150, 150, 100, 150, 100]
    (folder / manifest.FILE).write_text("{")
    check(database_of(named), queries)
    assert len(added) == 8


def test_a_query_is_not_its_own_candidate(database_of, named):
    database = database_of(named)
    found = check(database, ImageSet(database.names, database.descriptors[:]), least=0.0)
    assert not (found.indices == np.arange(400)[:, None]).any()
    assert (found.indices >= 0).all()


def test_lists_that_the_index_cannot_fill_are_padded(database_of, named, queries):
    found = check(database_of(named), queries, Searching("IVF8,SQ8", "nprobe=1"), 0.0, 400)
    assert (found.indices[:, -1] == -1).all() and (found.indices[:, 0] >= 0).all()
    assert np.isneginf(found.scores[found.indices < 0]).all()


@pytest.mark.parametrize(
    "search, more, said",
    [
        ("IVF8,PQ7", {}, "data.search: .*'IVF8,PQ7'"),
        ("IVF8,Nonsense", {}, "data.search: faiss makes no index 'IVF8,Nonsense'"),
        ("IVF512,Flat", {}, "data.search: 400 images do not train the index 'IVF512,Flat'"),
        ("IVF8,SQ8", {"parameters": "nprob=3"}, "data.index_parameters: 'nprob=3'"),
    ],
)
def test_what_faiss_cannot_do_is_one_line(search, more, said, database_of, named, queries):
    with pytest.raises(InputError, match=said) as error:
        check(database_of(named), queries, Searching(search, **more))
    assert "\n" not in str(error.value)


def test_faiss_that_is_not_there(monkeypatch, database_of, named, queries):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match=r"faiss is not installed \(pip install gcsa\[faiss\]\)"):
        check(database_of(named), queries)


def test_settings():
    data = load_config(overrides=["data.search=IVF64,PQ8", "data.index_again=2"]).data
    assert data.searching == Searching("IVF64,PQ8", again=2)
    with pytest.raises(InputError, match="search: 'fp33' is not a choice.*did you mean 'fp32'"):
        load_config(overrides=["data.search=fp33"])
    with pytest.raises(InputError, match="data.index_part: 0 is less than 1"):
        load_config(overrides=["data.index_part=0"])
