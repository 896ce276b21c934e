"""gcsa serve answers as gcsa locate and gcsa.rank do, whoever else asks meanwhile."""

import csv

import numpy as np
import pytest
from serving import TOKEN, ask, ended, fields, same, street_service

import gcsa
from gcsa.__main__ import main
from gcsa.errors import InputError
from gcsa.locate.answers import locate
from gcsa.locate.outputs import geojson
from gcsa.places.calibration import read_calibration
from gcsa.scoring.calibration import calibration_file


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """(its settings, its service, what gcsa locate answers)."""
    config, made = street_service(tmp_path_factory.mktemp("street"))
    yield config, made, locate(config)[0]
    ended(made)


def heard(config, name):
    """What an image heard, as its folder's table has it."""
    with open(f"{config.data.root}/east/radio.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["name"] == name]
    return [
        {
            "transmitter": row["transmitter"].upper(),
            "rssi": float(row["rssi"]),
            "frequency_mhz": float(row["frequency_mhz"]),
        }
        for row in rows
    ]


def test_answers_are_those_of_locate(street):
    config, made, known = street
    names = known.scene.queries.names
    requests = [
        {"json": {**fields(known.scene, row), "radio": heard(config, name), "name": str(name)}}
        for row, name in enumerate(names)
    ]
    features = geojson([known])["features"]
    for rows in (slice(None), slice(0, 1), slice(1, 2), slice(2, 3)):
        for answer, feature in zip(ask(made, *requests[rows]), features[rows], strict=True):
            assert answer.status_code == 200
            found = answer.json()
            same(found, feature)
            assert found["name"] == found["geojson"]["properties"]["name"]
            device = "device_x" in feature["properties"]
            assert found["evidence"] == {"heading": True, "position": device, "radio": True}
    text = ask(made, {"method": "GET", "url": "/metrics"})[0].text
    sizes = [line for line in text.splitlines() if line.startswith("gcsa_batch_size_bucket")]
    assert 'gcsa_requests_total{code="200"} 15' in text
    assert sizes[0] != sizes[-1].replace("+Inf", "1")  # some were answered together


def test_answers_are_those_of_rank(street):
    config, made, known = street
    queries, database = known.scene.queries, known.scene.database
    calibration = read_calibration(calibration_file(config, "east"))
    ranking = gcsa.rank(
        *(queries.descriptors[:], database.descriptors[:], "posterior"),
        positions=database.positions,
        headings=database.headings,
        query_headings=queries.headings,
        calibration=calibration,
        candidates=config.model.K,
    )
    requests = []
    for row in range(len(queries)):
        asked = fields(known.scene, row)
        requests.append({"json": {"descriptor": asked["descriptor"], "heading": asked["heading"]}})
    for row, answer in enumerate(ask(made, *requests)):
        found = answer.json()
        where = [found["position"]["x"], found["position"]["y"]]
        assert where == pytest.approx(ranking.position[row].tolist(), abs=2e-2)
        assert found["radius_m"] == pytest.approx(ranking.radius[row], abs=2e-2)
        assert found["confidence"] == pytest.approx(ranking.confidence[row], abs=2e-4)
        best = [image["name"] for image in found["best"]]
        assert best == database.names[ranking.indices[row, :5]].tolist()


def test_degrees_are_as_good_as_metres(street):
    _, made, known = street
    row = int(np.flatnonzero(np.isfinite(known.scene.queries.positions).all(1))[0])
    asked = fields(known.scene, row)
    metres = np.array([[asked["x"], asked["y"]]])
    lat, lon = known.scene.frame.to_degrees(metres)[0].tolist()
    assert known.scene.frame.to_metres(np.array([[lat, lon]])) == pytest.approx(metres, abs=1e-6)
    degrees = {**asked, "lat": lat, "lon": lon}
    del degrees["x"], degrees["y"]
    first, second = (answer.json() for answer in ask(made, {"json": asked}, {"json": degrees}))
    assert first["position"] == pytest.approx(second["position"], abs=2e-2)


def test_a_request_says_how_much_it_wants(street):
    _, made, known = street
    asked = {"descriptor": fields(known.scene, 0)["descriptor"]}
    more, plain = ask(made, {"json": {**asked, "num": 12, "map": True}}, {"json": asked})
    more, plain = more.json(), plain.json()
    assert len(plain["best"]) == len(plain["first_round"]) == 5 and "map" not in plain
    assert more["best"][:5] == plain["best"]
    assert more["geojson"]["properties"]["best"] == more["best"]
    assert len(more["map"]["before"]) == len(more["first_round"]) == 12
    similar = [image["similarity"] for image in more["first_round"]]
    own = np.asarray(known.scene.queries.descriptors[0], dtype=float)
    rows = np.asarray(known.scene.database.descriptors[:], dtype=float)
    assert similar == pytest.approx(np.sort(rows @ own)[::-1][:12].tolist(), abs=1e-3)


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        ({"json": {}}, 400, "expected a photo, or a descriptor"),
        ({"json": {"descriptor": [1.0]}}, 400, "the database's have 32"),
        ({"json": {"scene": "west"}}, 400, "scene: there is none of that name"),
        ({"content": b"\xff\xd8", "headers": {"content-type": "image/jpeg"}}, 400, "descriptors"),
        ({"content": b"{}"}, 415, "Content-Type"),
        ({"content": b"{}", "headers": {"content-encoding": "gzip"}}, 415, "Content-Encoding"),
        ({"content": b"a" * 100_001}, 413, "100001 bytes, at most 100000"),
        ({"content": iter([b"a" * 60_000] * 2)}, 413, "more than the 100000 bytes"),
        ({"method": "GET"}, 405, "Method Not Allowed"),
        ({"url": "/locate/../etc/passwd"}, 404, "Not Found"),
        ({"url": "/docs", "method": "GET"}, 404, "Not Found"),
        ({"url": "/openapi.json", "method": "GET"}, 404, "Not Found"),
        ({"url": "/scenes/west", "method": "GET"}, 404, "no scene"),
        ({"url": "/thumbnail?scene=east&image=../../x", "method": "GET"}, 404, "no such image"),
        ({"url": "/thumbnail?scene=east", "method": "GET"}, 400, "image: Field required"),
        ({"headers": {"host": "evil.example"}}, 421, "Host"),
        ({"headers": {"host": "localhost.evil.example"}}, 421, "Host"),
        ({"headers": {"origin": "http://evil.example"}}, 403, "Origin"),
        ({"headers": {"origin": "null"}}, 403, "Origin"),
    ],
)
def test_what_is_not_answered(street, tmp_path, request_, status, said):
    config, made, _ = street
    made.patience = type(made.patience)(bytes=100_000)
    if "content" in request_ and not isinstance(request_["content"], bytes):
        chunks = list(request_["content"])

        async def stream():
            for chunk in chunks:
                yield chunk

        request_ = {**request_, "content": stream()}
    (answer,) = ask(made, request_)
    assert answer.status_code == status and said in answer.json()["error"]
    assert config.data.root not in answer.text and "Traceback" not in answer.text
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_nothing_is_said_of_what_goes_wrong_inside(street, monkeypatch, caplog):
    _, made, known = street
    monkeypatch.setattr(made.answering, "read", lambda sent: 1 / 0)
    (answer,) = ask(made, {"json": fields(known.scene, 0)})
    assert (answer.status_code, answer.json()) == (500, {"error": "internal error"})
    assert "ZeroDivisionError" in caplog.text


