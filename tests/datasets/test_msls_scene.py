"""The MSLS reader: what it keeps, and that its errors name file, row and column."""

import time

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from worlds import DESC_FN, ZONE, city_tables, write_city

from gcsa.datasets import msls
from gcsa.datasets.msls import read_scene
from gcsa.errors import InputError, MissingFileError


@pytest.fixture
def root(tmp_path):
    write_city(tmp_path, "cph", "train_val", np.random.default_rng(0), database=12, queries=6)
    write_city(tmp_path, "miami", "test", np.random.default_rng(1), database=12, queries=6)
    return tmp_path / "datasets" / "msls"


def edit(path, change):
    """Rewrite a CSV file after ``change(table)``, cells as text."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=0)
    table.index = table.index.astype(int)
    changed = change(table)
    (table if changed is None else changed).to_csv(path, lineterminator="\n")


def put(row, column, value):
    def change(table):
        table.loc[row, column] = value

    return change


def table(root, split, city, role, name):
    return pd.read_csv(root / split / city / role / f"{name}.csv", index_col=0)


def test_reads_a_city(root):
    features = root.parent.parent / "outputs" / "msls" / "cph" / DESC_FN
    scene, truth = read_scene(root, "cph", descriptors=features)
    post = table(root, "train_val", "cph", "database", "postprocessed")
    raw = table(root, "train_val", "cph", "query", "raw")
    assert scene.name == "cph" and len(scene.database) == 12 and len(scene.queries) == 6
    assert list(scene.database.names) == [f"database/images/{k}.jpg" for k in post["key"]]
    assert scene.database.names[0].startswith("database/images/-")
    np.testing.assert_array_equal(scene.database.positions, post[["easting", "northing"]])
    np.testing.assert_allclose(scene.queries.headings, np.deg2rad(raw["ca"]))
    assert scene.queries.positions is None, "a query's position is for the benchmark alone"
    query = table(root, "train_val", "cph", "query", "postprocessed")
    np.testing.assert_array_equal(truth.positions, query[["easting", "northing"]])
    with h5py.File(features) as file:
        expected = [file[name]["global_descriptor"][:] for name in scene.queries.names]
    np.testing.assert_array_equal(np.asarray(scene.queries.descriptors), expected)


def test_columns_go_by_name(root):
    path = root / "train_val" / "cph" / "database" / "postprocessed.csv"
    before, _ = read_scene(root, "cph")
    edit(path, lambda t: t[list(reversed(t.columns))])
    after, _ = read_scene(root, "cph")
    np.testing.assert_array_equal(before.database.positions, after.database.positions)


def test_panoramas_and_other_subtasks_are_left_out(root):
    folder = root / "train_val" / "cph" / "query"
    edit(folder / "raw.csv", put(1, "pano", "True"))
    edit(folder / "subtask_index.csv", put(3, "s2w", "False"))
    keys = list(table(root, "train_val", "cph", "query", "raw")["key"])

    def kept(subtask):
        scene, truth = read_scene(root, "cph", subtask=subtask)
        assert len(truth.positions) == len(scene.queries)
        return msls.keys(scene.queries.names)

    assert kept(None) == kept("all") == [k for i, k in enumerate(keys) if i != 1]
    assert kept("s2w") == [k for i, k in enumerate(keys) if i not in (1, 3)]
    with pytest.raises(InputError, match="'summer' is not a subtask"):
        kept("summer")


@pytest.mark.parametrize(
    ("cell", "degrees"), [("", None), ("nan", None), ("-90.0", 270), ("725.5", 5.5), ("360", 0)]
)
def test_headings_may_be_missing_or_out_of_range(root, cell, degrees):
    edit(root / "train_val" / "cph" / "database" / "raw.csv", put(2, "ca", cell))
    heading = read_scene(root, "cph")[0].database.headings[2]
    assert np.isnan(heading) if degrees is None else heading == pytest.approx(np.deg2rad(degrees))


FAR = "raw ca 1e16|raw ca -10001|raw lon 181|raw lat 1e16|postprocessed easting -1e9"


@pytest.mark.parametrize("cell", [*FAR.split("|"), "postprocessed northing 1e16"])
def test_numbers_far_out_of_range_are_refused(root, cell):
    file, column, cell = cell.split()
    edit(root / "train_val" / "cph" / "database" / f"{file}.csv", put(2, column, cell))
    with pytest.raises(InputError, match=f"{file}.csv: line 4, column '{column}': .* is not from"):
        read_scene(root, "cph")


def test_test_cities_with_and_without_ground_truth(root):
    full, truth = read_scene(root, "miami", subtask="all")
    assert truth is not None and full.database.positions is not None
    for role in ("query", "database"):
        for name in ("raw", "postprocessed"):
            (root / "test" / "miami" / role / f"{name}.csv").unlink()
    bare, truth = read_scene(root, "miami", subtask="all")
    assert truth is None and list(bare.queries.names) == list(full.queries.names)
    assert bare.database.positions is bare.database.headings is bare.queries.headings is None


def test_positions_that_were_lost_in_a_test_city_are_unknown(root):
    path = root / "test" / "miami" / "database" / "postprocessed.csv"
    edit(path, put(4, "easting", ""))
    with pytest.raises(InputError, match="postprocessed.csv: line 6, column 'easting'"):
        read_scene(root, "miami")
    edit(path, put(4, "northing", ""))
    assert np.isnan(read_scene(root, "miami")[0].database.positions[4]).all()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("raw", put(2, "ca", "north"), "raw.csv: line 4, column 'ca': 'north' is not a number"),
        ("raw", put(0, "ca", "inf"), "raw.csv: line 2, column 'ca': 'inf' is not a number"),
        ("raw", put(5, "pano", "yes"), "raw.csv: line 7, column 'pano': 'yes' is not True or F"),
        ("raw", lambda t: t.drop(columns="pano"), "raw.csv: no column 'pano' (choose from ca, cap"),
        ("raw", lambda t: t.iloc[:-1], "raw.csv: 11 rows, but subtask_index.csv has 12"),
        ("raw", put(3, "key", "other"), "raw.csv: line 5, column 'key': 'other' where subtask"),
        ("seq_info", lambda t: t.iloc[::-1], "seq_info.csv: line 2, column 'key'"),
        ("postprocessed", put(1, "northing", ""), "line 3, column 'northing': no coordinate"),
        ("postprocessed", put(1, "easting", "x"), "line 3, column 'easting': 'x' is not a number"),
        ("subtask_index", put(1, "all", ""), "line 3, column 'all': '' is not True or False"),
        ("subtask_index", put(1, "key", ""), "subtask_index.csv: line 3, column 'key': '' is not"),
    ],
)
def test_errors_name_file_row_and_column(root, name, change, message):
    folder = root / "train_val" / "cph" / "database"
    edit(folder / f"{name}.csv", change)
    with pytest.raises(InputError) as caught:
        read_scene(root, "cph", subtask="all")
    assert message in str(caught.value) and str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_duplicate_key_is_named(root):
    folder = root / "train_val" / "cph" / "database"
    first = table(root, "train_val", "cph", "database", "raw")["key"][0]
    for name in ("raw", "seq_info", "postprocessed", "subtask_index"):
        edit(folder / f"{name}.csv", put(7, "key", first))
    with pytest.raises(InputError, match="line 9, column 'key': '-.*' is there twice"):
        read_scene(root, "cph")


def test_query_gps(root):
    """Readings are lon and lat of raw.csv, whatever the positions say; pyproj has the last word."""
    pyproj = pytest.importorskip("pyproj")
    folder = root / "train_val" / "cph" / "query"
    moved = table(root, "train_val", "cph", "query", "raw")[["lon", "lat"]] + [1e-3, -2e-3]
    edit(folder / "raw.csv", lambda t: t.assign(**moved))
    edit(folder / "raw.csv", put(4, "lon", ""))
    assert read_scene(root, "cph")[0].queries.positions is None
    scene, truth = read_scene(root, "cph", query_gps=True)
    utm = pyproj.Transformer.from_crs(4326, 32600 + ZONE, always_xy=True)
    expected = np.column_stack(utm.transform(moved["lon"], moved["lat"]))
    expected[4] = np.nan
    np.testing.assert_allclose(scene.queries.positions, expected, atol=1e-5)
    assert (np.linalg.norm(truth.positions - expected, axis=1)[:4] > 100).all()


@pytest.mark.parametrize("zone", [32, 34])
def test_a_city_over_the_border_of_its_zone(root, zone):
    """Positions in a neighbour's zone: readings follow."""
    pyproj = pytest.importorskip("pyproj")
    utm = pyproj.Transformer.from_crs(4326, 32600 + zone, always_xy=True)
    for role in ("query", "database"):
        raw = table(root, "train_val", "cph", role, "raw")
        place = np.column_stack(utm.transform(raw["lon"], raw["lat"]))
        columns = dict(zip(("easting", "northing"), place.T, strict=True))
        edit(
            root / "train_val" / "cph" / role / "postprocessed.csv",
            lambda t, c=columns: t.assign(**c),
        )
    scene, truth = read_scene(root, "cph", query_gps=True)
    np.testing.assert_allclose(scene.queries.positions, truth.positions, atol=1e-4)


