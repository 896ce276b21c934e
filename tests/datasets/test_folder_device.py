"""What devices report, in images.csv: against pyproj, small cases by hand, and random tables."""

import logging

import numpy as np
import pytest
from folders import write_csv
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcsa.datasets.folder.images import read_images
from gcsa.datasets.folder.scene import read_scene
from gcsa.datasets.folder.table import write_table
from gcsa.datasets.sessions import FOLLOWING, in_order, sessions
from gcsa.errors import InputError

NAN = np.nan


def scene_of(tmp_path, table, **options):
    write_csv(tmp_path / "images.csv", table)
    return read_scene(tmp_path, "s", **options)[0]


DEVICES = """name,lat,lon,gps_lat,gps_lon,gps_accuracy,heading_accuracy,split
a,55.7,13.2,,,3,,database
b,55.701,13.2,,,,,database
p,55.7,13.2,55.7003,13.2004,12.5,20,query
q,,,55.7008,13.1999,0,0,query
r,55.7005,13.2,,,,,query
"""


def test_readings_are_apart_from_the_truth(tmp_path):
    scene = scene_of(tmp_path, DEVICES)
    pyproj = pytest.importorskip("pyproj")
    queries, a = scene.queries, scene.database.positions[0]
    for row, (lat, lon) in enumerate([(55.7003, 13.2004), (55.7008, 13.1999)]):
        metres = pyproj.Geod(ellps="WGS84").inv(13.2, 55.7, lon, lat)[2]
        assert np.linalg.norm(queries.positions[row] - a) == pytest.approx(metres, abs=0.01)
    assert np.isnan(queries.positions[2]).all()
    np.testing.assert_array_equal(queries.accuracy, [12.5, NAN, NAN])  # 0: not known
    np.testing.assert_allclose(queries.heading_accuracy, [np.deg2rad(20), NAN, NAN])
    np.testing.assert_array_equal(scene.database.accuracy, [3, NAN])
    assert scene.queries.sequences is None is scene.database.frames


def test_metres(tmp_path):
    table = "name,x,y,gps_x,gps_y,split|a,0,0,,,database|q,1,1,5,-7,query"
    assert scene_of(tmp_path, table).queries.positions.tolist() == [[5, -7]]


def test_a_reading_that_is_the_truth_is_no_evidence(tmp_path, caplog):
    table = (
        "name,x,y,gps_x,gps_y,split|a,0,0,,,database|p,9,9,9,9.04,query|"
        "q,5,5,5,5.1,query|r,,,3,3,query|s,3,3,,,query"
    )
    with caplog.at_level(logging.INFO):
        scene = scene_of(tmp_path, table)
    np.testing.assert_array_equal(
        scene.queries.positions, [[NAN, NAN], [5, 5.1], [3, 3], [NAN, NAN]]
    )
    assert "1 of 4 queries report what their position is" in caplog.text
    scene = scene_of(tmp_path, table, query_gps=True)
    assert scene.queries.positions[0].tolist() == [9, 9.04]
    same = "name,x,y,gps_x,gps_y,split|a,0,0,,,database|p,9,9,9,9,query"
    assert scene_of(tmp_path, same).queries.positions is None


@pytest.mark.parametrize(
    ("columns", "row", "message"),
    [
        ("gps_lat,gps_lon", ",12", "line 3, column 'gps_lat': is empty, 'gps_lon' is not"),
        ("gps_lat,gps_lon", "91,12", "line 3, column 'gps_lat': latitude '91' is not from"),
        ("gps_lat,gps_lon", "0,0", "line 3, column 'gps_lat': .* km from the other images"),
        ("gps_lat", "55", "no column 'gps_lon' beside the other of its pair"),
        ("gps_x,gps_y", "1,1", "column 'gps_x' beside 'lat' and 'lon'; expected gps_lat and"),
        ("gps_accuracy", "-3", "line 3, column 'gps_accuracy': gps_accuracy '-3' is not from 0"),
        ("gps_accuracy", "good", "line 3, column 'gps_accuracy': 'good' is not a number"),
        ("heading_accuracy", "181", "line 3, column 'heading_accuracy': .* is not from 0 to 180"),
        ("captured_at", "noon", "line 3, column 'captured_at': 'noon' is not a date and time"),
        ("captured_at", "2021-13-01", "line 3, column 'captured_at': '2021-13-01' is not a date"),
    ],
)
def test_faults_name_line_and_column(tmp_path, columns, row, message):
    empty = "," * columns.count(",")
    table = f"name,lat,lon,{columns}|a,55,13,{empty}|b,55,13,{row}"
    with pytest.raises(InputError, match=f"images.csv: {message}") as caught:
        scene_of(tmp_path, table)
    assert "\n" not in str(caught.value)


def test_sequences_of_the_table(tmp_path):
    """Two drives whose times interleave: the frames of each count from its own start."""
    scene = scene_of(
        tmp_path,
        "name,x,y,split,sequence,captured_at|"
        "a,0,0,database,one,2021-01-01T10:00:02Z|b,0,0,query,one,2021-01-01T12:00:01+02:00|"
        "c,0,0,query,two,2021-01-01T10:00:01.5|d,0,0,query,one,2021-01-01T10:00:00|"
        "e,0,0,query,,2021-01-01T10:00:00|f,0,0,query,one,",
    )
    assert scene.queries.sequences.tolist()[3] == -1
    one, two = scene.queries.sequences[[0, 1]]
    assert scene.queries.sequences.tolist() == [one, two, one, -1, one] and one != two
    assert scene.database.sequences.tolist() == [one] and scene.database.frames.tolist() == [2]
    assert scene.queries.frames.tolist() == [1, 0, 0, 0, 3]


