"""The text files of LaMAR: any spelling that the grammar allows, errors that name file and line."""

import numpy as np
import pandas as pd
import pytest
from captures import GUID, HEADERS, PINHOLE, write_rows, write_scene, write_session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcsa.datasets.lamar.capture import camera_poses, read_session
from gcsa.datasets.lamar.scene import read_scene
from gcsa.errors import InputError, MissingFileError
from gcsa.sideinfo.scans import clock_of, observe


@pytest.fixture
def root(tmp_path):
    write_scene(tmp_path / "CAB")
    return tmp_path


def sessions(root):
    return root / "CAB" / "sessions"


SPACE = st.sampled_from(["", " ", "  ", "\t"])
NOISE = st.lists(st.sampled_from(["", "#", "# a, b", " # c", "  ", "#1, cam, x"]), max_size=2)
NAME = st.sampled_from(["", "net", "café #2", '"quoted', "it's"])


def dirty(data, rows, header=""):
    """Rows as text with spaces around fields, comments, empty lines, any kind of line end."""
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    lines = [header] if header else []
    for row in rows:
        lines += data.draw(NOISE)
        lines.append(",".join(f"{data.draw(SPACE)}{cell}{data.draw(SPACE)}" for cell in row))
    text = end.join([*lines, *data.draw(NOISE)])
    return text + data.draw(st.sampled_from(["", end]))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_whatever_the_grammar_allows_is_read(tmp_path, data):
    count = data.draw(st.integers(0, 6))
    times = data.draw(st.lists(st.integers(-5, 2**62), min_size=count, max_size=count, unique=True))
    quaternions = np.random.default_rng(count).normal(size=(count, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    place = data.draw(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3))
    wide = data.draw(st.lists(st.sampled_from([[], [0.5] * 36]), min_size=count, max_size=count))
    poses = [[t, "s/cam", *q, *place] for t, q in zip(times, quaternions.tolist(), strict=True)]
    trail = [["net", 5, -1][:k] for k in data.draw(st.lists(st.integers(0, 3), min_size=count))]
    wifi = [[t, "s/w", "AA:bb:cc:dd:ee:0f", 2412000, -40.5] for t in times]
    files = {
        "sensors": [["s/cam", data.draw(NAME), *PINHOLE], ["s/w", "", "wifi"], ["s/b", "", "bt"]],
        "trajectories": [row + more for row, more in zip(poses, wide, strict=True)],
        "images": [[t, "s/cam", f"s/images/{t} x.jpg"] for t in times],
        "wifi": [row + more for row, more in zip(wifi, trail[:count], strict=True)],
        "bt": [[t, "s/b", GUID.format(3, 1).upper(), -7, data.draw(NAME)] for t in times],
    }
    for name, rows in files.items():
        header = data.draw(st.sampled_from(["", f"# {HEADERS[f'{name}.txt']}"]))
        (tmp_path / f"{name}.txt").write_bytes(dirty(data, rows, header).encode())
    session = read_session(tmp_path)
    assert session.images.timestamps.tolist() == session.trajectory.timestamps.tolist() == times
    assert session.images.paths.tolist() == [f"s/images/{t} x.jpg" for t in times]
    assert session.trajectory.device_ids.tolist() == ["s/cam"] * count
    np.testing.assert_allclose(session.trajectory.quaternions, quaternions, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(
        session.trajectory.translations, np.tile(place, (count, 1)), rtol=1e-13, atol=1e-15
    )
    assert session.wifi.timestamps.tolist() == session.bluetooth.timestamps.tolist() == times
    assert session.wifi.transmitters.tolist() == ["aa:bb:cc:dd:ee:0f"][:count]
    assert session.bluetooth.transmitters.tolist() == [GUID.format(3, 1)][:count]
    assert set(session.wifi.frequency_mhz) <= {2412.0} and set(session.wifi.rssi_dbm) <= {-40.5}
    camera = session.cameras["s/cam"]
    assert (camera.model, camera.width, camera.height) == ("PINHOLE", 640, 480)
    assert camera.params == (500.5, 500, 320, 240)
    assert session.queries is session.subsessions is session.alignment is None


def test_signals_that_are_none_are_left_out_and_counted(tmp_path, caplog):
    signals = [0, 127, 5, -120.5, -120, -40]
    mac, beacon = "aa:bb:cc:dd:ee:ff", GUID.format(3, 1)
    write_session(
        tmp_path,
        sensors=[["s/cam", "", *PINHOLE], ["s/w", "", "wifi"], ["s/b", "", "bt"]],
        wifi=[[t, "s/w", mac, 2412000, rssi] for t, rssi in enumerate(signals)],
        bt=[[t, "s/b", beacon, rssi] for t, rssi in enumerate(signals)],
    )
    session = read_session(tmp_path)
    for scans, name in ((session.wifi, "wifi"), (session.bluetooth, "bt")):
        assert scans.timestamps.tolist() == [4, 5] and scans.rssi_dbm.tolist() == [-120, -40]
        assert len(scans.clock) == len(scans.transmitter) == len(scans.frequency_mhz) == 2
        assert f"{name}.txt: 4 of 6 signals are unknown" in caplog.text


def test_positions_far_out_of_range_are_refused(tmp_path):
    write_session(
        tmp_path,
        sensors=[["s/cam", "", *PINHOLE]],
        trajectories=[[t, "s/cam", 1, 0, 0, 0, 0, 0, z] for t, z in enumerate((1e8, 1.1e8))],
    )
    with pytest.raises(InputError, match=r"trajectories.txt: line 3: tx, ty, tz lie beyond 1e.08"):
        read_session(tmp_path)


def test_files_that_are_absent_are_none(tmp_path):
    write_rows(tmp_path / "sensors.txt", [["cam", "", *PINHOLE]])
    session = read_session(tmp_path)
    for name in "images trajectory alignment wifi bluetooth queries subsessions".split():
        assert getattr(session, name) is None
    assert session.rigs == {} and session.sensors == {"cam": "camera"}
    write_rows(tmp_path / "proc" / "subsessions.txt", [["s"], ["t"]])
    assert read_session(tmp_path).subsessions == ("s", "t")
    with pytest.raises(MissingFileError, match="sensors.txt: no such file"):
        read_session(tmp_path / "proc")


FAULTS = [
    ("sensors.txt", 1, "x, y", "2 fields separated by commas, expected 3 or more"),
    ("sensors.txt", 1, "c, , camera, PINHOLE, wide, 480, 1", "invalid literal for int"),
    ("sensors.txt", 1, "c, , camera, PINHOLE, 640, 0, 1", "size must be positive"),
    ("sensors.txt", 1, "c, , camera, PINHOLE, 640, 480, nan", "parameters finite"),
    ("sensors.txt", 1, "c, , camera, PINHOLE, 640, 480, 1, , 2", "could not convert"),
    ("sensors.txt", 1, ", , wifi", "no sensor_id"),
    ("sensors.txt", 1, "hl_2/cam0, , wifi", "'hl_2/cam0' is there twice"),
    ("rigs.txt", 1, "r, nobody, 1, 0, 0, 0, 0, 0, 0", "'nobody' is not a sensor of sensors.txt"),
    ("rigs.txt", 1, "hl_2/cam1, hl_2/cam0, 1, 0, 0, 0, 0, 0, 0", "'hl_2/cam1' is a sensor of"),
    ("rigs.txt", 1, "hl_2/hetrig, hl_2/cam0, 1, 0, 0, 0, 0, 0, 0", "cam0' is there twice"),
    ("rigs.txt", 1, "r, hl_2/cam0, 1, 0, 0, 0.1, 0, 0, 0", "have length 1.00499, expected 1"),
    ("trajectories.txt", 1, "1, hl_2/hetrig, 1, 0, 0, 0, 0, 0", "8 fields separated by commas, ex"),
    ("trajectories.txt", 1, "1, hl_2/hetrig, 1, 0, 0, 0, 0, 0, 0, 1", "10 fields separated"),
    ("trajectories.txt", 1, "1, hl, 1, 0, 0, 0, 0, 0, 0", "'hl' is not a sensor or rig of this"),
    ("trajectories.txt", 1, "50000000, hl_2/hetrig, 1, 0, 0, 0, 0, 0, 0", "is there twice"),
    ("trajectories.txt", 1, "1, hl_2/cam0, 2, 0, 0, 0, 0, 0, 0", "have length 2, expected 1"),
    ("trajectories.txt", 2, "1, hl_2/cam0, 1, 0, 0, 0, x, 0, 0", "column 'tx': 'x' is not a n"),
    ("trajectories.txt", 2, "1, hl_2/cam0, 1, 0, 0, 0, nan, 0, 0", "'nan' is not a number"),
    ("trajectories.txt", 2, "1, hl_2/cam0, 1, 0, 0, 0, 1e999, 0, 0", "'1e999' is not a number"),
    ("trajectories.txt", 2, "1.5, hl_2/cam0, 1, 0, 0, 0, 1, 0, 0", "'1.5' is not a whole number"),
    (
        "trajectories.txt",
        2,
        ", hl_2/cam0, 1, 0, 0, 0, 1, 0, 0",
        "'timestamp': '' is not a whole",
    ),
    ("proc/alignment_trajectories.txt", 1, "1, a, 1, 0, 0, 0, 0, 0, 0", "'a' is not a sensor or"),
    ("images.txt", 1, "9, hl_2/hetrig, a.jpg", "'hl_2/hetrig' is not a camera of sensors.txt"),
    ("images.txt", 1, "50000000, hl_2/cam0, new.jpg", "'50000000, hl_2/cam0' is there twice"),
    ("images.txt", 1, "9, hl_2/cam0, hl_2/images/cam0/50000000.jpg", "is there twice"),
    ("images.txt", 1, "9, hl_2/cam0,", "no image_path"),
    ("images.txt", 1, "9, hl_2/cam0, a.jpg, b.jpg", "4 fields separated by commas, expected 3 ("),
    ("wifi.txt", 1, "9, hl_2/wifi_sensor, aa:bb:cc:dd:ee:ff, -1", "expected 5 or more"),
    ("wifi.txt", 1, "9, hl_2/wifi_sensor, aa:bb:cc:dd:ee:fg, -1, -40", "is not six pairs of hexa"),
    ("wifi.txt", 1, "9, wifi_sensor, aa:bb:cc:dd:ee:ff, -1, -40", "'wifi_sensor' is not a sensor"),
    ("wifi.txt", 1, "9, hl_2/wifi_sensor, aa:bb:cc:dd:ee:ff, 2412, -40", "2412: kHz expected"),
    ("wifi.txt", 1, "9, hl_2/wifi_sensor, aa:bb:cc:dd:ee:ff, -1, loud", "'rssi_dbm': 'loud' is n"),
    ("bt.txt", 1, "9, hl_2/bt_sensor, aa:bb:cc:dd:ee:ff, -40, x", "is not guid:major:minor"),
    ("bt.txt", 1, f"9, hl_2/bt_sensor, {GUID.format(1, 'x')}, -40", "is not guid:major:minor"),
    ("queries.txt", 0, "# timestamp, id", "is not 'timestamp, id'"),
    ("queries.txt", 0, "50000000,hl_2/hetrig", "is not 'timestamp, id'"),
    ("queries.txt", 0, "", "'' is not 'timestamp, id'"),
    ("queries.txt", 0, "50000000, hl_2/rig", "'hl_2/rig' is not a sensor or rig of this session"),
    ("queries.txt", 4, "50000000, hl_2/hetrig", "'50000000, hl_2/hetrig' is there twice"),
    ("queries.txt", 1, "1, hl_2/hetrig", "no image of '1, hl_2/hetrig' in images.txt"),
]


@pytest.mark.parametrize(("name", "index", "line", "problem"), FAULTS)
def test_errors_name_file_and_line(root, name, index, line, problem):
    path = sessions(root) / "query_val_hololens" / name
    lines = path.read_text().splitlines()
    if "twice" in problem and index == 1:
        index = len(lines)
    path.write_text("\n".join([*lines[:index], line, *lines[index:]]) + "\n")
    with pytest.raises(InputError) as caught:
        read_scene(root, "CAB")
    assert str(caught.value).startswith(f"{path}: line {index + 1}"), str(caught.value)
    assert problem in str(caught.value) and "\n" not in str(caught.value)


def test_a_byte_order_mark_is_passed_over(root):
    path = sessions(root) / "query_val_hololens" / "queries.txt"
    expected = read_scene(root, "CAB")[0].queries.names
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_scene(root, "CAB")[0].queries.names.tolist() == expected.tolist()


def write_large(folder, images=20_000, rows=100_000, subs=20):
    """A session of many sub-sessions, one camera a frame, and as many WiFi as Bluetooth rows."""
    random = np.random.default_rng(0)
    each, per = images // subs, rows // subs
    sub = pd.Series(np.repeat(np.arange(subs), each)).astype(str)
    when = pd.Series(np.tile(1_000_000 + 200_000 * np.arange(each), subs)).astype(str)
    camera = "ios_" + sub + "/cam_" + when
    radios = [f"ios_{s}/{kind}, , {kind}" for s in range(subs) for kind in ("wifi", "bluetooth")]
    quaternions = random.normal(size=(images, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    w, x, y, z = (pd.Series(column).astype(str) for column in quaternions.T)
    pose = w + ", " + x + ", " + y + ", " + z + ", 1.5, 2.25, 3.125"
    wide = pd.Series(np.where(np.arange(images) % 2, ", " + ", ".join(["0.0123456789"] * 36), ""))
    scan = pd.Series(np.repeat(random.integers(0, 200_000 * each, rows // 25), 25)).astype(str)
    radio_sub = pd.Series(np.repeat(np.arange(subs), per)).astype(str)
    level = ", " + pd.Series(-random.integers(30, 90, rows)).astype(str) + ".0, "
    code = pd.Series(random.integers(1000, 3000, rows)).astype(str)
    mac = "00:00:00:00:" + code.str[:2] + ":" + code.str[2:]
    beacon = "0123abcd-0000-1111-2222-00000000" + code.str.slice_replace(2, 3, "0") + ":0:0"
    for name, lines in {
        "sensors": [*(camera + ", , camera, PINHOLE, 640, 480, 1, 1, 2, 2"), *radios],
        "images": when + ", " + camera + ", " + camera + ".jpg",
        "trajectories": when + ", " + camera + ", " + pose + wide,
        "wifi": scan + ", ios_" + radio_sub + "/wifi, " + mac + ", 2412000" + level + "net",
        "bt": scan + ", ios_" + radio_sub + "/bluetooth, " + beacon + level,
    }.items():
        (folder / f"{name}.txt").write_text("\n".join(["# header", *lines]) + "\n")


def test_many_rows(tmp_path):
    """20,000 images of as many cameras, 200,000 radio rows."""
    write_large(tmp_path)
    session = read_session(tmp_path)
    _, positions = camera_poses(session, session.trajectory)
    clocks = clock_of(session.images.sensor_ids)
    scans = session.wifi, session.bluetooth
    radio = observe(session.images.timestamps, clocks, *scans, past_only=True)
    assert np.isfinite(positions).all() and len(session.wifi) == len(session.bluetooth) == 100_000
    assert len(radio) == 20_000 and radio.has_any.mean() > 0.99
