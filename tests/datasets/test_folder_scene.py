"""images.csv and radio.csv -> (Scene, Truth), against values worked out by hand."""

import logging

import numpy as np
import pytest
from folders import write_csv
from worlds import write_descriptors

from gcsa.datasets.folder.images import read_images
from gcsa.datasets.folder.radio import read_radio
from gcsa.datasets.folder.scene import read_scene
from gcsa.descriptors.hdf5 import RESIDENT
from gcsa.errors import InputError
from gcsa.evaluation.truth import labels, num_relevant
from gcsa.ranking.retrieval import retrieve
from gcsa.sideinfo.fov import FovConfig

TABLE = """name, x, y, heading, split, place, note
db/b.jpg, 3, 4, 450, database, church, first
q/1.jpg, 1.5, 2.5, -90, query, church, "a, b"

db/a.jpg, 0, 0, , database, ,
q/2.jpg, , , 10, query, station,
"""


def scene_of(tmp_path, table=TABLE, **options):
    write_csv(tmp_path / "images.csv", table)
    return read_scene(tmp_path, "s", **options)


def test_a_small_table(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        scene, truth = scene_of(tmp_path)
    assert "images.csv: columns that are not read: note" in caplog.text
    assert scene.name == "s"
    assert scene.database.names.tolist() == ["db/b.jpg", "db/a.jpg"]
    assert scene.queries.names.tolist() == ["q/1.jpg", "q/2.jpg"]
    assert scene.database.positions.tolist() == [[3, 4], [0, 0]]
    np.testing.assert_allclose(scene.database.headings, [np.pi / 2, np.nan])
    np.testing.assert_allclose(scene.queries.headings, np.deg2rad([270, 10]))
    assert scene.queries.positions is None and scene.database.descriptors is None
    np.testing.assert_array_equal(truth.positions, [[1.5, 2.5], [np.nan, np.nan]])
    np.testing.assert_array_equal(truth.headings, scene.queries.headings)
    assert scene.database.radio is None is scene.queries.radio


def test_places_are_a_rule(tmp_path):
    scene, truth = scene_of(tmp_path)
    candidates = np.array([[0, 1], [1, 0]])
    found = labels("cluster", scene, truth, candidates, FovConfig())
    assert found.tolist() == [[True, False], [False, False]]
    assert num_relevant("cluster", scene, truth, FovConfig()).tolist() == [1, 0]
    found = labels("dist", scene, truth, candidates, FovConfig())
    assert found.tolist() == [[True, True], [False, False]]


@pytest.mark.parametrize("split", ["", ",split|a,0,0,,database|b,0,9,,database|c,0,30,,database"])
def test_without_queries_every_image_is_one(tmp_path, split):
    rows = "name,x,y,place|a,0,0,p|b,0,9,p|c,0,30," if not split else f"name,x,y,place{split}"
    rows = np.eye(3, 4) + 0.1, rows
    write_descriptors(tmp_path / "d.h5", list("abc"), rows[0])
    scene, truth = scene_of(tmp_path, rows[1], descriptors=tmp_path / "d.h5")
    assert scene.queries.names.tolist() == scene.database.names.tolist() == list("abc")
    assert scene.queries.positions is None and truth.positions.tolist() == [[0, 0], [0, 9], [0, 30]]
    indices = retrieve(scene, 3).indices
    assert all(row not in indices[row] for row in range(3)), "an image is not its own candidate"
    if not split:
        assert num_relevant("cluster", scene, truth, FovConfig()).tolist() == [1, 1, 0]


def test_an_image_is_not_relevant_to_itself(tmp_path):
    table = "name,x,y,heading|a,0,0,0|b,0,9,0|c,0,99,0"
    scene, truth = scene_of(tmp_path, table)
    assert num_relevant("dist", scene, truth, FovConfig()).tolist() == [1, 1, 0]
    assert num_relevant("fov", scene, truth, FovConfig()).tolist() == [1, 1, 0]


def test_where_queries_were_taken_does_not_move_the_database(tmp_path):
    rows = "name,lat,lon,split|a,55.7,13.2,database|b,55.701,13.2,database|q,{},query"
    one, first = scene_of(tmp_path, rows.format("55.7,13.2"))
    two, second = scene_of(tmp_path, rows.format("55.8,13.5"))
    assert one.database.positions.tobytes() == two.database.positions.tobytes()
    assert (first.positions != second.positions).all()
    # Meridian arc at 55.7 degrees: 111.34 m a thousandth of a degree.
    assert np.diff(one.database.positions[:, 1]) == pytest.approx(111.34, abs=0.01)
    assert np.abs(one.database.positions[:, 0]).max() < 1e-6
    np.testing.assert_allclose(first.positions[0], one.database.positions[0], atol=1e-9)


def test_heights(tmp_path):
    table = "name,x,y,z,split|a,0,0,5,database|b,,,,database|c,1,1,{},query"
    scene, truth = scene_of(tmp_path, table.format("7"))
    assert scene.database.positions[0].tolist() == [0, 0, 5]
    assert np.isnan(scene.database.positions[1]).all() and truth.positions.tolist() == [[1, 1, 7]]
    scene, truth = scene_of(tmp_path, table.format(""))
    assert scene.database.positions.shape == (2, 2) and truth.positions.shape == (1, 2)


def test_unknown_altogether(tmp_path):
    scene, truth = scene_of(tmp_path, "name,x,y,heading,place,split|a,,,,,database|b,1,1,,,query")
    assert truth is None and scene.database.positions is None and scene.queries.headings is None
    scene, truth = scene_of(tmp_path, "name,x,y,split|a,1,1,database|b,,,query")
    assert truth is None and scene.database.positions.tolist() == [[1, 1]]
    scene, truth = scene_of(tmp_path, "name,x,y,place|a,,,p|b,,,p|c,,,|d,,,")
    assert num_relevant("cluster", scene, truth, FovConfig()).tolist() == [1, 1, 0, 0]


def test_excel_files(tmp_path):
    """A byte order mark, Windows line ends, quotes, spaces, a NaN."""
    content = '\ufeffname,lat,lon,heading\r\n"a b.jpg", 1.5 ,2,nan\r\nc.jpg,1.5,2,5\r\n\r\n'
    (tmp_path / "images.csv").write_bytes(content.encode())
    images = read_images(tmp_path / "images.csv")
    assert images.names.tolist() == ["a b.jpg", "c.jpg"] and images.query is None
    assert np.isnan(images.headings[0]) and images.positions.shape == (2, 2)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "empty; expected a header"),
        ("|nam,x,y|a,1,1", "no column 'name'"),
        ("name,x,y", "no images, only a header"),
        ("file,x,y|a,1,1", "no column 'name' .choose from file, x, y"),
        ("nam,x,y|a,1,1", "no column 'name' .did you mean 'nam'"),
        ("name;x;y|a;1,5;1.5.5", "line 2, column 'y': '1.5.5' is not a number"),
        ("name\tx\ty|a\t1,5\t1", "line 2, column 'x': '1,5' is not a number"),
        ("name,x,y|a,1,5,2,5", "line 2: 5 cells .* decimal commas, separate the columns by semi"),
        ('name,x,y,place|a,1,1,"hall|b,2,2,hall', "line 3: the file ends within a quote"),
        ('name,x,y,place|a,1,1,"hall|b,2,2",hall', "line 3: 5 cells"),
        ('name,x,y,place|a,1,1,"hall|b,2,2,hall"', "line 2: a quote is opened and not closed"),
        (
            "name,x,y|a,1,1|" + 1025 * "b" + ",1,1",
            "line 3: .* 1025 characters, .* most 1024",
        ),
        ("name,x,y,note|a,1,1," + 140000 * "b", "line 2: a cell has more than 131072 characters"),
        ("name,x,y," + ",".join(map(str, range(998))), "line 1: 1001 columns .* at most 1000"),
        ("name,x,x|a,1,1", "line 1: two columns are called 'x'"),
        ("name,x,y|a,1,1|b,1", "line 3: 2 cells separated by commas, the header has 3"),
        ("name,latitude,longitude|a,1,1", "neither columns 'lat' and 'lon' nor 'x' and 'y'"),
        ("name,x,y,lat,lon|a,1,1,1,1", "has both lat, lon and x, y"),
        ("name,lat|a,1", "column 'lat' but no column 'lon'"),
        ("name,y|a,1", "column 'y' but no column 'x'"),
        ("name,x,y|a,1,1||,2,2", "line 4, column 'name': is empty"),
        ("name,x,y|a,1,1|a,2,2", "line 3, column 'name': 'a' is there twice"),
        ("name,x,y|a\\b,1,1", "folders are separated by /"),
        ("name,x,y|/a,1,1", "'/a' is not a path below the folder"),
        ("name,x,y|a,1,1|b,2,o", "line 3, column 'y': 'o' is not a number"),
        ("name,x,y|a,1,inf", "line 2, column 'y': 'inf' is not a number"),
        ("name,x,y|a,1,1|b,1,", "line 3, column 'y': is empty, 'x' is not"),
        ("name,lat,lon|a,91,1", "line 2, column 'lat': latitude '91' is not from -90 to 90"),
        ("name,lat,lon|a,1,181", "longitude '181' is not from -180 to 180"),
        ("name,lat,lon|a,55,13|b,55,13|c,0,0", r"line 4, column 'lat': 59[0-9]+ km from the other"),
        ("name,x,y,heading|a,1,1,-361", "heading '-361' is not from -360 to 720"),
        ("name,x,y,z,alt|a,1,1,1,1", "has both alt and z"),
        ("name,x,y,split|a,1,1,database|b,1,1,test", "line 3, column 'split': 'test' is no split"),
        ("name,x,y,split|a,1,1,databse", "did you mean 'database'"),
        ("name,x,y,split|a,1,1,", "line 2, column 'split': '' is no split"),
        ("name,x,y,split|a,1,1,query", "column 'split': no image is of the database"),
    ],
)
def test_faults_of_the_table(tmp_path, table, message):
    with pytest.raises(InputError, match=f"images.csv: .*{message}") as caught:
        scene_of(tmp_path, table)
    assert "\n" not in str(caught.value)


