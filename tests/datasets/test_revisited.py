"""Oxford and Paris: tiny files in the real formats, read back, and what is said of wrong ones."""

import os
import pickle
import pickletools
import subprocess
import sys

import numpy as np
import pytest

from gcsa.datasets.landmarks import features
from gcsa.datasets.landmarks.convert import convert
from gcsa.datasets.landmarks.features import open_features
from gcsa.datasets.landmarks.scene import read_ground_truth, read_scene
from gcsa.errors import InputError, MissingFileError
from gcsa.evaluation.protocols import PROTOCOLS
from gcsa.ranking.retrieval import retrieve

IMAGES, QUERIES, WIDTH = 9, 3, 4
EASY, HARD, JUNK = [[0, 4], [2], []], [[1], [], [8]], [[], [5, 6], [0]]


def gnd_content(lists=None, queries="query_{}"):
    lists = lists or {"easy": EASY, "hard": HARD, "junk": JUNK}
    entries = [
        {name: rows[q] for name, rows in lists.items()} | {"bbx": [1.0, 2.0, 3.5, 4.0]}
        for q in range(QUERIES)
    ]
    return {
        "imlist": [f"all_souls_{i:06d}" for i in range(IMAGES)],
        "qimlist": [queries.format(q) for q in range(QUERIES)],
        "gnd": entries,
    }


def unit(rows, seed=0, width=WIDTH):
    array = np.random.default_rng(seed).normal(size=(rows, width))
    return (array / np.linalg.norm(array, axis=1, keepdims=True)).astype(np.float32)


