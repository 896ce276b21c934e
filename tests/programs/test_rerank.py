"""Re-ranking of own files: descriptors or matrices, methods, checkpoints, what is written."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from PIL import Image
from rerank_files import DATABASE, NAMES, QUERIES, half_rows, scene, write_checkpoint, write_files
from reranker_scenes import first_round
from scipy.sparse import csr_array

from gcsa.errors import InputError
from gcsa.models.checkpoint import load_checkpoint
from gcsa.ranking.refine import refine
from gcsa.ranking.retrieval import retrieve
from gcsa.rerank import Inputs, Outputs, rerank
from gcsa.rerank import __main__ as program
from gcsa.rerank.files import read
from gcsa.rerankers import RERANKERS
from gcsa.rerankers.fusion import Fusion, fuse
from gcsa.rerankers.similarity import FromDescriptors
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.affinity import SideInformation
from gcsa.sideinfo.fov import FovConfig
from gcsa.sideinfo.radio import MAX_DISTANCE, Radio, path_loss_distance

SMALL = {
    "average-qe": ["k=3"],
    "alpha-qe": ["k=3", "alpha=2.0"],
    "dba": ["k=3", "qe_k=2"],
    "k-reciprocal": ["k1=4", "k2=2"],
    "icfrr": ["KG=6", "KQ=3"],
    "affinity": ["L=5"],
    "diffusion": ["k=4", "alpha=0.9"],
}
OF_MATRICES = [name for name in RERANKERS if name != "dba"]


@pytest.fixture
def files(tmp_path):
    """Inputs by kind, all of the same images."""
    write_files(tmp_path)
    at = {name: str(tmp_path / name) for name in ("q.npy", "d.npy", "both.h5", "gg.npy", "qg.npy")}
    prefixes = {"query_prefix": "query/", "database_prefix": "database/"}
    distances = {
        kind: {
            "query_database": f"{tmp_path}/{kind}:qg",
            "database_database": f"{tmp_path}/{kind}:gg",
        }
        for kind in ("distances.npz", "distances.pth")
    }
    return {
        "npy": Inputs(at["q.npy"], at["d.npy"]),
        "hloc": Inputs(at["both.h5"], at["both.h5"], **prefixes),
        "similarity": Inputs(
            query_database=at["qg.npy"], database_database=at["gg.npy"], matrices="similarity"
        ),
        "npz": Inputs(**distances["distances.npz"], matrices="distance"),
        "pth": Inputs(**distances["distances.pth"], matrices="distance"),
    }


def expected(name, num=20):
    """What the method itself makes of the images."""
    images = scene()
    first = first_round(
        Scene(
            "s",
            *(
                ImageSet(s.names, s.descriptors.astype("f4"))
                for s in (images.database, images.queries)
            ),
        ),
        num,
    )
    settings = dict(entry.split("=") for entry in SMALL[name])
    settings = {key: float(v) if "." in v else int(v) for key, v in settings.items()}
    config = RERANKERS[name].config(**settings)
    return first, RERANKERS[name].rerank(FromDescriptors(images), first, config)


@pytest.mark.parametrize("name", RERANKERS)
@pytest.mark.parametrize("kind", ["npy", "hloc", "similarity", "npz", "pth"])
def test_all_kinds_of_files_give_what_the_method_gives(files, name, kind):
    if kind in ("npy", "hloc") or name in OF_MATRICES:
        found = rerank(files[kind], method=name, settings=SMALL[name], candidates=20)
        first, ranking = expected(name)
        assert (found.first.indices == first.indices).all()
        assert (found.ranking.indices == ranking.indices).all()
        np.testing.assert_allclose(found.ranking.scores, ranking.scores, atol=3e-3)
        assert found.scene.queries.names.tolist() == NAMES["query"]
        assert found.scene.database.names.tolist() == NAMES["database"]
    else:
        with pytest.raises(InputError, match="dba: needs descriptors, similarity matrices do not"):
            rerank(files[kind], method=name)


def test_numbers_of_candidates(files):
    """Those beyond stay behind in first-round order; the longer lists serve more lines."""
    whole = rerank(files["npy"], method="alpha-qe", num=30).ranking
    assert whole.indices.shape == (QUERIES, 30), "no longer than the database"
    every = rerank(files["npy"], method="k-reciprocal", candidates=30).ranking
    more = rerank(files["npy"], method="k-reciprocal", candidates=10**9).ranking
    assert (more.indices == every.indices).all() and (more.scores == every.scores).all()
    found = rerank(files["npy"], method="alpha-qe", candidates=5, num=12)
    assert found.first.indices.shape == (QUERIES, 12)
    assert (found.ranking.indices[:, 5:] == found.first.indices[:, 5:]).all()
    assert np.isneginf(found.ranking.scores[:, 5:]).all()
    again = rerank(files["npy"], method="alpha-qe", settings=["K=5"], num=12)
    assert (again.ranking.indices == found.ranking.indices).all()


def test_pairs_and_scores(files, tmp_path):
    outputs = Outputs(str(tmp_path / "pairs.txt"), str(tmp_path / "scores.npz"))
    found = rerank(files["npy"], outputs, "alpha-qe", num=3, candidates=5).ranking
    lines = [line.split(" ") for line in (tmp_path / "pairs.txt").read_text().split("\n")]
    assert lines == [
        [NAMES["query"][q], NAMES["database"][row]]
        for q in range(QUERIES)
        for row in found.indices[q, :3]
    ]
    with np.load(tmp_path / "scores.npz") as content:
        assert content["query_names"].tolist() == NAMES["query"]
        assert content["database_names"].tolist() == NAMES["database"]
        assert (content["indices"] == found.indices[:, :3]).all()
        assert (content["scores"] == found.scores[:, :3]).all()


def write_tables(folder, missing=()):
    """images.csv and radio.csv; what they say as arrays: positions, headings, radio."""
    random = np.random.default_rng(5)
    names = NAMES["query"] + NAMES["database"]
    positions, headings = random.uniform(0, 80, (len(names), 2)), random.uniform(0, 360, len(names))
    heard = random.random((len(names), 4)) < 0.4
    rssi = random.uniform(-80, -40, heard.shape).round(1)
    with open(folder / "images.csv", "w") as file:
        file.write("name,x,y,heading\n")
        for row in random.permutation(len(names)):
            if row not in missing:
                x, y = positions[row]
                file.write(f"{names[row]},{x:.17g},{y:.17g},{headings[row]:.17g}\n")
    with open(folder / "radio.csv", "w") as file:
        file.write("name,transmitter,rssi,frequency_mhz\n")
        for row, tower in zip(*np.nonzero(heard), strict=True):
            file.write(f"{names[row]},t{tower},{rssi[row, tower]},5200\n")
    rows, towers = np.nonzero(heard)
    values = path_loss_distance(rssi[rows, towers], 5200) - MAX_DISTANCE
    radio = Radio(csr_array((values, (rows, towers)), heard.shape), np.array(list("abcd")))
    known = ~np.isin(np.arange(len(names)), list(missing))
    positions[~known], headings[~known] = np.nan, np.nan
    return positions, np.deg2rad(headings), radio


@pytest.mark.parametrize("missing", [(), (0, 9, 20)])
def test_a_checkpoint_reads_the_tables(files, tmp_path, missing):
    kinds = ["positional-db", "heading", "radio"]
    file = write_checkpoint(tmp_path / "c.pth.tar", kinds)
    positions, headings, radio = write_tables(tmp_path, missing)
    tables = {"metadata": str(tmp_path / "images.csv"), "radio": str(tmp_path / "radio.csv")}
    inputs = Inputs(**{**vars(files["npy"]), **tables})
    found = rerank(inputs, checkpoint=file)
    images = scene()
    sets = [
        ImageSet(s.names, s.descriptors, positions[rows], headings[rows], radio[rows])
        for s, rows in (
            (images.database, np.arange(QUERIES, QUERIES + DATABASE)),
            (images.queries, np.arange(QUERIES)),
        )
    ]
    known = Scene("s", *sets)
    model = load_checkpoint(file)[0]
    first = retrieve(known, 20)
    direct = refine(model, known, first, SideInformation(known, kinds, FovConfig()))
    assert (found.ranking.indices == direct.indices).all()
    np.testing.assert_allclose(found.ranking.scores, direct.scores, atol=1e-6)
    plain = rerank(files["npy"], checkpoint=file)
    assert (plain.ranking.indices != direct.indices).any(), "the tables matter"
    wide = rerank(inputs, checkpoint=file, settings=["fov.radius=5"])
    assert (wide.ranking.scores != found.ranking.scores).any()
    assert (
        rerank(inputs, checkpoint=file, candidates=4).ranking.indices[:, 4:8]
        == first.indices[:, 4:8]
    ).all()


@pytest.mark.parametrize("kind", ["npy", "similarity"])
def test_a_query_is_not_its_own_candidate(files, tmp_path, kind):
    (tmp_path / "q.txt").write_text("\n".join(["a", "b", "c", NAMES["database"][7], "d", "e"]))
    found = rerank(
        Inputs(**{**vars(files[kind]), "query_names": str(tmp_path / "q.txt")}), method="alpha-qe"
    )
    assert found.scene.queries.names[0] == "a" and found.scene.queries.names[3] == "database/000007"
    assert 7 not in found.ranking.indices[3]
    assert found.ranking.valid.sum(1).tolist() == [30, 30, 30, 29, 30, 30]


def test_hloc_by_lists_and_whole_files(files, tmp_path):
    """Lists choose images and their order, as hloc's query lists with intrinsics do."""
    (tmp_path / "q.txt").write_text("query/000004 PINHOLE 4 3 1 1 2 2\n# no more\nquery/000001\n")
    both = files["hloc"].queries
    chosen = Inputs(both, both, query_names=str(tmp_path / "q.txt"), database_prefix="database/")
    found = rerank(chosen, method="alpha-qe")
    assert found.scene.queries.names.tolist() == ["query/000004", "query/000001"]
    every = rerank(files["hloc"], method="alpha-qe").ranking.indices
    assert (found.ranking.indices == every[[4, 1]]).all()
    alone = rerank(Inputs(both, both), method="alpha-qe")
    assert len(alone.scene.queries) == len(alone.scene.database) == QUERIES + DATABASE


