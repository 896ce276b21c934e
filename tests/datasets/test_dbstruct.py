"""dbStruct: MATLAB's structs, fields by name, written here by SciPy."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat
from worlds import write_descriptors

from gcsa.config import load_config
from gcsa.datasets.dbstruct import read_scene
from gcsa.datasets.images import image_path
from gcsa.datasets.readers import reader
from gcsa.errors import InputError, MissingFileError
from gcsa.evaluate import evaluate
from gcsa.sideinfo.utm import Zone, to_lonlat

PITTS = "whichSet dbImageFns utmDb qImageFns utmQ numImages numQueries posDistThr".split()
TOKYO = "whichSet dbImageFns utmDb dbTimeStamp qImageFns utmQ qTimeStamp".split() + PITTS[5:]


def cell(texts):
    """A MATLAB cell of texts, a column."""
    array = np.empty((len(texts), 1), dtype=object)
    array[:, 0] = texts
    return array


def write(path, order, db, q, utm_db, utm_q, **more):
    values = {
        "whichSet": "test",
        "dbImageFns": cell(db),
        "utmDb": np.asarray(utm_db),
        "qImageFns": cell(q),
        "utmQ": np.asarray(utm_q),
        "dbTimeStamp": np.zeros((1, len(db))),
        "qTimeStamp": np.zeros((1, len(q))),
        "numImages": float(len(db)),
        "numQueries": float(len(q)),
        "posDistThr": 25.0,
        **more,
    }
    savemat(path, {"dbStruct": {name: values[name] for name in order}})
    return path


DB = ["000/000829_pitch1_yaw2.jpg", "000/000829_pitch1_yaw1.jpg", "001/001000_pitch2_yaw1.jpg"]
UTM_DB = [[584825.5, 584825.5, 584900.0], [4476945.25, 4476945.25, 4477000.0]]
UTM_Q = [[584830.0, 584000.0], [4476945.0, 4476000.0]]


@pytest.mark.parametrize("order", [PITTS, TOKYO])
def test_fields_are_found_by_name(tmp_path, order):
    path = write(tmp_path / "pitts30k_test.mat", order, DB, ["a.jpg", "b.jpg"], UTM_DB, UTM_Q)
    scene, truth = read_scene(path)
    assert scene.name == "pitts30k_test" and scene.database.names.tolist() == DB
    assert scene.queries.names.tolist() == ["queries_real/a.jpg", "queries_real/b.jpg"]
    assert scene.database.positions.tolist() == np.transpose(UTM_DB).tolist()
    assert truth.positions.tolist() == np.transpose(UTM_Q).tolist()
    assert scene.queries.positions is None and scene.queries.sequences is None
    # Two crops of one panorama.
    first, second, third = scene.database.sequences
    assert first == second != third and scene.database.frames.tolist() == [0, 1, 0]
    # Pittsburgh, not far from where its rivers meet.
    lat, lon = scene.frame.to_degrees(scene.database.positions)[0]
    assert (round(lat, 1), round(lon, 1)) == (40.4, -80.0)
    assert to_lonlat(*scene.database.positions[0], 17) == (lon, lat) and scene.frame == Zone(17)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.data())
def test_what_is_written_is_read(tmp_path_factory, n, q, data):
    number = st.floats(-1e7, 1e7)
    words = st.text("abcxyz019_/", min_size=1, max_size=12)
    db = data.draw(st.lists(words, min_size=n, max_size=n, unique=True))
    asked = data.draw(st.lists(words, min_size=q, max_size=q, unique=True))
    utm_db, utm_q = (
        np.array(data.draw(st.lists(number, min_size=2 * m, max_size=2 * m))).reshape(2, m)
        for m in (n, q)
    )
    order = data.draw(st.permutations(TOKYO))
    path = tmp_path_factory.mktemp("mat") / "x.mat"
    scene, truth = read_scene(write(path, order, db, asked, utm_db, utm_q), queries="")
    assert scene.database.names.tolist() == db and scene.queries.names.tolist() == asked
    assert np.array_equal(scene.database.positions, utm_db.T)
    assert np.array_equal(truth.positions, utm_q.T) and scene.frame is None


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 400), st.booleans())
def test_a_broken_file_is_one_line(tmp_path_factory, junk, at, whole):
    path = tmp_path_factory.mktemp("mat") / "x.mat"
    content = write(path, PITTS, DB, ["a.jpg"], UTM_DB, [[1.0], [2.0]]).read_bytes()
    path.write_bytes(junk if whole else content[: at % len(content)])
    with pytest.raises(InputError) as error:
        read_scene(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"utmDb": np.zeros((2, 4))}, r"dbStruct.utmDb: expected numbers of shape \(2, 3\)"),
        ({"utmQ": np.array([[np.inf], [0.0]])}, "dbStruct.utmQ: a position is infinite"),
        ({"dbImageFns": cell(["a", 3.0, "c"])}, "dbImageFns: cell 2 is not the path of an image"),
        ({"qImageFns": cell([])}, "qImageFns: holds no images"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, change, said):
    path = write(tmp_path / "x.mat", PITTS, DB, ["a.jpg"], UTM_DB, [[1.0], [2.0]], **change)
    with pytest.raises(InputError, match=said):
        read_scene(path)


def test_what_is_no_dbstruct(tmp_path):
    savemat(tmp_path / "other.mat", {"x": 3.0})
    with pytest.raises(InputError, match="has no dbStruct"):
        read_scene(tmp_path / "other.mat")
    savemat(tmp_path / "flat.mat", {"dbStruct": 3.0})
    with pytest.raises(InputError, match="is no struct"):
        read_scene(tmp_path / "flat.mat")
    names = [name for name in PITTS if name != "utmQ"]
    path = write(tmp_path / "less.mat", names, DB, ["a.jpg"], UTM_DB, [[1.0], [2.0]])
    with pytest.raises(InputError, match=r"no field 'utmQ' \(did you mean 'utmDb'\?\)"):
        read_scene(path)
    with pytest.raises(MissingFileError, match="no such file"):
        read_scene(tmp_path / "absent.mat")


def test_end_to_end(tmp_path, caplog):
    """Nine cameras in a row, 20 m apart; queries beside the first, the last, and none."""
    (tmp_path / "datasets").mkdir()
    east = 584000 + 20.0 * np.arange(9)
    db, asked = [f"{i}.jpg" for i in range(9)], ["0.jpg", "8.jpg", "far.jpg"]
    utm_q = [[584000.0, 584160.0, 590000.0], [4476000.0] * 3]
    path = tmp_path / "datasets" / "pitts30k_val.mat"
    write(path, PITTS, db, asked, [east, [4476000.0] * 9], utm_q, posDistThr=10.0)
    looks = np.eye(9)[[*range(9), 0, 7, 3]]
    names = [*db, *(f"queries_real/{name}" for name in asked)]
    write_descriptors(tmp_path / "out/dbstruct/pitts30k_val/d.h5", names, looks)
    settings = ["data.dataset=dbstruct", f"data.root={tmp_path}", "data.desc_fn=d.h5"]
    config = load_config(None, [*settings, f"data.outputs={tmp_path / 'out'}"])
    with caplog.at_level(logging.INFO):
        report = evaluate(config)
    assert "relevant within 10 m, the figures are within 25 m" in caplog.text
    assert report["counts"]["queries"] == 3 and report["counts"]["with_positives"] == 2
    assert report["metrics"]["recall@1"] == 1.0  # 7 is 20 m from 8
    near = load_config(
        None, [*settings, f"data.outputs={tmp_path / 'out'}", "data.val_labels=dist@10"]
    )
    assert evaluate(near)["metrics"]["recall@1"] == 0.5
    expected = tmp_path / "queries_real" / "0.jpg"
    assert image_path(config.data, "pitts30k_val", "queries_real/0.jpg") == expected
    scene, _ = reader(config.data).read(config.data, "pitts30k_val", "val")
    assert scene.database.descriptors.shape == (9, 9)
