"""scripts/msls_test_meta.py against a stand-in for the API on this computer."""

import collections
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pandas as pd
import pyproj
import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "msls_test_meta.py"
spec = importlib.util.spec_from_file_location("msls_test_meta", SCRIPT)
meta = importlib.util.module_from_spec(spec)
spec.loader.exec_module(meta)

RAW = ",key,lon,lat,ca,captured_at,pano"
POST = ",key,easting,northing,unique_cluster,control_panel,night,view_direction"
# The zone border 31/32 is at 6 degrees east; most images lie west of it.
QUERY = ["-q0" + "A" * 19, "_q1" + "b" * 19, "q2-_" + "C" * 18]
DATABASE = ["d0" + "x" * 20, "--1" + "y" * 19, "d2" + "z" * 20, "d3" + "w" * 20]
MS = 1_500_000_000_000  # 2017-07-14 02:40 UTC


def image(lon, lat, **fields):
    point = {"type": "Point", "coordinates": [lon, lat]}
    return {"id": "1", "geometry": point, "compass_angle": 10.5, "captured_at": MS, **fields}


def known_images():
    computed = {"type": "Point", "coordinates": [5.97, 50.001]}
    return {
        QUERY[0]: image(5.99, 50.0),
        QUERY[1]: image(5.98, 50.0, computed_geometry=computed, computed_compass_angle=-90.0),
        QUERY[2]: image(6.01, 50.0, is_pano=True),
        DATABASE[0]: image(6.02, 50.0, compass_angle=None),
        DATABASE[1]: image(5.98, 50.01, captured_at=None),
        DATABASE[3]: image(5.97, 50.0, computed_geometry=None),
    }