def test_arrays_of_any_length_and_precision(files, tmp_path):
    for name, seed, count in (("q", 0, QUERIES), ("d", 1, DATABASE)):
        lengths = np.linspace(0.5, 9, count)[:, None]
        np.save(tmp_path / f"long_{name}.npy", lengths * half_rows(seed, count).astype(np.float64))
    long = Inputs(str(tmp_path / "long_q.npy"), str(tmp_path / "long_d.npy"))
    with pytest.raises(InputError, match=r"long_q.npy: descriptor of row 0 .*; --normalise brings"):
        rerank(long, method="alpha-qe")
    long = replace(long, normalise=True)
    found = rerank(long, method="alpha-qe").ranking
    same = rerank(files["npy"], method="alpha-qe").ranking
    np.testing.assert_allclose(np.sort(found.scores), np.sort(same.scores), atol=2e-3)
    assert (found.indices[:, 0] == same.indices[:, 0]).all()


def test_pictures(files, tmp_path):
    for role in ("query", "database"):
        (tmp_path / "images" / role).mkdir(parents=True)
    Image.new("RGB", (40, 30), "red").save(tmp_path / "images/query/000000", "JPEG")
    folder = tmp_path / "pictures"
    outputs = Outputs(images=str(tmp_path / "images"), pictures=str(folder), strips=2)
    rerank(files["npy"], outputs, "alpha-qe")
    made = sorted(path.name for path in folder.iterdir())
    assert made == ["000000_query_000000.png", "000005_query_000005.png"]
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in made)
    empty = Outputs(images=str(folder), pictures=str(folder))
    with pytest.raises(InputError, match="--images: neither .*/query/000000 nor .*/database/0000"):
        rerank(files["npy"], empty, "alpha-qe")