def test_a_token_is_asked_for(street):
    _, made, known = street
    body = {"json": fields(known.scene, 0)}
    for wrong in ({}, {"authorization": "Bearer no"}, {"authorization": f"Basic {TOKEN}"}):
        (answer,) = ask(made, {**body, "headers": wrong}, token=TOKEN)
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    right = {"authorization": f"Bearer {TOKEN}"}
    (answer,) = ask(made, {**body, "headers": right}, token=TOKEN)
    assert answer.status_code == 200
    for url, status in {"/": 200, "/health": 200, "/metrics": 401, "/scenes": 401}.items():
        (answer,) = ask(made, {"method": "GET", "url": url}, token=TOKEN)
        assert answer.status_code == status


def test_places_that_are_all_taken(street):
    _, made, known = street
    with made.batcher.place():
        made.batcher.pace = type(made.batcher.pace)(places=1)
        (answer,) = ask(made, {"json": fields(known.scene, 0)})
    made.batcher.pace = type(made.batcher.pace)()
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "0.0.0.0"], "--allow_host"),
        (["--host", "192.0.2.1"], "expected a token"),
        (["--port", "-1"], "--port"),
        (["--places", "0"], "--places: 0 is less than 1"),
        (["--token_file", "short.txt"], "token: expected 16 or more"),
        (["--token_file", "no.txt"], "no.txt: no such file"),
        (["posterior.sequences=both"], "posterior.sequences"),
    ],
)
def test_command_lines_that_are_refused(tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short.txt").write_text("short\n")
    monkeypatch.setattr("sys.argv", ["gcsa", "serve", *words])
    with pytest.raises(InputError, match=said):
        main()


def test_without_the_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("sys.argv", ["gcsa serve"])
    from gcsa.serve.__main__ import main as serve

    with pytest.raises(InputError, match=r"fastapi is not installed; pip install 'gcsa\[serve\]'"):
        serve()
