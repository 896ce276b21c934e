"""Own files that do not fit: one line that names the file or the option."""

import pickle

import numpy as np
import pytest
import torch
from rerank_files import DATABASE, QUERIES, write_checkpoint, write_files
from reranker_scenes import unit

from gcsa.errors import InputError
from gcsa.rerank import Inputs, Outputs, rerank
from gcsa.rerank import matrices as module
from gcsa.rerank.arrays import read_array
from gcsa.rerank.matrices import Matrices
from gcsa.rerank.run import method_settings


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The files lie in the current folder."""
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def similarities(**changes):
    files = {"query_database": "qg.npy", "database_database": "gg.npy", "matrices": "similarity"}
    return Inputs(**{**files, **changes})


def refused(match, inputs, **options):
    with pytest.raises(InputError, match=match) as caught:
        rerank(inputs, **{"method": "alpha-qe", **options})
    assert "\n" not in str(caught.value)


def test_files_that_are_not_given():
    refused("either descriptors .--queries and --database. or matrices", Inputs())
    refused("either descriptors", similarities(queries="q.npy", database="d.npy"))
    refused("--database: is missing", Inputs(queries="q.npy"))
    refused("--database_database: is missing", similarities(database_database=None))
    refused("--matrices: must say what .* .choose from distance", similarities(matrices=None))
    refused("--matrices: must .* .did you mean 'distance'", similarities(matrices="distances"))
    refused("either --method or --checkpoint", similarities(), method=None)
    refused("either --method or --checkpoint", similarities(), checkpoint="c.pth.tar")
    refused("--num: 0 is less than 1", similarities(), num=0)
    refused("--candidates: 0 is less than 1", similarities(), candidates=0)


def test_files_that_are_not_what_they_should_be(folder):
    (folder / "text.npy").write_text("no array")
    (folder / "text.txt").write_text("no array")
    (folder / "text.pth").write_text("no array")
    np.save(folder / "numbers.npy", np.arange(12).reshape(3, 4))
    np.save(folder / "flat.npy", np.zeros(4))
    refused("nothing.npy: no such file", Inputs("nothing.npy", "d.npy"))
    refused("nothing.h5: no such descriptor file", Inputs("nothing.h5", "d.npy"))
    refused("text.npy: no file of NumPy.*; expected a .npy file", Inputs("text.npy", "d.npy"))
    refused(r"text.txt: expected hloc's HDF5 \(.h5, .hdf5\) or .npy", Inputs("text.txt", "d.npy"))
    refused(
        "numbers.npy: expected an array of floating-p.* got int", Inputs("numbers.npy", "d.npy")
    )
    refused("flat.npy: expected a two-dimensional array", Inputs("flat.npy", "d.npy"))
    refused("text.txt: expected a file of type .npy, .npz", similarities(query_database="text.txt"))
    refused("text.pth: no file of torch", similarities(query_database="text.pth"))
    refused("flat.npy: no such file", similarities(query_database="gone/flat.npy"))


def test_keys_of_files_with_several_arrays(folder):
    refused(
        "distances.npz: holds qg, gg; write distances.npz:KEY",
        similarities(query_database="distances.npz"),
    )
    refused(
        r"distances.pth: has no 'qq' \(choose from gg, qg\)",
        similarities(query_database="distances.pth:qq"),
    )
    refused("qg.npy: holds one array, .* no key 'a'", similarities(query_database="qg.npy:a"))
    torch.save(torch.ones(2, 3, dtype=torch.bfloat16), folder / "alone.pth")
    assert read_array("alone.pth").tolist() == [[1.0] * 3] * 2
    np.savez(folder / "alone.npz", only=np.ones((2, 3)))
    assert read_array("alone.npz").shape == read_array("alone.npz:only").shape == (2, 3)


class Loud:
    """Says so when it is unpickled."""

    def __reduce__(self):
        return print, ("unpickled",)


def test_nothing_in_a_file_is_run(folder, capsys):
    torch.save({"qg": Loud()}, folder / "loud.pth")
    with open(folder / "loud.npy", "wb") as file:
        pickle.dump(Loud(), file)
    np.savez(folder / "loud.npz", a=np.array([Loud()], dtype=object))
    for name in ("loud.pth", "loud.npy", "loud.npz"):
        refused(name, similarities(query_database=name))
    assert capsys.readouterr().out == ""


def test_matrices_that_do_not_fit_each_other(folder):
    qg, gg = np.load("qg.npy"), np.load("gg.npy")
    np.save(folder / "turned.npy", qg.T)
    np.save(folder / "small.npy", gg[:-1, :-1])
    lopsided = gg.copy()
    lopsided[21, 4] -= 0.3
    np.save(folder / "lopsided.npy", lopsided)
    nan = qg.copy()
    nan[3, 2] = np.nan
    np.save(folder / "nan.npy", nan)
    refused(
        r"--query_database: shape \(30, 6\) has the database, 30 images, in its rows; .*transpose",
        similarities(query_database="turned.npy"),
    )
    refused(
        r"database_database: expected shape \(30, 30\), as query_database has 30 columns, got \(29",
        similarities(database_database="small.npy"),
    )
    refused(
        r"--database_database: not symmetric, entry \(4, 21\) is .*entry \(21, 4\)",
        similarities(database_database="lopsided.npy"),
    )
    refused("query_database: row 3 is not finite", similarities(query_database="nan.npy"))


def test_distances_taken_for_similarities(folder):
    np.save(folder / "positive.npy", np.abs(np.load("gg.npy")))
    files = {"query_database": "qg.npy", "matrices": "distance"}
    refused(
        "--matrices: 'distance', but in .* there are negative ones; are they similarities",
        Inputs(**files, database_database="gg.npy"),
    )
    refused(
        "--matrices: 'distance', but in .* images are not at 0 of themselves; are they simil",
        Inputs(**files, database_database="positive.npy"),
    )
    files = {"query_database": "distances.npz:qg", "database_database": "distances.npz:gg"}
    refused(
        "--matrices: 'similarity', but in .*no image is most similar to itself.*are they distances",
        Inputs(**files, matrices="similarity"),
    )


def test_matrices_at_the_limits_of_the_checks(caplog):
    """What rounding does to matrices that are right, and others than of unit vectors."""
    caplog.set_level("INFO")
    random = np.random.default_rng(0)
    rows = unit(random, DATABASE).astype(np.float16).astype(np.float32)
    cosines = (rows @ rows.T).astype(np.float16)
    Matrices(cosines[:5], cosines, distance=False)
    uneven = cosines.astype(np.float32)
    uneven[3, 4] += 1e-3
    Matrices(uneven[:5], uneven, distance=False)
    rough = np.sqrt(np.maximum(2 - 2 * cosines.astype("f4"), 0)).astype(np.float16)
    assert np.diagonal(rough).max() > 0.01, "rounded cosines: images are not at 0 of themselves"
    Matrices(rough[:5], rough, distance=True)
    assert caplog.text == ""
    wide = np.abs(np.subtract.outer(np.arange(9.0), np.arange(9.0)))
    Matrices(wide, wide, distance=True)
    assert "--database_database: up to 8, not of unit vectors" in caplog.text
    with pytest.raises(InputError, match="'distance', but in .* there are negative ones"):
        Matrices(wide, wide - 1, distance=True)
    one = np.ones((1, 1))
    assert Matrices(one, one, distance=False).best(3, np.array([-1])).indices.tolist() == [
        [0, -1, -1]
    ]


def test_the_first_round_of_matrices(monkeypatch):
    """A stable sort, in any chunks, the query itself left out."""
    random = np.random.default_rng(1)
    levels = random.integers(5, size=(23, 11)).astype(np.float32) / 8
    own = np.where(np.arange(23) % 3 == 0, np.arange(23) % 11, -1)
    for work in (1, 1 << 20):
        monkeypatch.setattr(module, "work_bytes", lambda device, work=work: work)
        for distance in (False, True):
            identity = np.zeros((11, 11)) if distance else np.eye(11)
            found = Matrices(levels, identity, distance).best(11, own)
            for query in range(23):
                value = 1 - levels[query] ** 2 / 2 if distance else levels[query]
                order = [row for row in np.argsort(-value, kind="stable") if row != own[query]]
                assert found.indices[query, : len(order)].tolist() == order
                assert found.scores[query, : len(order)].tolist() == value[order].tolist()
                assert (found.indices[query, len(order) :] == -1).all()


def test_descriptors_that_do_not_fit(folder):
    queries = np.load("q.npy")
    np.save(folder / "short.npy", queries[:, :7] / 0.9)
    np.save(folder / "hole.npy", np.where(np.arange(QUERIES)[:, None] == 4, np.nan, queries))
    refused(
        "--database: its descriptors have length 12, those of --queries 7",
        Inputs("short.npy", "d.npy", normalise=True),
    )
    refused(
        "hole.npy: descriptor of row 4 .image 'query/000004'. is not finite",
        Inputs("hole.npy", "d.npy"),
    )


def test_names_that_do_not_fit(folder):
    (folder / "two.txt").write_text("a\nb\n")
    (folder / "twice.txt").write_text("\n".join("abcdea"))
    (folder / "unknown.txt").write_text("query/000001\nquery/7\n")
    arrays, both = {"queries": "q.npy", "database": "d.npy"}, "both.h5"
    refused("two.txt: 2 names, but q.npy has 6 queries", Inputs(**arrays, query_names="two.txt"))
    refused(
        "two.txt: 2 names, but qg.npy has 30 database images",
        similarities(database_names="two.txt"),
    )
    refused("queries.names: 'a' appears twice", Inputs(**arrays, query_names="twice.txt"))
    refused(
        "both.h5: no descriptor for image 'query/7'", Inputs(both, both, query_names="unknown.txt")
    )
    refused(
        "--query_prefix: no image of both.h5 begins with 'q/'; its names are like 'database/",
        Inputs(both, both, query_prefix="q/"),
    )
    refused("--query_prefix: chooses images of an HDF5", Inputs(**arrays, query_prefix="q"))
    refused("--query_prefix: chooses images of an HDF5", similarities(query_prefix="q"))
    refused(
        "--query_prefix and --query_names: only one",
        Inputs(both, both, query_prefix="q", query_names="two.txt"),
    )


def test_tables_that_do_not_fit(folder):
    (folder / "other.csv").write_text("name,x,y\nsomething.jpg,1,2\n")
    (folder / "radio.csv").write_text("name,transmitter,rssi\nsomething.jpg,a,-50\n")
    arrays = {"queries": "q.npy", "database": "d.npy"}
    refused(
        "other.csv: has none of the database images; its names are like 'something.jpg', theirs "
        "like 'database/000000'",
        Inputs(**arrays, metadata="other.csv"),
    )
    refused(
        "radio.csv: has none of the images; theirs are like 'database/000000'",
        Inputs(**arrays, radio="radio.csv"),
    )
    refused("gone.csv: no such file", Inputs(**arrays, metadata="gone.csv"))


def test_parameters():
    assert method_settings("icfrr", ["KG=7", "base=anchored", "beta=1"]).base == "anchored"
    assert method_settings("icfrr", ["KG=010", "beta=.5", "base='position'"]).KG == 10
    for entries, message in {
        ("alhpa=3",): "alpha-qe: no parameter 'alhpa' .did you mean 'alpha'",
        ("alpha",): "'alpha': expected parameter=value",
        ("k=many",): "alpha-qe.k: .*many",
        ("k=-1",): "alpha-qe.k: -1 is not a number of 0 or more",
        ("k=[",): "alpha-qe.k: Value '.' .*Integer",
        ("k=${oc.env:HOME}",): "alpha-qe.k: '.{oc.env:HOME}': expected a plain value",
    }.items():
        with pytest.raises(InputError, match=message):
            method_settings("alpha-qe", entries)
    with pytest.raises(InputError, match="--method: no 'alfa-qe' .did you mean 'alpha-qe'"):
        method_settings("alfa-qe", [])


def test_checkpoints(folder):
    file = write_checkpoint(folder / "c.pth.tar", [])
    refused(
        "--checkpoint: a network reads descriptors, matrices do not do",
        similarities(),
        method=None,
        checkpoint=file,
    )
    arrays, of_a_method = Inputs("q.npy", "d.npy"), {"checkpoint": file, "settings": ["k=3"]}
    refused("'k=3': expected section.key", arrays, method=None, **of_a_method)
    np.save("long.npy", np.eye(DATABASE, 40, dtype=np.float32))
    refused(
        "--database: its descriptors have length 40, --checkpoint .*c.pth.tar reads",
        Inputs("long.npy", "long.npy"),
        method=None,
        checkpoint=file,
    )
    setting = {"checkpoint": file, "settings": ["data.normalise=true"]}
    refused("data.normalise: expected the option --normalise", arrays, method=None, **setting)
    refused("--device: 'cuda:99' cannot be used here", arrays, device="cuda:99")


def test_outputs(folder):
    with pytest.raises(InputError, match="--images and --pictures: expected both, or none"):
        Outputs(images=".")
    with pytest.raises(InputError, match="--images: gone is no folder"):
        Outputs(images="gone", pictures="p")
    with pytest.raises(InputError, match="--strips: 0 is less than 1"):
        Outputs(images=".", pictures="p", strips=0)
    with pytest.raises(InputError, match="--scores: s.txt: expected a name that ends in .npz"):
        Outputs(scores="s.txt")


def test_queries_that_are_not_what_the_matrices_are_said_to_hold(folder):
    np.save("qd.npy", np.sqrt(np.maximum(2 - 2 * np.load("qg.npy"), 0)))
    np.save("gd.npy", np.sqrt(np.maximum(2 - 2 * np.load("gg.npy"), 0)))
    refused(
        "'similarity', of cosines, but --query_database has", similarities(query_database="qd.npy")
    )
    inputs = similarities(database_database="gd.npy", matrices="distance")
    refused("'distance', but --query_database has -", inputs)