def test_command_line(files, tmp_path, monkeypatch, capsys):
    npy, pairs = files["npy"], tmp_path / "out" / "pairs.txt"
    argv = ["rerank", "--queries", npy.queries, "--method", "alpha-qe", "k=4", "--database"]
    argv += [npy.database, "alpha=1", "--num", "2", "--output", str(pairs), "--device", "cpu"]
    monkeypatch.setattr("sys.argv", argv)
    program.main()
    best = rerank(npy, method="alpha-qe", settings=["k=4", "alpha=1.0"]).ranking.indices[:, :2]
    lines = pairs.read_text().split("\n")
    assert lines == [f"query/{q:06d} database/{row:06d}" for q in range(QUERIES) for row in best[q]]
    monkeypatch.setattr("sys.argv", ["rerank", "--list_methods"])
    with pytest.raises(SystemExit):
        program.main()
    shown = capsys.readouterr().out
    assert shown.startswith("average-qe: k=") and "alpha-qe: k=10 alpha=3.0\n" in shown


def test_one_file_for_both_roles(files):
    """Without names its rows are the same images, which are not their own candidates."""
    database = files["npy"].database
    found = rerank(Inputs(database, database), method="alpha-qe")
    assert found.scene.queries.names.tolist() == found.scene.database.names.tolist()
    assert all(row not in found.first.indices[row] for row in range(DATABASE))