def test_other_scenes_are_named(tmp_path):
    for name in ("lund", "berlin"):
        write_csv(tmp_path / name / "images.csv", TABLE)
    for folder in (tmp_path, tmp_path / "lnud"):
        with pytest.raises(
            FileNotFoundError, match=r"images.csv: no such file.*; .* has the scenes berlin, lund"
        ):
            read_scene(folder, "s")
    with pytest.raises(FileNotFoundError, match="expected a table of the images"):
        read_scene(tmp_path / "none" / "none", "s")


RADIO = """name,transmitter,rssi,frequency_mhz,kind
q/1.jpg,aa,-40,2412,wifi
db/b.jpg,aa,-60,2412,wifi
db/b.jpg,aa,-50,2412,wifi
db/b.jpg,aa,-70,,bluetooth
db/a.jpg,bb,-120,2412,wifi
"""


def metres(rssi, megahertz=2400.0):
    return min(500, 10 ** ((27.55 - 20 * np.log10(megahertz) - rssi) / 20))


def test_radio(tmp_path):
    write_csv(tmp_path / "radio.csv", RADIO)
    scene, _ = scene_of(tmp_path)
    heard = scene.database.radio
    assert heard.transmitters.tolist() == ["bluetooth/aa", "wifi/aa", "wifi/bb"]
    expected = [[metres(-70) - 500, metres(-50, 2412) - 500, 0], [0, 0, 0]]
    np.testing.assert_allclose(heard.matrix.toarray(), expected, atol=1e-9)
    assert heard.has_any.tolist() == [True, True], "heard from 500 m and more is heard"
    own = scene.queries.radio.matrix.toarray()
    np.testing.assert_allclose(own, [[0, metres(-40, 2412) - 500, 0], [0, 0, 0]])
    assert scene.queries.radio.has_any.tolist() == [True, False]
    scene, _ = scene_of(tmp_path, radio=False)
    assert scene.database.radio is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("c,aa,-40", "line 2, column 'name': 'c' is no image that is known"),
        ("a,,-40", "column 'transmitter': is empty"),
        ("a,aa,", "column 'rssi': is empty"),
        ("a,aa,loud", "'loud' is not a number"),
    ],
)
def test_faults_of_radio(tmp_path, row, message):
    path = write_csv(tmp_path / "radio.csv", f"name,transmitter,rssi|{row}")
    with pytest.raises(InputError, match=f"radio.csv: .*{message}"):
        read_radio(path, np.array(["a", "b"]))