def test_readings_of_nowhere_near(root):
    path = root / "train_val" / "cph" / "database" / "raw.csv"
    edit(path, lambda t: t.assign(lat=40.0))
    assert read_scene(root, "cph")[0].queries.positions is None
    with pytest.raises(
        InputError, match=r"cph: lon and lat of raw.csv lie [0-9]{7} m from easting"
    ):
        read_scene(root, "cph", query_gps=True)
    edit(path, lambda t: t.drop(columns="lat"))
    with pytest.raises(InputError, match="database/raw.csv: data.query_gps needs its lon and lat"):
        read_scene(root, "cph", query_gps=True)
    for role in ("query", "database"):
        for name in ("raw", "postprocessed"):
            (root / "test" / "miami" / role / f"{name}.csv").unlink()
    with pytest.raises(InputError, match="query/raw.csv: data.query_gps needs its lon and lat"):
        read_scene(root, "miami", query_gps=True)


def test_sequences(root):
    path = root / "train_val" / "cph" / "query" / "seq_info.csv"
    keys, frames = ["t", "s", "t", "s", "s", "t"], ["7", "2", "5", "", "0", "9"]
    edit(path, lambda t: t.assign(sequence_key=keys, frame_number=frames))
    queries = read_scene(root, "cph")[0].queries
    t, s = queries.sequences[:2]
    assert t != s and queries.sequences.tolist() == [t, s, t, s, s, t]
    assert queries.frames.tolist() == [7, 2, 5, 3, 0, 9], "an unknown number: the row's"
    edit(path, lambda t: t.drop(columns="frame_number"))
    assert read_scene(root, "cph")[0].queries.sequences is None


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_sequences_keep_who_is_with_whom(root, data):
    path = root / "train_val" / "cph" / "database" / "seq_info.csv"
    names = data.draw(st.lists(st.sampled_from(["x", "Y-", "_z"]), min_size=12, max_size=12))
    frames = data.draw(st.lists(st.integers(0, 10**6), min_size=12, max_size=12))
    edit(path, lambda t: t.assign(sequence_key=names, frame_number=frames))
    database = read_scene(root, "cph")[0].database
    found = database.sequences[:, None] == database.sequences
    assert (found == (np.array(names)[:, None] == np.array(names))).all()
    assert database.frames.tolist() == frames and (database.sequences >= 0).all()