def test_equal_names_are_said(files, tmp_path, caplog):
    for name, count in (("q.txt", QUERIES), ("d.txt", DATABASE)):
        (tmp_path / name).write_text("".join(f"{row:04d}.jpg\n" for row in range(count)))
    names = {"query_names": str(tmp_path / "q.txt"), "database_names": str(tmp_path / "d.txt")}
    with caplog.at_level("INFO"):
        rerank(Inputs(files["npy"].queries, files["npy"].database, **names), method="alpha-qe")
    assert f"{QUERIES} queries are not their own candidates" in caplog.text


def test_how_many_a_checkpoint_re_ranks(files, tmp_path):
    file = write_checkpoint(tmp_path / "c.pth.tar", [])
    for options in ({"candidates": 3}, {"settings": ["model.K=3"]}):
        found = rerank(files["npy"], checkpoint=file, num=8, **options)
        assert np.isfinite(found.ranking.scores[:, :8]).sum(axis=1).tolist() == [3] * QUERIES


def test_a_table_of_radio_may_know_more_images(files, tmp_path):
    path = tmp_path / "radio.csv"
    path.write_text("name,transmitter,rssi\nquery/000001,a,-50\nextra.jpg,a,-60\n")
    found = rerank(replace(files["npy"], radio=str(path)), method="alpha-qe")
    assert found.scene.queries.radio.has_any.tolist() == [row == 1 for row in range(QUERIES)]


def test_the_table_says_which_images_are_queries(files, tmp_path):
    """One file of all images: split query and database as the prefixes say it."""
    rows = [f"{n},1,2,{role}" for role, names in NAMES.items() for n in reversed(names)]
    table = tmp_path / "images.csv"
    table.write_text("\n".join(["name,x,y,split", *rows]))
    both, metadata = files["hloc"].queries, str(table)
    found = rerank(Inputs(both, both, metadata=metadata), method="alpha-qe")
    expected = rerank(files["hloc"], method="alpha-qe")
    assert found.scene.queries.names.tolist() == NAMES["query"][::-1]
    by_name = [r.scene.database.names[r.ranking.indices[:, :DATABASE]] for r in (found, expected)]
    assert (by_name[0] == by_name[1][::-1]).all()
    # What the options say goes before the table, and without a split all are of both.
    turned = {"query_prefix": "database/", "database_prefix": "query/"}
    chosen = rerank(Inputs(both, both, metadata=metadata, **turned), method="alpha-qe")
    assert len(chosen.scene.queries) == DATABASE
    table.write_text("\n".join(["name,x,y", *(row.rsplit(",", 1)[0] for row in rows)]))
    every = rerank(Inputs(both, both, metadata=metadata), method="alpha-qe")
    assert len(every.scene.queries) == len(every.scene.database) == QUERIES + DATABASE


@pytest.mark.parametrize("kind", ["npy", "similarity"])
def test_fusion_of_a_method(files, kind):
    plain = rerank(files[kind], method="alpha-qe", candidates=10)
    found = rerank(files[kind], method="alpha-qe", candidates=10, fusion=Fusion(0.3))
    expected = fuse(plain.first, plain.ranking, 0.3)
    assert (found.ranking.indices == expected.indices).all()
    assert (found.ranking.indices != plain.ranking.indices).any()


def test_fusion_of_a_checkpoint(files, tmp_path):
    file = write_checkpoint(tmp_path / "c.pth.tar", [])
    plain = rerank(files["npy"], checkpoint=file)
    found = rerank(files["npy"], checkpoint=file, fusion=Fusion(0.5, "z"))
    expected = fuse(plain.first, plain.ranking, 0.5, "z")
    assert (found.ranking.indices == expected.indices).all()
    assert (found.ranking.indices != plain.ranking.indices).any()