class Stand:
    """A local server: `images` by key, `script` of faults by key, counts of what was asked."""

    def __init__(self):
        self.images, self.faults = known_images(), collections.defaultdict(list)
        self.asked, self.times = collections.Counter(), collections.defaultdict(list)
        self.token, self.lock = "secret", threading.Lock()
        self.most, self.given_up = None, threading.Event()  # so many are answered, no more
        handler = type("Handler", (Handler,), {"stand": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def do_GET(self):  # noqa: N802
        stand, url = self.stand, urlsplit(self.path)
        key = unquote(url.path).lstrip("/")
        with stand.lock:
            stand.asked[key] += 1
            stand.times[key].append(time.time())
            fault = stand.faults[key].pop(0) if stand.faults[key] else None
        assert "captured_at" in parse_qs(url.query)["fields"][0].split(",")
        if stand.most is not None and stand.asked.total() > stand.most:
            stand.given_up.wait()
            fault = "close"
        if self.headers.get("Authorization") != f"OAuth {stand.token}":
            fault = (401, {}, {"error": {"message": "Invalid OAuth\naccess token", "code": 190}})
        if fault == "close":
            self.close_connection = True
        elif fault == "hang":
            stand.given_up.wait()
            self.close_connection = True
        elif fault == "torn":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"id": ')
            self.close_connection = True
        elif fault:
            self.answer(*fault)
        elif key in stand.images:
            self.answer(200, {}, stand.images[key])
        else:
            self.answer(404, {}, {"error": {"message": f"alias {key} does not exist", "code": 803}})

    def answer(self, status, headers, body):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def stand(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MAPILLARY_TOKEN", "secret")
    stand = Stand()
    yield stand
    stand.server.shutdown()
    stand.server.server_close()


@pytest.fixture
def root(tmp_path):
    add_city(tmp_path, "miami", QUERY, DATABASE)
    return tmp_path


def add_city(root, city, query, database):
    for role, keys in (("query", query), ("database", database)):
        folder = root / "test" / city / role
        folder.mkdir(parents=True)
        rows = [f"{i},{key},s,{i}\n" for i, key in enumerate(keys)]
        (folder / "seq_info.csv").write_text(",key,sequence_key,frame_number\n" + "".join(rows))


def run(stand, root, *args):
    fast = ["--retries", "3", "--backoff", "0.01", "--timeout", "300", "--workers", "4"]
    return meta.main(["--root", str(root), "--base-url", stand.url, *fast, *args])


def read(root, role, name, city="miami"):
    return pd.read_csv(root / "test" / city / role / name, index_col=0)


def snapshot(root):
    return {path: path.read_bytes() for path in root.glob("test/*/*/[rp]*.csv")}


def test_files(stand, root, capsys):
    assert run(stand, root) == 0
    assert "miami: 7 images, 1 without a position; 4 of 4 files written" in capsys.readouterr().out
    assert stand.asked == dict.fromkeys(QUERY + DATABASE, 1)
    lines = (root / "test/miami/query/raw.csv").read_text().split("\n")
    assert lines == [
        RAW,
        f"0,{QUERY[0]},5.99,50.0,10.5,2017-07-14,False",
        f"1,{QUERY[1]},5.97,50.001,270.0,2017-07-14,False",
        f"2,{QUERY[2]},6.01,50.0,10.5,2017-07-14,True",
        "",
    ]
    lines = (root / "test/miami/database/raw.csv").read_text().split("\n")
    assert lines == [
        RAW,
        f"0,{DATABASE[0]},6.02,50.0,,2017-07-14,False",
        f"1,{DATABASE[1]},5.98,50.01,10.5,,False",
        f"2,{DATABASE[2]},,,,,False",
        f"3,{DATABASE[3]},5.97,50.0,10.5,2017-07-14,False",
        "",
    ]
    lines = (root / "test/miami/database/postprocessed.csv").read_text().split("\n")
    assert lines[0] == POST
    assert lines[3] == f"2,{DATABASE[2]},,,2,False,False,Forward"
    metres = r"\d{6}\.\d+,\d{7}\.\d+"
    assert re.fullmatch(f"1,{DATABASE[1]},{metres},1,False,False,Forward", lines[2])
    missing = (root / "test/miami/mapillary_missing.csv").read_text().split("\n")
    assert missing == [",role,key,reason", f"0,database,{DATABASE[2]},unknown to the API", ""]
    assert not list(root.glob("test/**/*.part"))


def test_one_utm_zone_for_query_and_database(stand, root):
    assert run(stand, root) == 0
    project = pyproj.Proj(proj="utm", zone=31, ellps="WGS84")
    for role in ("query", "database"):
        raw, post = read(root, role, "raw.csv"), read(root, role, "postprocessed.csv")
        assert list(raw["key"]) == list(post["key"])
        for row, lon, lat in raw[["lon", "lat"]].dropna().itertuples():
            expected = pytest.approx(project(lon, lat), abs=1e-4)
            assert (post.loc[row, "easting"], post.loc[row, "northing"]) == expected


def test_distance_across_the_zone_border(stand, root):
    """Database east, query west of the border: the distance in the plane is that on the ground."""
    for key in QUERY:
        stand.images[key] = image(5.9995, 50.0)
    for key in DATABASE:
        stand.images[key] = image(6.0005, 50.0)
    assert run(stand, root) == 0
    query, database = (read(root, role, "postprocessed.csv").iloc[0] for role in meta.ROLES)
    ground = pyproj.Geod(ellps="WGS84").inv(5.9995, 50.0, 6.0005, 50.0)[2]
    plane = abs(complex(query.easting - database.easting, query.northing - database.northing))
    assert plane == pytest.approx(ground, rel=2e-3)


def test_southern_city(stand, root):
    for key in QUERY + DATABASE:
        stand.images[key] = image(-58.4, -34.6)
    assert run(stand, root) == 0
    expected = pyproj.Transformer.from_crs(4326, 32721, always_xy=True).transform(-58.4, -34.6)
    row = read(root, "query", "postprocessed.csv").iloc[0]
    assert (row.easting, row.northing) == pytest.approx(expected, abs=1e-6)


def test_original_geometry_needs_no_new_answers(stand, root):
    assert run(stand, root) == 0
    total = stand.asked.total()
    assert run(stand, root, "--geometry", "original", "--force") == 0
    row = read(root, "query", "raw.csv").iloc[1]
    assert (row.lon, row.lat, row.ca) == (5.98, 50.0, 10.5)
    assert stand.asked.total() == total


@pytest.mark.parametrize("fields", [
    {"geometry": None}, {"geometry": {"coordinates": [200.0, 50.0]}},
    {"geometry": {"coordinates": [5.0, None]}}, {"geometry": {"coordinates": []}},
])  # fmt: skip
def test_image_without_a_usable_position(stand, root, fields):
    stand.images[QUERY[0]] |= fields
    assert run(stand, root) == 0
    row = read(root, "query", "raw.csv").iloc[0]
    assert pd.isna(row.lon) and pd.isna(row.lat) and row.ca == 10.5
    missing = (root / "test/miami/mapillary_missing.csv").read_text()
    assert f"0,query,{QUERY[0]},no position\n" in missing


def test_passing_faults_are_retried(stand, root):
    busy = {"error": {"message": "Application request limit reached", "code": 4}}
    stand.faults[QUERY[0]] = [(429, {"Retry-After": "soon"}, b""), (500, {}, b"<html>"), "close"]
    stand.faults[QUERY[1]] = ["torn", (200, {}, b"<html>"), (403, {}, busy)]
    passing = {"error": {"message": "try again", "is_transient": True}}
    stand.faults[QUERY[2]] = ["close", (400, {}, passing), (200, {}, b"[]")]
    assert run(stand, root) == 0
    assert [stand.asked[key] for key in QUERY] == [4, 4, 4]
    assert read(root, "query", "raw.csv")["lon"].notna().all()


def test_a_service_that_hangs_is_asked_again(stand, root):
    """However slow the others are to answer: they may be asked again, too."""
    stand.faults[QUERY[2]] = ["hang"]
    assert run(stand, root, "--timeout", "1", "--retries", "20") == 0
    stand.given_up.set()
    assert stand.asked[QUERY[2]] >= 2
    assert read(root, "query", "raw.csv")["lon"].notna().all()


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(stand, root, form):
    moment = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=2)
    date = format_datetime(moment, usegmt=True)
    stand.faults[QUERY[0]] = [(429, {"Retry-After": "1" if form == "seconds" else date}, b"")]
    assert run(stand, root) == 0
    first, second = stand.times[QUERY[0]]
    assert second - first > 0.9 if form == "seconds" else second > moment.timestamp() - 0.1


def test_backoff_doubles(stand, root):
    stand.faults[QUERY[0]] = [(500, {}, b"")] * 3
    assert run(stand, root, "--backoff", "0.05") == 0
    times = stand.times[QUERY[0]]
    gaps = [b - a for a, b in zip(times[:-1], times[1:], strict=True)]
    assert all(gap >= 0.99 * pause for gap, pause in zip(gaps, (0.05, 0.1, 0.2), strict=True))


def test_keys_without_an_answer_are_asked_by_the_next_run(stand, root, capsys):
    stand.faults[DATABASE[0]] = [(500, {}, b"")] * 4
    assert run(stand, root) == 1
    error = capsys.readouterr().err
    assert f"no answer for 1 keys of {root}/test/miami/database ({DATABASE[0]}: HTTP 500" in error
    assert snapshot(root) == {}
    stand.asked.clear()
    assert run(stand, root) == 0
    assert stand.asked == {DATABASE[0]: 1}
    assert len(snapshot(root)) == 4


def test_a_service_that_is_down_ends_the_run(stand, root, capsys):
    stand.server.shutdown()
    stand.server.server_close()
    keys = [f"k{i:021d}" for i in range(100)]
    add_city(root, "athens", keys, keys)
    assert run(stand, root, "--cities", "athens", "miami", "--retries", "0") == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1 and errors[0].startswith("error: the service does not answer (k0")


def test_scattered_faults_do_not_end_the_run(stand, root, capsys):
    keys = [f"k{i:021d}" for i in range(60)]
    add_city(root, "athens", keys, ["other" + "0" * 17])
    stand.images |= {key: image(23.7, 37.9) for key in keys}
    for key in keys[::2]:
        stand.faults[key] = [(500, {}, b"")]
    assert run(stand, root, "--cities", "athens", "--retries", "0", "--workers", "1") == 1
    assert capsys.readouterr().err.startswith("error: athens: no answer for 30 keys of ")


def test_refused_token_ends_the_run_at_once(stand, root, monkeypatch, capsys):
    monkeypatch.setenv("MAPILLARY_TOKEN", "wrong\n")
    assert run(stand, root, "--workers", "1") == 1
    error = capsys.readouterr().err
    assert error == ("error: the token in MAPILLARY_TOKEN was refused: HTTP 401 Invalid OAuth "
                     "access token\n")  # fmt: skip
    assert stand.asked.total() <= 2
    stand.faults[QUERY[0]] = [(403, {}, b"")]
    monkeypatch.setenv("MAPILLARY_TOKEN", "secret")
    assert run(stand, root) == 1
    assert "was refused: HTTP 403" in capsys.readouterr().err


@pytest.mark.parametrize("token", ["", "two\nlines", "\N{SNOWMAN}"])
def test_unusable_token(stand, root, monkeypatch, capsys, token):
    monkeypatch.setenv("MAPILLARY_TOKEN", token)
    assert run(stand, root) == 1
    assert capsys.readouterr().err.startswith("error: MAPILLARY_TOKEN does not hold")
    assert not stand.asked


def test_refused_call(stand, root, capsys):
    text = "(#100) Tried accessing nonexisting field (altitude)"
    stand.faults[QUERY[0]] = [(400, {}, {"error": {"message": text, "code": 100}})]
    assert run(stand, root) == 1
    assert capsys.readouterr().err == f"error: the API refused the call: HTTP 400 {text}\n"


def test_unknown_key_in_the_words_of_the_graph_api(stand, root):
    text = "Unsupported get request. Object with ID 'x' does not exist"
    stand.faults[QUERY[0]] = [(400, {}, {"error": {"message": text, "code": 100}})]
    assert run(stand, root) == 0
    assert pd.isna(read(root, "query", "raw.csv").loc[0, "lon"])
    stand.asked.clear()
    assert run(stand, root, "--force", "--retry-unknown") == 0
    assert stand.asked == {QUERY[0]: 1, DATABASE[2]: 1}
    assert read(root, "query", "raw.csv").loc[0, "lon"] == 5.99


def test_city_without_any_position(stand, root, capsys):
    stand.images.clear()
    assert run(stand, root) == 1
    assert "error: miami: no image has a position" in capsys.readouterr().err
    assert snapshot(root) == {}


def test_resume_and_torn_cache_lines(stand, root):
    assert run(stand, root) == 0
    whole = snapshot(root)
    cache = root / "test/miami/database/.mapillary_cache.jsonl"
    lines = [line for line in cache.read_bytes().split(b"\n") if line]
    assert len(lines) == 4
    torn = json.loads(lines[3])[0]
    cache.write_bytes(b"\n".join([lines[0], b"\xff no JSON", b"5", *lines[1:3], lines[3][:30]]))
    stand.asked.clear()
    assert run(stand, root, "--force") == 0
    assert stand.asked == {torn: 1}
    assert run(stand, root, "--force") == 0
    assert stand.asked == {torn: 1}
    assert snapshot(root) == whole


@pytest.mark.skipif(os.name == "nt", reason="needs SIGINT")
def test_interrupted_run_goes_on(stand, root):
    keys = [f"k{i:021d}" for i in range(30)]
    add_city(root, "athens", keys[:10], keys[10:])
    stand.images |= {key: image(23.7, 37.9) for key in keys}
    stand.most = 12
    command = [sys.executable, str(SCRIPT), "--root", str(root), "--base-url", stand.url,
               "--workers", "1", "--cities", "athens"]  # fmt: skip
    # A process that was started in the background may ignore SIGINT, and its children then do.
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while stand.asked.total() <= 12 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    stand.given_up.set()
    assert process.wait() == 130
    assert process.stderr.read().splitlines()[-1].startswith("interrupted; the answers are kept")
    process.stderr.close()
    assert snapshot(root) == {}
    before, stand.most = set(stand.asked), None
    assert len(before) == 13
    assert run(stand, root, "--cities", "athens") == 0
    assert sum(stand.asked[key] == 2 for key in before) <= 2
    assert set(stand.asked) == set(keys)
    assert list(read(root, "database", "raw.csv", "athens")["key"]) == keys[10:]


def test_existing_files_are_kept_without_force(stand, root, capsys):
    official = root / "test/miami/query/postprocessed.csv"
    official.write_text("official")
    assert run(stand, root) == 0
    assert "3 of 4 files written" in capsys.readouterr().out
    assert official.read_text() == "official"
    stand.asked.clear()
    assert run(stand, root) == 0
    assert "all files exist and are kept" in capsys.readouterr().out
    assert not stand.asked
    assert run(stand, root, "--force") == 0
    assert official.read_text().startswith(POST + "\n")


def test_zip_unpacks_over_the_data_set(stand, root, tmp_path):
    add_city(root, "athens", ["gone" + "0" * 18], ["gone" + "1" * 18])
    packed = tmp_path / "msls_test_meta.zip"
    assert run(stand, root, "--zip", str(packed)) == 1
    with zipfile.ZipFile(packed) as archive:
        assert sorted(archive.namelist()) == sorted(
            f"test/miami/{role}/{name}"
            for role in ("query", "database")
            for name in ("raw.csv", "postprocessed.csv")
        )
        archive.extractall(tmp_path / "other")
    for path, content in snapshot(root).items():
        assert (tmp_path / "other" / path.relative_to(root)).read_bytes() == content
    assert not list(tmp_path.glob("*.part"))


def test_keys_from_subtask_index_and_repeated_keys(stand, root):
    folder = root / "test/miami/query"
    (folder / "seq_info.csv").unlink()
    rows = [f"{i},{key},True\n" for i, key in enumerate([QUERY[1], QUERY[0], QUERY[1]])]
    (folder / "subtask_index.csv").write_text(",key,all\n" + "".join(rows))
    assert run(stand, root) == 0
    assert list(read(root, "query", "raw.csv")["lon"]) == [5.97, 5.99, 5.97]
    assert stand.asked[QUERY[1]] == 1


@pytest.mark.parametrize("text", ["", ",name\n0,a\n", ",key\n", ",key\n0,a\n1,\n"])
def test_faulty_key_list(stand, root, capsys, text):
    path = root / "test/miami/database/seq_info.csv"
    path.write_text(text)
    assert run(stand, root) == 1
    assert capsys.readouterr().err == (
        f"error: miami: {path}: expected a column 'key' with a key in each row\n"
    )
    assert not stand.asked


def test_nothing_to_do(stand, tmp_path, capsys):
    assert run(stand, tmp_path) == 1
    assert capsys.readouterr().err.startswith("error: no city found: expected ")
    assert run(stand, tmp_path, "--cities", "athens") == 1
    assert capsys.readouterr().err.startswith("error: athens: expected ")


@pytest.mark.parametrize("args", [["--workers", "0"], ["--retries", "-1"], ["--geometry", "x"]])
def test_wrong_calls(stand, root, args):
    with pytest.raises(SystemExit) as stopped:
        run(stand, root, *args)
    assert stopped.value.code == 2


def test_own_url_template(stand, root):
    for key in QUERY + DATABASE:
        stand.images[f"v4/{key}"] = image(1.0, 2.0)
    assert run(stand, root, "--url-template", "{base}/v4/{key}?x=1&fields={fields}") == 0
    assert (read(root, "database", "raw.csv")["lon"] == 1.0).all()


def test_help_states_the_limits(capsys):
    with pytest.raises(SystemExit) as stopped:
        meta.main(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert "not the ground truth" in text and "MAPILLARY_TOKEN" in text and "--force" in text