def dump(path, content, protocol=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def python2_bytes(content):
    """The pickle that Python 2 writes: its strings are bytes without a type of their own."""
    data = bytearray(pickle.dumps(content, protocol=2))
    for code, _, position in pickletools.genops(bytes(data)):
        if code.name == "BINUNICODE":
            data[position] = ord("T")  # BINSTRING, of the same layout
    return bytes(data)


@pytest.fixture
def gnd(tmp_path):
    return dump(tmp_path / "gnd_roxford5k.pkl", gnd_content())


@pytest.fixture
def arrays():
    return {"db": unit(IMAGES), "query": unit(QUERIES, 1)}


@pytest.fixture
def pkl(tmp_path, arrays):
    return dump(tmp_path / "gem.pkl", arrays, protocol=4)


def rows(lists):
    return [sorted(lists[[q]].nonzero()[1].tolist()) for q in range(lists.shape[0])]


def test_reads_a_data_set(gnd, pkl, arrays):
    scene, truth = read_scene(gnd, pkl)
    assert scene.name == "roxford5k"
    assert list(scene.database.names) == gnd_content()["imlist"]
    assert list(scene.queries.names) == ["query_0", "query_1", "query_2"]
    assert scene.database.positions is None and scene.queries.positions is None
    np.testing.assert_allclose(scene.database.descriptors, arrays["db"], atol=1e-3)
    np.testing.assert_allclose(scene.queries.descriptors, arrays["query"], atol=1e-3)
    assert scene.database.descriptors.dtype == np.float16
    for name, expected in (("easy", EASY), ("hard", HARD), ("junk", JUNK)):
        assert rows(truth[name]) == expected
    order = retrieve(scene, IMAGES).indices
    expected = np.argsort(-(arrays["query"] @ arrays["db"].T), axis=1)
    np.testing.assert_array_equal(order, expected)
    assert PROTOCOLS["revisited-medium"].find(order, truth).num.tolist() == [3, 1, 1]


def test_without_features_there_are_names_and_truth(gnd):
    scene, truth = read_scene(gnd)
    assert scene.database.descriptors is None and truth.shape == (QUERIES, IMAGES)


def test_a_python_2_pickle_reads_the_same(gnd):
    expected = read_ground_truth(gnd)
    gnd.write_bytes(python2_bytes(gnd_content()))
    found = read_ground_truth(gnd)
    assert list(found.database) == list(expected.database)
    assert rows(found.truth["hard"]) == rows(expected.truth["hard"])


def test_lists_may_be_arrays(tmp_path):
    lists = {"easy": [np.array(r) for r in EASY], "hard": HARD, "junk": JUNK}
    path = dump(tmp_path / "gnd_x.pkl", gnd_content(lists))
    assert rows(read_ground_truth(path).truth["easy"]) == EASY


def test_classic_queries_are_images_to_be_found(tmp_path, pkl):
    content = gnd_content({"ok": [[0, 1], [2], []], "junk": JUNK}, queries="all_souls_{:06d}")
    content["qimlist"] = content["imlist"][:QUERIES]
    scene, truth = read_scene(dump(tmp_path / "gnd_oxford5k.pkl", content), pkl)
    assert scene.queries.names[0] == "query/all_souls_000000"
    order = retrieve(scene, IMAGES).indices
    assert (np.sort(order, axis=1) == np.arange(IMAGES)).all(), "no image was taken out"
    assert list(PROTOCOLS["classic"](order, truth)) == ["mAP"]


@pytest.mark.parametrize("suffix", [".pkl", ".npy"])
def test_distractors_go_behind_the_database(tmp_path, gnd, pkl, arrays, suffix):
    others = unit(20, 2)
    path = tmp_path / f"r1m{suffix}"
    np.save(path, others) if suffix == ".npy" else dump(path, others, protocol=4)
    scene, truth = read_scene(gnd, pkl, path)
    assert len(scene.database) == IMAGES + 20 and truth.shape == (QUERIES, IMAGES + 20)
    assert scene.database.names[IMAGES] == "distractor/0000000"
    both, descriptors = np.concatenate([arrays["db"], others]), scene.database.descriptors
    np.testing.assert_allclose(descriptors, both, atol=1e-3)
    np.testing.assert_allclose(
        descriptors[[[12, 0], [8, 9]], 1], both[[[12, 0], [8, 9]], 1], atol=1e-3
    )
    np.testing.assert_allclose(descriptors[10], both[10], atol=1e-3)
    taken = np.empty((2, WIDTH), dtype=np.float16)
    descriptors.take(np.array([3, 28]), taken)
    np.testing.assert_allclose(taken, both[[3, 28]], atol=1e-3)
    order = retrieve(scene, IMAGES + 20).indices
    assert (order == np.argsort(-(arrays["query"] @ both.T), axis=1)).all()
    assert rows(truth["easy"]) == EASY


def test_descriptors_are_normalised_and_it_is_said(gnd, tmp_path, arrays, caplog):
    scaled = {"db": arrays["db"] * np.arange(1, 10)[:, None], "query": arrays["query"]}
    caplog.set_level("INFO")
    scene, _ = read_scene(gnd, dump(tmp_path / "raw.pkl", scaled))
    np.testing.assert_allclose(scene.database.descriptors, arrays["db"], atol=1e-3)
    said = [r.getMessage() for r in caplog.records]
    assert said == [f"{tmp_path}/raw.pkl: 'db': lengths from 1 to 9, 8 of 9 normalised"]


def test_a_pack_is_made_once_and_again_when_its_source_changes(gnd, pkl, arrays, monkeypatch):
    read_scene(gnd, pkl)
    reads = []
    original = features.pickles.load
    monkeypatch.setattr(
        features.pickles, "load", lambda path, **k: reads.append(path) or original(path, **k)
    )
    open_features(pkl, "db")
    assert not reads
    dump(pkl, {"db": np.roll(arrays["db"], 1, axis=1), "query": arrays["query"], "more": 1})
    array = open_features(pkl, "db")
    np.testing.assert_allclose(array, np.roll(arrays["db"], 1, axis=1), atol=1e-3)
    assert len(reads) == 1
    time = pkl.stat().st_mtime_ns  # another content of the same size and time
    dump(pkl, {"db": np.roll(arrays["db"], 2, axis=1), "query": arrays["query"], "more": 1})
    os.utime(pkl, ns=(time, time))
    array = open_features(pkl, "db")
    np.testing.assert_allclose(array, np.roll(arrays["db"], 2, axis=1), atol=1e-3)
    pkl.unlink()
    np.testing.assert_array_equal(open_features(pkl, "db"), array)  # the pack serves alone
    pkl.with_name("gem.pkl.db.pack.npy").write_bytes(b"cut")
    with pytest.raises(MissingFileError, match=r"gem\.pkl: no such feature file"):
        open_features(pkl, "db")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("qimlist"), "has no 'qimlist'; expected imlist, qimlist and gnd"),
        (lambda c: c["gnd"].__setitem__(0, 1), "gnd: expected a dict for each query"),
        (lambda c: c["gnd"].pop(), "gnd has 2 entries, qimlist 3 names"),
        (lambda c: c["gnd"][1].pop("hard"), "gnd[1] has no 'hard', only easy, junk, bbx"),
        (
            lambda c: c["gnd"][2].update(easy=[9]),
            "'easy': query 2 lists image 9, the database has 9",
        ),
        (lambda c: c["gnd"][0].update(junk=[-1]), "'junk': query 0 lists image -1"),
        (lambda c: c["gnd"][0].update(easy=["a"]), "gnd[0]['easy']: expected row numbers"),
        (lambda c: c["gnd"][0].update(easy=[0.5]), "gnd[0]['easy']: expected row numbers"),
    ],
)
def test_wrong_ground_truth(tmp_path, change, message):
    content = gnd_content()
    change(content)
    path = dump(tmp_path / "gnd_x.pkl", content)
    with pytest.raises(InputError) as error:
        read_ground_truth(path)
    assert str(error.value).startswith(f"{path}: {message}") and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("query"), "has no 'query', only db"),
        (
            lambda a: a.update(db=a["db"].T),
            "'db': shape (4, 9) has an image in each column; transpose",
        ),
        (lambda a: a.update(db=a["db"][:7]), "'db': 7 descriptors for 9 images"),
        (
            lambda a: a.update(db=a["db"].astype(int)),
            "'db': expected a two-dimensional array of floats",
        ),
        (lambda a: a.update(db=a["db"][0]), "'db': expected a two-dimensional array of floats"),
        (
            lambda a: a["query"].__setitem__(1, 0),
            "'query': row 1 is zero or not finite, it has no direction: image '",
        ),
        (lambda a: a["db"].__setitem__(8, np.nan), "'db': row 8 is zero or not finite"),
    ],
)
def test_wrong_features(tmp_path, gnd, arrays, change, message):
    change(arrays)
    path = dump(tmp_path / "bad.pkl", arrays)
    with pytest.raises(InputError) as error:
        read_scene(gnd, path)
    assert str(error.value).startswith(f"{path}: {message}") and "\n" not in str(error.value)