def test_fusion_on_the_command_line(files, tmp_path, monkeypatch):
    given = files["npy"]
    argv = ["--queries", given.queries, "--database", given.database, "--method", "alpha-qe"]
    output = str(tmp_path / "p.txt")
    monkeypatch.setattr("sys.argv", ["rerank", *argv, "--fusion", "0.3", "--output", output])
    program.main()
    rerank(given, Outputs(str(tmp_path / "q.txt")), method="alpha-qe", fusion=Fusion(0.3))
    assert open(output).read() == (tmp_path / "q.txt").read_text()


def test_what_devices_report_comes_along(files, tmp_path):
    """gps columns are where queries are; lat and lon only where the table has no such columns."""
    head = "name,x,y,gps_x,gps_y,gps_accuracy,heading_accuracy,sequence,captured_at"
    lines = [head, "database/000003,1,2,,,4,,s,", "query/000001,7,7,5,6,3,90,w,2021-01-01T00:00:02"]
    lines += ["query/000000,7,7,,,,,w,2021-01-01T00:00:01", "query/000002,7,7,8,9,,,,"]
    (tmp_path / "m.csv").write_text("\n".join(lines))
    inputs = replace(files["npy"], metadata=str(tmp_path / "m.csv"))
    (scene, _) = read(inputs)
    queries, database = scene.queries, scene.database
    np.testing.assert_array_equal(
        queries.positions[:4], [[np.nan] * 2, [5, 6], [8, 9], [np.nan] * 2]
    )
    assert database.positions[3].tolist() == [1, 2] and np.isnan(database.positions[:3]).all()
    np.testing.assert_array_equal(queries.accuracy[:3], [np.nan, 3, np.nan])
    assert database.accuracy[3] == 4 and queries.heading_accuracy[1] == np.pi / 2
    assert queries.sequences.tolist() == [queries.sequences[1]] * 2 + [-1] * 4
    assert queries.sequences[1] != database.sequences[3] >= 0
    assert queries.frames[:2].tolist() == [0, 1]
    (tmp_path / "m.csv").write_text("name,x,y\ndatabase/000003,1,2\nquery/000001,7,7")
    (scene, _) = read(inputs)
    assert scene.queries.positions[1].tolist() == [7, 7] and scene.queries.sequences is None


def test_local_features_re_rank(files, tmp_path):
    """The query's features are those of its last candidate, which comes first then."""
    pytest.importorskip("poselib", reason="pip install gcsa[localize]")
    random = np.random.default_rng(0)
    first = retrieve(scene(), 10)
    with h5py.File(tmp_path / "f.h5", "w") as file:
        for row, name in enumerate(NAMES["query"]):
            points, rows = random.uniform(0, 200, (40, 2)), random.normal(size=(16, 40))
            for image in (name, NAMES["database"][first.indices[row, 9]]):
                if image not in file:
                    file[f"{image}/keypoints"] = points
                    file[f"{image}/descriptors"] = rows / np.linalg.norm(rows, axis=0)
    inputs = replace(files["npy"], features=str(tmp_path / "f.h5"))
    names = tmp_path / "q.txt", tmp_path / "d.txt"
    for path, role in zip(names, NAMES, strict=True):
        path.write_text("\n".join(NAMES[role]))
    inputs = replace(inputs, query_names=str(names[0]), database_names=str(names[1]))
    found = rerank(inputs, method="geometric", candidates=10).ranking
    assert found.indices[0, 0] == first.indices[0, 9] and found.scores[0, 0] == 40
    with pytest.raises(InputError, match="--matches: of local features"):
        rerank(replace(files["npy"], matches="m.h5"), method="geometric")


def test_methods_that_read_positions_do_so(files, tmp_path):
    """neighbours is one of --list_methods, and needs the positions of a table."""
    with pytest.raises(InputError, match="neighbours"):
        rerank(files["npy"], method="neighbours")
    lines = [f"{name},{row},0" for row, name in enumerate(NAMES["database"])]
    lines += [f"{name}," + "," for name in NAMES["query"]]
    (tmp_path / "t.csv").write_text("name,x,y\n" + "\n".join(lines) + "\n")
    inputs = replace(files["hloc"], metadata=str(tmp_path / "t.csv"))
    row = rerank(inputs, method="neighbours").ranking.indices[0]
    assert (np.diff(np.abs(row - row[0])[row >= 0]) >= 0).all()
