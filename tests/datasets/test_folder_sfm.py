"""Tables from reconstructions: known cameras turned into COLMAP's world, and OpenSfM's Berlin."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from gcsa.datasets.folder.from_sfm import from_sfm, read_colmap, read_opensfm
from gcsa.datasets.folder.scene import read_scene
from gcsa.errors import InputError

BERLIN = Path(__file__).parents[3] / "shared" / "data" / "opensfm_berlin"


def street(random, n=6):
    """World-to-camera rotations of cameras in east, north, up; their places and headings."""
    places, headings = random.normal(scale=20, size=(n, 3)), random.uniform(0, 360, n)
    rotations = []
    for heading in np.deg2rad(headings):
        ahead = np.array([np.sin(heading), np.cos(heading), 0])
        right = np.array([np.cos(heading), -np.sin(heading), 0])
        rotations.append([right, [0, 0, -1], ahead])  # rows: the camera's x, y (down) and z
    return np.array(rotations), places, headings


def write_colmap(path, rotations, places, names=None):
    lines = ["# Image list with two lines of data per image:", "#   IMAGE_ID, QW, QX, ..."]
    for i, (rotation, place) in enumerate(zip(rotations, places, strict=True)):
        quaternion = Rotation.from_matrix(rotation).as_quat()[[3, 0, 1, 2]]
        values = " ".join(repr(float(v)) for v in (*quaternion, *(-rotation @ place)))
        name = names[i] if names else f"db/{i}.jpg"
        lines += [f"{i + 1} {values} 1 {name}", "1.5 2.5 -1 3.0 4.0 7" if i % 2 else ""]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def offsets(places, headings):
    """What no choice of north and origin changes: distances, and bearings from the heading."""
    apart = places[:, None] - places
    bearing = np.arctan2(apart[..., 0], apart[..., 1]) - np.deg2rad(headings)[:, None]
    return np.linalg.norm(apart, axis=2), np.exp(1j * bearing)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_colmap_in_any_frame(tmp_path_factory, seed):
    random, folder = np.random.default_rng(seed), tmp_path_factory.getbasetemp() / "sfm"
    rotations, places, headings = street(random)
    turn, shift = Rotation.random(rng=random).as_matrix(), random.normal(scale=50, size=3)
    write_colmap(folder / "images.txt", rotations @ turn.T, places @ turn.T + shift)
    from_sfm(folder, folder / "images.csv", scale=2.0, heights=True)
    found = table(folder / "images.csv")
    assert [row["name"] for row in found] == [f"db/{i}.jpg" for i in range(6)]
    values = np.array([[float(row[k]) for k in ("x", "y", "z", "heading")] for row in found])
    distances, bearings = offsets(2 * places[:, :2], headings)
    own_distances, own_bearings = offsets(values[:, :2], values[:, 3])
    np.testing.assert_allclose(own_distances, distances, atol=1e-3)
    apart = distances > 1
    np.testing.assert_allclose(own_bearings[apart], bearings[apart], atol=2e-3)
    np.testing.assert_allclose(np.diff(values[:, 2]), 2 * np.diff(places[:, 2]), atol=1e-3)


def test_it_is_read_as_colmap_reads_it(tmp_path):
    pycolmap = pytest.importorskip("pycolmap")
    rotations, places, _ = street(np.random.default_rng(0))
    write_colmap(tmp_path / "images.txt", rotations, places)
    (tmp_path / "cameras.txt").write_text("1 SIMPLE_PINHOLE 10 10 5 5 5\n")
    (tmp_path / "points3D.txt").write_text("")
    names, own, positions = read_colmap(tmp_path / "images.txt")
    model = pycolmap.Reconstruction()
    model.read_text(str(tmp_path))
    for image in model.images.values():
        row = names.index(image.name)
        np.testing.assert_allclose(image.projection_center(), positions[row], atol=1e-9)
        pose = image.cam_from_world()
        np.testing.assert_allclose(pose.rotation.matrix(), own[row], atol=1e-9)


def test_queries_of_a_list(tmp_path):
    rotations, places, _ = street(np.random.default_rng(1))
    write_colmap(tmp_path / "images.txt", rotations, places)
    (tmp_path / "q.txt").write_text("query/1.jpg PINHOLE 1 1 1 1 1 1\n\nquery/2.jpg PINHOLE 1\n")
    from_sfm(tmp_path / "images.txt", tmp_path / "images.csv", [tmp_path / "q.txt"])
    scene, truth = read_scene(tmp_path, "s")
    assert scene.queries.names.tolist() == ["query/1.jpg", "query/2.jpg"] and truth is None
    assert scene.database.positions.shape == (6, 2) and np.isnan(scene.queries.headings).all()


def test_images_that_are_listed_twice(tmp_path, caplog):
    rotations, places, _ = street(np.random.default_rng(1))
    write_colmap(tmp_path / "images.txt", rotations, places)
    names = read_colmap(tmp_path / "images.txt")[0]
    (tmp_path / "q.txt").write_text(f"q/2.jpg\nq/1.jpg\nq/2.jpg\n{names[0]}\n")
    with caplog.at_level("INFO"):
        from_sfm(tmp_path / "images.txt", tmp_path / "images.csv", [tmp_path / "q.txt"])
    scene, _ = read_scene(tmp_path, "s")
    assert scene.queries.names.tolist() == ["q/2.jpg", "q/1.jpg"]
    assert "2 queries are listed twice or in the model" in caplog.text
    for scale in (0, -1, np.nan, np.inf):
        with pytest.raises(InputError, match="--scale: .* is not metres"):
            from_sfm(tmp_path / "images.txt", tmp_path / "images.csv", scale=scale)


def test_a_camera_that_looks_down_has_no_heading(tmp_path):
    rotations, places, _ = street(np.random.default_rng(2))
    rotations[0] = [[1, 0, 0], [0, -1, 0], [0, 0, -1]]
    shots = {
        f"{i}.jpg": {
            "rotation": Rotation.from_matrix(rotation).as_rotvec().tolist(),
            "translation": (-rotation @ place).tolist(),
        }
        for i, (rotation, place) in enumerate(zip(rotations, places, strict=True))
    }
    (tmp_path / "r.json").write_text(json.dumps([{"shots": shots}]))
    from_sfm(tmp_path / "r.json", tmp_path / "images.csv")
    found = table(tmp_path / "images.csv")
    assert found[0]["heading"] == "" and "z" not in found[0] and found[1]["heading"] != ""
    own = np.array([[float(row["x"]), float(row["y"])] for row in found])
    np.testing.assert_allclose(own, places[:, :2], atol=1e-4)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("r.json", "{", "r.json: .*expected a reconstruction of OpenSfM"),
        ("r.json", "[{}]", "r.json: KeyError: 'shots'; expected a reconstruction of OpenSfM"),
        ("r.json", "[]", "r.json: holds no images"),
        ("images.txt", "1 1 0 0 0 0 0 0 1\n\n", "expected 'IMAGE_ID QW QX"),
        ("images.txt", "1 1 0 x 0 0 0 0 1 a\n\n", "expected 'IMAGE_ID QW QX"),
        ("images.txt", "1 0 0 0 0 0 0 0 1 a\n\n", "a quaternion is 0"),
        (
            "images.txt",
            "1 1 0 0 0 0 0 0 1 a\n\n\n2 1 0 0\n",
            "images.txt: line 4: '2 1 0 0': expected",
        ),
        # Images alone, no lines of points: each second one was lost.
        ("images.txt", "1 1 0 0 0 0 0 0 1 a\n2 1 0 0 0 0 0 0 1 b\n", "line 2: '2 .* b': expected"),
        ("images.txt", "1 1 0 0 0 0 0 0 1 a\n1.5 2 -1 3\n", "line 2: .*: expected the points"),
        ("images.txt", "# nothing\n", "images.txt: holds no images"),
        ("images.bin", "", "images.bin: only text is read"),
        ("none.json", None, "none.json: no such file"),
    ],
)
def test_faults(tmp_path, file, text, message):
    if text is not None:
        (tmp_path / file).write_text(text)
    model = tmp_path / file if file.endswith("json") else tmp_path
    with pytest.raises(InputError, match=message) as caught:
        from_sfm(model, tmp_path / "images.csv")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n",
        lambda text: "\n" + text,
        lambda text: text.replace("3.0 4.0 7\n", "3.0 4.0 7\n \n\n# a comment\n"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
    ],
    ids=["no end", "end", "first", "between", "windows", "mark"],
)
def test_lines_as_colmap_reads_them(tmp_path, change):
    rotations, places, _ = street(np.random.default_rng(4))
    write_colmap(tmp_path / "images.txt", rotations, places)
    expected = read_colmap(tmp_path / "images.txt")
    text = (tmp_path / "images.txt").read_text()
    (tmp_path / "images.txt").write_text(change(text), newline="")
    names, *poses = read_colmap(tmp_path / "images.txt")
    assert names == expected[0] == [f"db/{i}.jpg" for i in range(6)]
    for found, known in zip(poses, expected[1:], strict=True):
        np.testing.assert_array_equal(found, known)


def test_cameras_that_disagree(tmp_path):
    rotations, places, _ = street(np.random.default_rng(3), 2)
    rotations[1] = np.diag([1, -1, -1]) @ rotations[1]  # upside down
    write_colmap(tmp_path / "images.txt", rotations, places)
    with pytest.raises(InputError, match="do not agree on what is up"):
        from_sfm(tmp_path, tmp_path / "images.csv")


@pytest.mark.skipif(not BERLIN.is_dir(), reason="OpenSfM's data/berlin is not here")
def test_the_reconstruction_of_berlin(tmp_path):
    from_sfm(BERLIN / "reconstruction_example.json", tmp_path / "images.csv")
    found = {row["name"]: row for row in table(tmp_path / "images.csv")}
    headings = {name: round(float(row["heading"]), 1) for name, row in found.items()}
    assert headings == {"01.jpg": 34.4, "02.jpg": 32.5, "03.jpg": 34.7}
    shots = json.loads((BERLIN / "reconstruction_example.json").read_text())[0]["shots"]
    for name, row in found.items():
        east, north, _ = shots[name]["gps_position"]
        assert np.hypot(float(row["x"]) - east, float(row["y"]) - north) < 10, "GPS errs by 5 m"


def test_parts_of_opensfm_lie_where_their_references_say(tmp_path):
    """Two parts of one camera each, 0.1 degrees of latitude apart: 11.1 km."""
    shot = {"rotation": [np.pi / 2, 0, 0], "translation": [0, 0, 0]}  # level, towards north
    lla = [{"latitude": 55.7 + 0.1 * i, "longitude": 13.2, "altitude": 5.0 * i} for i in range(2)]
    parts = [{"shots": {f"{i}.jpg": shot}, "reference_lla": lla[i]} for i in range(2)]
    path = tmp_path / "reconstruction.json"
    path.write_text(json.dumps(parts))
    names, _, positions = read_opensfm(path)
    metres = geod_north(55.7, 55.8)
    assert names == ["0.jpg", "1.jpg"] and not positions[0].any()
    np.testing.assert_allclose(positions[1], [0, metres, 5], atol=0.05)
    del parts[1]["reference_lla"]
    path.write_text(json.dumps(parts))
    with pytest.raises(InputError, match="part 2 has no reference_lla"):
        read_opensfm(path)


def geod_north(start, end):
    """Metres along a meridian of WGS84, by the trapezoidal rule over its radius of curvature."""
    a, e2 = 6378137.0, 0.00669437999014
    lat = np.deg2rad(np.linspace(start, end, 1001))
    return np.trapezoid(a * (1 - e2) / (1 - e2 * np.sin(lat) ** 2) ** 1.5, lat)