def test_radio_without_case(tmp_path):
    rows = "a,AA:0b,-50,WiFi|b,aa:0B,-50,wifi|b,aa:0b,-60,Bluetooth"
    path = write_csv(tmp_path / "radio.csv", f"name,transmitter,rssi,kind|{rows}")
    heard = read_radio(path, np.array(["a", "b"]))
    assert heard.transmitters.tolist() == ["bluetooth/aa:0b", "wifi/aa:0b"]
    expected = [[0, metres(-50) - 500], [metres(-60) - 500, metres(-50) - 500]]
    np.testing.assert_allclose(heard.matrix.toarray(), expected)


def test_signals_that_are_none(tmp_path, caplog):
    rows = [f"a,{i},{rssi}" for i, rssi in enumerate("0 127 5 -121 nan -120 -0.5".split())]
    path = write_csv(tmp_path / "radio.csv", "|".join(["name,transmitter,rssi", *rows]))
    heard = read_radio(path, np.array(["a", "b"]))
    assert heard.transmitters.tolist() == ["5", "6"] and heard.has_any.tolist() == [True, False]
    assert "radio.csv: 5 of 7 signals are unknown" in caplog.text
    write_csv(path, "name,transmitter,rssi|a,x,0")
    assert read_radio(path, np.array(["a", "b"])).matrix.shape == (2, 0)


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_rows_of_any_length_are_normalised_where_asked(tmp_path, caplog, monkeypatch, kind):
    monkeypatch.setattr("gcsa.descriptors.lengths.CHUNK", 3)
    rows = np.random.default_rng(0).normal(size=(4, 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.save(tmp_path / "long.npy", (rows * [[1], [1], [1], [30]]).astype(kind))
    with pytest.raises(InputError, match="row 3 .image 'q/2.jpg'. has length 30, expected 1;"):
        scene_of(tmp_path, descriptors=tmp_path / "long.npy")
    with caplog.at_level("INFO"):
        scene, _ = scene_of(tmp_path, descriptors=tmp_path / "long.npy", normalise=True)
    np.testing.assert_allclose(scene.queries.descriptors[:], rows[[1, 3]], atol=1e-3)
    assert "1 of 4 descriptors normalised: not of unit length (row 3 (image 'q/2.jpg')" in (
        caplog.text
    )


def test_descriptors_by_name_or_by_row(tmp_path):
    rows = np.random.default_rng(0).normal(size=(4, 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    names = ["db/b.jpg", "q/1.jpg", "db/a.jpg", "q/2.jpg"]
    write_descriptors(tmp_path / "d.h5", names[::-1], rows[::-1])
    np.save(tmp_path / "half.npy", rows.astype(np.float16))
    np.save(tmp_path / "full.npy", rows.astype(np.float32))
    for file in ("d.h5", "half.npy", "full.npy"):
        scene, _ = scene_of(tmp_path, descriptors=tmp_path / file)
        for images, which in ((scene.database, [0, 2]), (scene.queries, [1, 3])):
            assert images.descriptors.dtype == np.float16
            np.testing.assert_array_equal(images.descriptors[:], rows[which].astype(np.float16))
            RESIDENT.drop()
    write_descriptors(tmp_path / "less.h5", names[1:], rows[1:])
    np.save(tmp_path / "less.npy", rows[1:].astype(np.float16))
    np.save(tmp_path / "long.npy", (2 * rows).astype(np.float16))
    np.save(tmp_path / "nan.npy", np.where(np.arange(4)[:, None] == 2, np.nan, rows))
    np.save(tmp_path / "zero.npy", np.where(np.arange(4)[:, None] == 1, 0, rows))
    np.save(tmp_path / "flat.npy", rows[0])
    np.save(tmp_path / "whole.npy", np.eye(4, 8, dtype=np.int64))
    (tmp_path / "empty.npy").touch()
    with open(tmp_path / "zip.npy", "wb") as file:
        np.savez(file, rows)
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    for file, message in {
        "less.h5": "less.h5: no descriptor for image 'db/b.jpg'",
        "less.npy": "less.npy: 3 rows for the 4 images of images.csv",
        "long.npy": r"long.npy: descriptor of row 0 \(image 'db/b.jpg'\) has length 2",
        "nan.npy": r"nan.npy: descriptor of row 2 \(image 'db/a.jpg'\) is not finite",
        "zero.npy": r"zero.npy: descriptor of row 1 \(image 'q/1.jpg'\) is zero",
        "flat.npy": r"two-dimensional array of floats, got float64 \(8,\)",
        "whole.npy": r"two-dimensional array of floats, got int64 \(4, 8\)",
        "objects.npy": "objects.npy: no file of NumPy, or one with Python objects",
        "empty.npy": "empty.npy: No data left in file; expected an array in NumPy's",
        "zip.npy": "zip.npy: it is an .npz",
        "none.npy": "none.npy: no such feature file",
    }.items():
        with pytest.raises(InputError, match=message):
            scene_of(tmp_path, descriptors=tmp_path / file)