def test_missing_files_and_cities(root):
    with pytest.raises(MissingFileError, match="no city 'atlantis'"):
        read_scene(root, "atlantis")
    (root / "train_val" / "cph" / "query" / "postprocessed.csv").unlink()
    with pytest.raises(FileNotFoundError, match="postprocessed.csv: no such file"):
        read_scene(root, "cph")


def test_an_empty_city(root):
    folder = root / "train_val" / "cph" / "query"
    for name in ("raw", "seq_info", "postprocessed", "subtask_index"):
        edit(folder / f"{name}.csv", lambda t: t.iloc[:0])
    with pytest.raises(InputError, match="query: no images left of 0"):
        read_scene(root, "cph")
    (folder / "raw.csv").write_text("")
    with pytest.raises(InputError, match="raw.csv: empty; expected a header line"):
        read_scene(root, "cph")


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_whatever_is_flagged_is_what_is_read(root, data):
    """Any flags, any compass: the rows that remain are those that the definitions keep."""
    folder = root / "train_val" / "cph" / "database"
    flags = st.lists(st.booleans(), min_size=12, max_size=12)
    pano, marked = (np.array(data.draw(flags)) for _ in range(2))
    compass = data.draw(st.lists(st.floats(-1e4, 1e4), min_size=12, max_size=12))
    edit(folder / "raw.csv", lambda t: t.assign(pano=pano, ca=compass))
    edit(folder / "subtask_index.csv", lambda t: t.assign(d2n=marked))
    keep = marked & ~pano
    if not keep.any():
        with pytest.raises(InputError, match="no images left of 12"):
            read_scene(root, "cph", subtask="d2n")
        return
    scene, _ = read_scene(root, "cph", subtask="d2n")
    keys = table(root, "train_val", "cph", "database", "raw")["key"].to_numpy()
    assert msls.keys(scene.database.names) == list(keys[keep])
    turned = np.exp(1j * (scene.database.headings - np.deg2rad(np.array(compass)[keep])))
    np.testing.assert_allclose(turned, 1, atol=1e-9)
    assert (scene.database.headings >= 0).all() and (scene.database.headings <= 2 * np.pi).all()