def test_sequences_without_times_are_in_the_order_of_the_table(tmp_path):
    scene = scene_of(tmp_path, "name,x,y,sequence|a,0,0,s|b,0,0,t|c,0,0,s")
    assert scene.queries.frames.tolist() == [0, 0, 1]


WALK = "name,x,y,captured_at{}|" + "|".join(
    f"{name},{x},0,2021-01-01T10:{minute:02d}:00{{}}"
    for name, x, minute in [
        ("a", 0, 0),
        ("b", 200, 4),
        ("c", 400, 8),
        ("d", 400, 14),
        ("e", 900, 15),
    ]
)


def test_sessions_by_time_and_place(tmp_path):
    scene = scene_of(tmp_path, WALK.format("", *5 * [""]))
    walks = scene.database.sequences
    assert len(set(walks[:3])) == 1, "200 m and 4 minutes apart, one after the other"
    assert len({walks[0], walks[3], walks[4]}) == 3, "6 minutes later; 500 m away"
    assert scene.database.frames.tolist() == [0, 1, 2, 0, 0]
    # Where every image is a query the devices report nothing: time alone tells.
    own = scene.queries.sequences
    assert own[3] == own[4] != own[0]


def test_where_queries_were_taken_makes_no_session(tmp_path):
    table = (
        "name,x,y,captured_at,split|a,0,0,2021-01-01T10:00:00,database|"
        "p,0,0,2021-01-01T10:00:01,query|q,{},0,2021-01-01T10:00:02,query"
    )
    near, far = (scene_of(tmp_path, table.format(x)).queries.sequences for x in (0, 9e6))
    assert near.tolist() == far.tolist() and near[0] == near[1]


def linked_by_hand(times, positions):
    """Sets of images that hang together, by the definition, in plain loops."""
    order = sorted((i for i in range(len(times)) if not np.isnan(times[i])), key=lambda i: times[i])
    groups = {i: {i} for i in order}
    for k, i in enumerate(order):
        for j in order[k + 1 : k + 1 + FOLLOWING]:
            apart = np.hypot(*(positions[i] - positions[j]))
            if times[j] - times[i] <= 300 and (np.isnan(apart) or apart <= 250):
                union = groups[i] | groups[j]
                groups |= dict.fromkeys(union, union)
    return {frozenset(g) for g in groups.values()}


unknown_or = lambda numbers: st.one_of(st.just(NAN), numbers)  # noqa: E731


@settings(max_examples=60, deadline=None)
@given(data=st.data(), n=st.integers(0, 25))
def test_sessions_are_what_hangs_together(data, n):
    moments = unknown_or(st.integers(0, 2000).map(float))
    times = np.array(data.draw(st.lists(moments, min_size=n, max_size=n)), float)
    east = np.array(data.draw(st.lists(unknown_or(st.floats(0, 900)), min_size=n, max_size=n)))
    positions = np.column_stack([east, np.where(np.isnan(east), NAN, 0.0)]).reshape(n, 2)
    found = sessions(times, positions)
    assert found.shape == (n,) and ((found < 0) == np.isnan(times)).all()
    groups = {frozenset(np.flatnonzero(found == k).tolist()) for k in set(found[found >= 0])}
    assert groups == linked_by_hand(times, positions)
    frames = in_order(found, times)
    for group in groups:
        rows = sorted(group, key=lambda i: frames[i])
        assert frames[rows].tolist() == list(range(len(rows)))
        assert (np.diff(times[rows]) >= 0).all()


readings = st.tuples(
    st.floats(-100, 100), st.floats(-100, 100), unknown_or(st.floats(0.01, 1e4)), st.booleans()
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(readings, min_size=1, max_size=8))
def test_whatever_devices_write_is_what_is_read(tmp_path, rows):
    lines = ["name,x,y,gps_x,gps_y,gps_accuracy,split", "d,0,0,,,,database"]
    for i, (x, y, accuracy, known) in enumerate(rows):
        cells = f"{x!r},{y!r}" if known else ","
        lines.append(f"q{i},,,{cells},{'' if np.isnan(accuracy) else repr(accuracy)},query")
    queries = scene_of(tmp_path, "|".join(lines)).queries
    expected = np.array([(x, y) if known else (NAN, NAN) for x, y, _, known in rows])
    if np.isnan(expected).all():
        assert queries.positions is None
    else:
        np.testing.assert_array_equal(queries.positions, expected)
    np.testing.assert_array_equal(queries.accuracy, [row[2] for row in rows])


def test_years_that_cannot_be_counted_are_refused(tmp_path):
    (tmp_path / "images.csv").write_text("name,x,y,captured_at\na,1,1,2021-06-30\nb,1,1,-001\n")
    with pytest.raises(InputError, match="line 3, column 'captured_at': .*'-001'"):
        read_images(tmp_path / "images.csv")


def test_names_that_are_not_utf8_cannot_be_written(tmp_path):
    """Of a photo from an old camera, as Python gives names that are not UTF-8."""
    with pytest.raises(InputError, match=r"i.csv: 'caf\\udce9.jpg': a name that is not UTF-8"):
        write_table(tmp_path / "i.csv", ["name"], [["a.jpg"], ["caf\udce9.jpg"]])
    assert not list(tmp_path.iterdir())
