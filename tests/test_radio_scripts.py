"""scripts/kapture_radio.py and scripts/uji_radio.py, on made-up and, where present, real data."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from gcsa.datasets.lamar.capture import read_session
from gcsa.errors import InputError

REPOSITORY = Path(__file__).parents[1]
DATA = REPOSITORY.parent / "shared" / "data"


def script(name):
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


WIFI = """# kapture format: 1.1
# timestamp, device_id, BSSID, frequency, RSSI, SSID, scan_time_start, scan_time_end

1555398770307, phone, 68:72:51:80:52:DF, 2417     ,-33.0, a, b , 0 , 1555398770300
1555398770, phone, 68:72:51:80:52:df, 5765000000, -49.5, , 0, 0
1555398770307000, phone, 68:72:51:80:52:df, 5765000, -49.5, net, 0, 0
1555398770307000123, phone, 68:72:51:80:52:df, 0, -49.5, net, 0, 0
"""
BLUETOOTH = """# kapture format: 1.1
1555398770307, phone_bt, 35:A8:4B:D9:95:06, -73 ,
1555398770307, phone_bt, 6F:80:17:51:5C:16, -88 ,My, Phone
"""


def kapture(folder, wifi=WIFI, bluetooth=BLUETOOTH):
    folder.mkdir(exist_ok=True)
    (folder / "records_wifi.txt").write_text(wifi)
    (folder / "records_bluetooth.txt").write_text(bluetooth)
    return folder


def test_kapture_radio_is_converted(tmp_path):
    target = tmp_path / "session"
    lines = script("kapture_radio").convert(kapture(tmp_path / "k"), target, prefix="sub")
    assert lines == ["sub/phone, , wifi", "sub/phone_bt, , bluetooth"]
    wifi = [line.split(", ") for line in (target / "wifi.txt").read_text().splitlines()[1:]]
    assert [row[0] for row in wifi] == [
        "1555398770307000",
        "1555398770000000",
        "1555398770307000",
        "1555398770307000",
    ]
    assert [row[3] for row in wifi] == ["2417000", "5765000", "5765000", "-1"]
    address = "68:72:51:80:52:df"
    assert wifi[0][2:] == [address, "2417000", "-33.0", "a b", "-1", "1555398770300000"]
    bt = (target / "bt.txt").read_text().splitlines()[1:]
    assert bt[0].split(", ")[2] == "00000000-0000-0000-0000-35a84bd99506:0:0"
    assert bt[1].endswith(", -88.0, My Phone")
    (target / "sensors.txt").write_text("\n".join(lines))
    session = read_session(target)
    assert session.wifi.frequency_mhz.tolist() == [2417, 5765, 5765, -1]
    assert session.wifi.clocks.tolist() == ["sub"] and len(session.bluetooth) == 2


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("1555398770307, p, 68:72:51:80:52, 2417, -33, a, 0, 0", "'68:72:51:80:52' is not an add"),
        ("1555398770307, p, 68:72:51:80:52:df, 2417, -33, a, 0", "7 fields, expected 8 or more"),
        ("4711, p, 68:72:51:80:52:df, 2417, -33, a, 0, 0", "'4711' is no Unix time"),
        ("1555398770307, p, 68:72:51:80:52:df, 2417, loud, a, 0, 0", "loud"),
    ],
)
def test_kapture_errors_name_file_and_line(tmp_path, line, problem):
    with pytest.raises(InputError) as caught:
        script("kapture_radio").convert(kapture(tmp_path, wifi="# x\n\n" + line), tmp_path / "out")
    assert "records_wifi.txt: line 3: " in str(caught.value) and problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_kapture_without_records(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither records_wifi.txt nor"):
        script("kapture_radio").convert(tmp_path, tmp_path / "out")
    assert script("kapture_radio").microseconds("4711", "s") == 4_711_000_000


def test_kapture_sample_is_read_as_lamar(tmp_path):
    source = DATA / "kapture_m1x_radio"
    if not source.is_dir():
        pytest.skip(f"{source} is absent: kapture's m1x sample, not part of this repository")
    lines = script("kapture_radio").convert(source, tmp_path)
    (tmp_path / "sensors.txt").write_text("\n".join(lines))
    session = read_session(tmp_path)
    assert len(session.wifi) == len(session.bluetooth) == 6
    assert sorted(set(session.wifi.frequency_mhz)) == [2417, 5765]
    assert session.wifi.timestamps[0] == 1_555_398_770_307_000
    assert session.wifi.rssi_dbm[0] == -33


def uji(folder, random, count=30):
    """A made-up set in the layout of UJI's data: signals fall off with distance."""
    places = np.column_stack([random.uniform(0, 15, (count, 2)), np.repeat([3, 5], count // 2)])
    beacons = random.uniform(0, 15, (40, 2))
    rssi = -40 - 30 * np.log10(1 + cdist(places[:, :2], beacons)) - 15 * (places[:, 2:] == 5)
    rssi = np.where(rssi < -72, 100, np.round(rssi))
    month = folder / "db" / "01"
    month.mkdir(parents=True)
    np.savetxt(month / "trn01rss.csv", rssi, delimiter=",", fmt="%d")
    np.savetxt(month / "trn01crd.csv", places, delimiter=",")
    return places


def test_uji_script_reads_and_ranks(tmp_path):
    places = uji(tmp_path, np.random.default_rng(0))
    module = script("uji_radio")
    (samples,) = module.read_samples(tmp_path)
    np.testing.assert_allclose(samples.positions, places[:, :2])
    found = module.pairs(samples)
    assert len(found.distance) == 30 * 29 / 2
    assert found.correlation(same_floor=True) < -0.6
    program = [sys.executable, REPOSITORY / "scripts" / "uji_radio.py"]
    output = subprocess.run([*program, tmp_path], capture_output=True, text=True, check=True)
    assert output.stdout.startswith("01/trn01: 30 samples")
    empty = tmp_path / "empty"
    output = subprocess.run([*program, empty], capture_output=True, text=True)
    assert output.returncode == 2 and output.stderr.startswith("error:")


def test_affinity_falls_with_distance_on_real_wifi():
    folder = DATA / "uji_lib_wifi"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: UJI's library WiFi data, not part of this repository")
    module = script("uji_radio")
    for samples in module.read_samples(folder):
        found = module.pairs(samples)
        assert found.correlation(same_floor=True) < -0.5, samples.name
        assert found.correlation(same_floor=False) < -0.6, samples.name