def test_real_sizes_take_seconds(root):
    """100,000 rows a role: generous bound, row loops would take minutes."""
    random, count = np.random.default_rng(0), 100_000
    tables = city_tables(random, np.arange(12))
    for role in ("query", "database"):
        folder = root / "train_val" / "big" / role
        folder.mkdir(parents=True)
        for name, small in tables.items():
            large = small.loc[np.arange(count) % 12].reset_index(drop=True)
            large["key"] = [f"{i:022d}" for i in range(count)]
            large.to_csv(folder / f"{name}.csv")
    start = time.process_time()
    scene, _ = read_scene(root, "big")
    assert len(scene.database) == count
    assert time.process_time() - start < 20


def test_tables_of_spreadsheets(root):
    """Semicolons, decimal commas, Windows' line ends and mark: the same city."""
    before, truth = read_scene(root, "cph", query_gps=True)
    for path in (root / "train_val" / "cph").glob("*/*.csv"):
        text = path.read_text().replace(",", ";").replace(".", ",").replace("\n", "\r\n")
        path.write_text("\ufeff" + text, newline="")
    after, same = read_scene(root, "cph", query_gps=True)
    np.testing.assert_array_equal(after.database.positions, before.database.positions)
    np.testing.assert_array_equal(after.queries.positions, before.queries.positions)
    np.testing.assert_array_equal(after.queries.headings, before.queries.headings)
    np.testing.assert_array_equal(same.positions, truth.positions)


def test_a_cell_without_end_is_named(root):
    raw = root / "train_val" / "cph" / "query" / "raw.csv"
    lines = raw.read_text().split("\n")
    raw.write_text("\n".join([*lines[:2], "\n" + lines[2] + 140_000 * "x", *lines[3:]]))
    with pytest.raises(InputError, match="raw.csv: line 4: a cell has more than 131072 characters"):
        read_scene(root, "cph")