def test_wrong_distractors(tmp_path, gnd, pkl):
    def message(name, content):
        path = tmp_path / name
        np.save(path, content) if name.endswith("npy") else dump(path, content)
        with pytest.raises(InputError) as error:
            read_scene(gnd, pkl, path)
        return str(error.value).removeprefix(f"{path}: ")

    assert message("a.npy", unit(20).T).startswith("shape (4, 20) has an image in each column")
    assert message("b.npy", unit(20, width=5)) == "descriptors of length 5, expected 4"
    assert message("c.npy", 3 * unit(20)).startswith(
        "row 0 has length 3, expected 1; gcsa datasets"
    )
    late = unit(200)
    late[103] *= 30
    assert message("e.npy", late).startswith("row 103 has length 30, expected 1; gcsa datasets")
    assert message("d.pkl", {"r1m": 1}) == "expected one bare array, got a dict of r1m"
    with pytest.raises(InputError, match="distractors need the descriptors"):
        read_scene(gnd, None, tmp_path / "a.npy")


def test_convert_turns_checks_and_names(tmp_path, gnd, arrays, pkl):
    turned = dump(tmp_path / "turned.pkl", {role: 2 * a.T for role, a in arrays.items()})
    target = tmp_path / "gem.npz"
    with pytest.raises(InputError, match="'db': shape .* transpose it"):
        convert(turned, target, gnd)
    convert(turned, target, gnd, transpose=True, dtype="float32")
    with np.load(target) as file:
        assert sorted(file) == ["db", "db_names", "query", "query_names"]
        np.testing.assert_allclose(file["db"], arrays["db"], rtol=1e-6)
    scene, _ = read_scene(gnd, target)
    np.testing.assert_array_equal(
        np.asarray(scene.database.descriptors),
        np.asarray(read_scene(gnd, pkl)[0].database.descriptors),
    )
    content = gnd_content()
    content["imlist"][3] = "other"
    with pytest.raises(InputError, match="'db': row 3 is not of the image"):
        read_scene(dump(tmp_path / "gnd_other.pkl", content), target)


def test_the_program_converts_distractors_and_refuses_in_one_line(tmp_path, gnd):
    source = dump(tmp_path / "r1m.pkl", 5 * unit(20))

    def program(*args):
        command = [sys.executable, "-m", "gcsa.datasets.landmarks.convert", *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True)

    assert program(source, tmp_path / "r1m.npy").returncode == 0
    stored = np.load(tmp_path / "r1m.npy")
    assert stored.dtype == np.float16
    np.testing.assert_allclose(stored, unit(20), atol=1e-3)
    wrong = program(source, tmp_path / "r1m.npz")
    assert wrong.returncode == 2 and wrong.stderr.count("\n") == 1 and "*.npy" in wrong.stderr
    assert program(source, tmp_path / "x.npy", "--gnd", gnd).returncode == 2
