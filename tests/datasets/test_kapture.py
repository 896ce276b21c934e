"""kapture's folders: poses, receivers, units, GNSS, features; and back again."""

from __future__ import annotations

import logging
import tarfile
from pathlib import Path

import numpy as np
import pytest
from captures import write_scene as write_lamar
from conftest import SMALL, overrides
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.spatial.transform import Rotation
from worlds import write_descriptors

from gcsa.config import load_config
from gcsa.datasets.images import image_path
from gcsa.datasets.kapture.scene import read_scene
from gcsa.datasets.kapture.times import microseconds
from gcsa.datasets.kapture.write import write_scene
from gcsa.datasets.placed import How
from gcsa.datasets.readers import reader
from gcsa.descriptors.gfeat import read_gfeat, write_gfeat
from gcsa.errors import InputError, MissingFileError
from gcsa.evaluate import evaluate
from gcsa.evaluation.truth import Truth
from gcsa.export import export
from gcsa.scene import ImageSet, Scene
from gcsa.sideinfo.geodesy import Plane
from gcsa.sideinfo.radio import MAX_DISTANCE, Radio, path_loss_distance

M1X = Path(__file__).parents[3] / "shared" / "data" / "kapture_m1x_radio"
# Unix time of a summer's day, microseconds.
T0 = 1_600_000_000_000_000
LEVEL = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])  # camera to world: looks north, y down


def line(cells):
    return ", ".join(map(str, cells)) + "\n"


def motion(rotation, place):
    """kapture's pose of a camera that stands at ``place``, ``rotation`` camera to world."""
    x, y, z, w = rotation.inv().as_quat()
    return [w, x, y, z, *-rotation.inv().apply(place)]


def looking(heading):
    return Rotation.from_euler("z", -heading) * Rotation.from_matrix(LEVEL)


def write(folder, sensors, images, **files):
    """A kapture folder: rows of its files; images are (time, camera, path)."""
    files = {"sensors": sensors, "records_camera": images, **files}
    (folder / "sensors").mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        text = "# kapture format: 1.1\n" + "".join(line(row) for row in rows)
        (folder / "sensors" / f"{name}.txt").write_text(text)


CAMERA = ["cam", "", "camera", "SIMPLE_PINHOLE", 640, 480, 500, 320, 240]


def street(root, n=4, **files):
    """A map and one query, 10 m apart looking east, times a second apart."""
    rows = [[T0 + 10**6 * i, "cam", f"a/{i}.jpg"] for i in range(n)]
    poses = [
        [T0 + 10**6 * i, "cam", *motion(looking(np.pi / 2), [10.0 * i, 5, 2])] for i in range(n)
    ]
    write(root / "mapping", [CAMERA], rows, trajectories=poses)
    write(root / "query", [CAMERA], rows[:1], trajectories=poses[:1], **files)


def test_poses_are_world_to_camera(tmp_path):
    street(tmp_path)
    scene, truth = read_scene(tmp_path, "street")
    assert scene.database.names[1] == "mapping/sensors/records_data/a/1.jpg"
    expected = np.column_stack([10.0 * np.arange(4), np.full(4, 5.0), np.full(4, 2.0)])
    assert scene.database.positions == pytest.approx(expected)
    assert scene.database.headings == pytest.approx(np.full(4, np.pi / 2))
    assert truth.positions == pytest.approx(expected[:1])
    assert scene.queries.positions is None and scene.queries.headings is None
    assert len(set(scene.database.sequences)) == 1
    assert scene.database.frames.tolist() == [0, 1, 2, 3]
    assert scene.database.times.tolist() == [T0 + 10**6 * i for i in range(4)]


def test_rigs_by_matrices(tmp_path):
    """Camera centres by homogeneous matrices, composed as kapture says."""
    random = np.random.default_rng(0)

    def matrix(cells):
        made = np.eye(4)
        made[:3, :3] = Rotation.from_quat([*cells[1:4], cells[0]]).as_matrix()
        made[:3, 3] = cells[4:]
        return made

    # Cameras of a body that stands upright; else the world would be turned.
    members = [motion(Rotation.from_euler("y", turn), random.normal(size=3)) for turn in (0.3, 2)]
    body = [motion(looking(h), 20 * random.normal(size=3)) for h in random.uniform(0, 6, 3)]
    sensors = [[f"cam{i}", "", "camera", "UNKNOWN_CAMERA", 0, 0] for i in range(2)]
    images = [[T0 + t, f"cam{i}", f"{t}-{i}.jpg"] for t in range(3) for i in range(2)]
    files = {
        "rigs": [["rig", f"cam{i}", *member] for i, member in enumerate(members)],
        "trajectories": [[T0 + t, "rig", *pose] for t, pose in enumerate(body)],
    }
    write(tmp_path / "mapping", sensors, images, **files)
    scene, truth = read_scene(tmp_path, "rig", queries="mapping")
    whole = [np.linalg.inv(matrix(m) @ matrix(b)) for b in body for m in members]
    assert scene.database.positions == pytest.approx(np.array([w[:3, 3] for w in whole]))
    ahead = np.array([w[:3, 2] for w in whole])
    found = scene.database.headings
    assert np.sin(found) * np.hypot(*ahead.T[:2]) == pytest.approx(ahead[:, 0])
    assert np.cos(found) * np.hypot(*ahead.T[:2]) == pytest.approx(ahead[:, 1])
    assert np.array_equal(truth.positions, scene.database.positions)


@pytest.mark.parametrize("turn", [(0, 0, 0), (-np.pi / 2, 0, 0), (0.4, 2.2, 1)])
def test_a_world_that_lies_is_set_upright(tmp_path, caplog, turn):
    """The same cameras in a world turned any way: distances, heights and turns are the same."""
    random = np.random.default_rng(1)
    places, angles = 30 * random.normal(size=(6, 3)), random.uniform(0, 2 * np.pi, 6)
    world = Rotation.from_euler("xyz", turn)
    poses = [
        [T0 + i, "cam", *motion(world * looking(a), world.apply(p))]
        for i, (a, p) in enumerate(zip(angles, places, strict=True))
    ]
    images = [[T0 + i, "cam", f"{i}.jpg"] for i in range(6)]
    write(tmp_path / "mapping", [CAMERA], images, trajectories=poses)
    with caplog.at_level(logging.INFO):
        scene, _ = read_scene(tmp_path, "any", queries="mapping")
    assert ("the world is turned" in caplog.text) == any(turn)
    found = scene.database.positions
    assert found[:, 2] == pytest.approx(places[:, 2])
    apart = [np.linalg.norm(p[:, None, :2] - p[None, :, :2], axis=2) for p in (found, places)]
    assert apart[0] == pytest.approx(apart[1])
    turns = np.exp(1j * (scene.database.headings - angles))
    assert turns == pytest.approx(np.full(6, turns[0]))


RADIO = {"wifi": ["wifi0", "", "wifi"], "bluetooth": ["bt0", "", "bluetooth"]}
AP, BEACON = "aa:bb:cc:dd:ee:0{}", "0123abcd-0000-1111-2222-000000000000:0:1"


def test_radio_in_its_own_unit(tmp_path):
    """WiFi in milliseconds beside images in microseconds, as in kapture's own sample."""
    ms = T0 // 1000
    wifi = [
        [ms + 900, "wifi0", AP.format(1).upper(), 2437, -60, "net, work", 0, 0],
        [ms + 2100, "wifi0", AP.format(2), 5_180_000, -70.5, "", 0, 0],
        [ms + 30_000, "wifi0", AP.format(3), 2437, -50, "", 0, 0],
        [ms + 900, "unheard", AP.format(4), 2437, -50, "", 0, 0],
    ]
    more = [[T0 + 2_050_000, "bt0", BEACON, -80, "b"]]
    files = {"records_wifi": wifi, "records_bluetooth": more}
    street(tmp_path)
    for role in ("mapping", "query"):
        rows = [[T0 + 10**6 * i, "cam", f"a/{i}.jpg"] for i in range(4)]
        write(tmp_path / role, [CAMERA, *RADIO.values()], rows, **files)
    scene, _ = read_scene(tmp_path, "street")
    assert scene.database.radio.transmitters.tolist() == [
        BEACON,
        *(AP.format(i) for i in (1, 2, 3)),
    ]
    metres = scene.database.radio.matrix.toarray() + MAX_DISTANCE
    heard = np.where(metres < MAX_DISTANCE, metres, np.nan)
    near = path_loss_distance(np.array([-80, -60, -70.5]), np.array([-1, 2437, 5180]))
    # Images at 0, 1, 2, 3 s; scans at 0.9 and 2.1 s, the beacon at 2.05 s; all within 10 s.
    assert np.nan_to_num(heard[:, 1]) == pytest.approx([near[1], near[1], 0, 0])
    assert np.nan_to_num(heard[:, 2]) == pytest.approx([0, 0, near[2], near[2]])
    assert heard[:, 0] == pytest.approx(np.full(4, near[0])) and np.isnan(heard[:, 3]).all()
    # A query knows what came before it alone.
    assert scene.queries.radio.has_any.tolist() == [False, True, True, True]
    silent, _ = read_scene(tmp_path, "street", radio=False)
    assert silent.database.radio is None


@pytest.mark.parametrize(
    ("header", "times", "expected"),
    [
        ("", [1_600_000_000, 1_600_000_001], [T0, T0 + 10**6]),
        ("", [1_600_000_000_000], [T0]),
        ("", [T0 + 7], [T0 + 7]),
        ("", [1000 * T0 + 1999], [T0 + 1]),
        ("", [5, 6], None),
        ("# timestamp [s], device_id\n", [5, 6], [5 * 10**6, 6 * 10**6]),
        ("# kapture format: 1.1\n# timestamp [ns], device_id\n", [T0], [T0 // 1000]),
    ],
)
def test_units_of_time(tmp_path, header, times, expected):
    (tmp_path / "records.txt").write_text(header + "1, cam\n")
    found, known = microseconds(tmp_path / "records.txt", np.array(times))
    assert known == (expected is not None)
    assert found.tolist() == (times if expected is None else expected)


def test_receivers_and_their_cameras(tmp_path):
    """By name, by rig, by the beginning of ids; what is no Unix time counts where it is equal."""
    sensors = [
        [name, "", kind]
        for name, kind in {
            "phone": "camera",
            "phone_wifi": "wifi",
            "head": "camera",
            "ears": "wifi",
            "drive/front": "camera",
            "drive/antenna": "wifi",
        }.items()
    ]
    wifi = [
        [5, device, AP.format(i), 2437, -60]
        for i, device in enumerate(["phone_wifi", "ears", "drive/antenna"])
    ]
    wifi.append([7, "ears", AP.format(9), 2437, -60])
    images = [[t, c, f"{c}{t}.jpg"] for c in ("phone", "head", "drive/front") for t in (5, 6)]
    rigs = [["rig", name, 1, 0, 0, 0, 0, 0, 0] for name in ("head", "ears")]
    write(tmp_path / "mapping", sensors, images, records_wifi=wifi, rigs=rigs)
    scene, truth = read_scene(tmp_path, "x", queries="mapping")
    radio = scene.database.radio
    heard = [sorted(radio.transmitters[radio.matrix[[i]].indices]) for i in range(6)]
    assert heard == [[AP.format(0)], [], [AP.format(1)], [], [AP.format(2)], []]
    assert truth is None and scene.database.positions is None
    assert scene.database.sequences is None and scene.database.times is None


def gnss(degrees, dilution=0.0, device="cam_gnss"):
    return [
        [T0 + 10**6 * i, device, lon, lat, 0.0, 0, dilution] for i, (lat, lon) in enumerate(degrees)
    ]


def test_gnss_is_placed_by_the_map(tmp_path):
    """A world turned by 40 degrees and moved against east and north."""
    random, plane = np.random.default_rng(2), Plane((50.1, 14.4))
    ground = 80 * random.normal(size=(12, 2))
    turn = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    world = np.column_stack([(ground - [300, 20]) @ turn, np.zeros(12)])
    degrees = plane.to_degrees(ground)
    degrees[3] = plane.to_degrees(np.array([[5000.0, 0]]))[0]  # one reading far off
    receiver = ["cam_gnss", "", "gnss", "EPSG:4326"]
    images = [[T0 + 10**6 * i, "cam", f"{i}.jpg"] for i in range(12)]
    poses = [
        [image[0], "cam", *motion(looking(0), place)]
        for image, place in zip(images, world, strict=True)
    ]
    write(
        tmp_path / "mapping",
        [CAMERA, receiver],
        images,
        trajectories=poses,
        records_gnss=gnss(degrees),
    )
    reported = gnss(plane.to_degrees(ground[5:7] + [3.0, 4.0]), 1.5)
    write(
        tmp_path / "query",
        [CAMERA, receiver],
        images[:2],
        trajectories=[[T0, "cam", *motion(looking(0), world[5])]],
        records_gnss=reported,
    )
    scene, truth = read_scene(tmp_path, "x")
    assert scene.frame.to_degrees(scene.database.positions[:, :2]) == pytest.approx(
        plane.to_degrees(ground), abs=1e-8
    )
    away = scene.queries.positions - world[5:7, :2]
    assert np.linalg.norm(away, axis=1) == pytest.approx([5, 5], abs=1e-3)
    assert scene.queries.accuracy == pytest.approx([7.5, 7.5])
    assert np.isfinite(truth.positions[:, 0]).tolist() == [True, False]


def test_gnss_alone(tmp_path):
    plane, receiver = Plane((50.1, 14.4)), ["cam_gnss", "", "gnss", "EPSG:4326"]
    ground = np.array([[0.0, 0], [30, 0], [0, 40]])
    images = [[T0 + 10**6 * i, "cam", f"{i}.jpg"] for i in range(3)]
    readings = gnss(plane.to_degrees(ground))
    for role in ("mapping", "query"):
        write(tmp_path / role, [CAMERA, receiver], images, records_gnss=readings)
    scene, truth = read_scene(tmp_path, "x")
    apart = np.linalg.norm(scene.database.positions - truth.positions[0], axis=1)
    assert apart == pytest.approx([0, 30, 40], abs=1e-3)
    assert scene.queries.positions is None
    known, _ = read_scene(tmp_path, "x", How(query_gps=True))
    assert known.queries.positions == pytest.approx(truth.positions)


def test_readings_of_another_world_are_not_used(tmp_path, caplog):
    street(tmp_path)
    receiver = ["cam_gnss", "", "gnss", "EPSG:4326"]
    rows = [[T0 + 10**6 * i, "cam", f"a/{i}.jpg"] for i in range(4)]
    far = [[50.1, 14.4], [50.11, 14.4], [50.1, 14.45], [50.13, 14.4]]
    write(tmp_path / "mapping", [CAMERA, receiver], rows, records_gnss=gnss(far))
    with caplog.at_level(logging.INFO):
        scene, _ = read_scene(tmp_path, "x")
    assert "m from the poses, in the median; not used" in caplog.text
    assert scene.frame is None and scene.queries.positions is None


def test_poses_that_are_not_whole(tmp_path, caplog):
    street(tmp_path)
    path = tmp_path / "mapping" / "sensors" / "trajectories.txt"
    path.write_text(path.read_text() + line([T0 + 9, "cam", *[""] * 4, 1, 2, 3]))
    with caplog.at_level(logging.INFO):
        read_scene(tmp_path, "x")
    assert "1 poses are not whole, passed over" in caplog.text


@pytest.mark.parametrize(
    ("file", "row", "said"),
    [
        (
            "trajectories",
            [1, "cam", 1, 0, 0, 0, "x", 0, 0],
            "line 6: column 'tx': 'x' is not a num",
        ),
        ("trajectories", [1, "cam", 2, 0, 0, 0, 0, 0, 0], "qw, qx, qy, qz have length 2"),
        ("trajectories", [1, "cam", 1, 0, 0], "line 6: 5 fields separated by commas, expected 9"),
        ("records_camera", [1, "cam2", "b.jpg"], "line 6: 'cam2' is not a camera"),
        ("records_camera", [1, "cam", "a/0.jpg"], "line 6: 'a/0.jpg' is there twice"),
        ("sensors", ["cam", "", "camera"], "line 3: 'cam' is there twice"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, file, row, said):
    street(tmp_path)
    path = tmp_path / "mapping" / "sensors" / f"{file}.txt"
    path.write_text(path.read_text() + line(row))
    with pytest.raises(InputError, match=said) as error:
        read_scene(tmp_path, "x")
    assert str(path) in str(error.value)


def test_what_is_no_kapture(tmp_path):
    with pytest.raises(MissingFileError, match="mapping/sensors: no such folder"):
        read_scene(tmp_path, "x")
    street(tmp_path)
    path = tmp_path / "query" / "sensors" / "sensors.txt"
    path.write_text(path.read_text().replace("1.1", "2.0"))
    with pytest.raises(InputError, match=r"kapture format 2\.0; read are 1\.0, 1\.1"):
        read_scene(tmp_path, "x")


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["sensors", "records_camera", "trajectories", "rigs", "records_wifi"]),
    st.lists(st.text(st.characters(codec="ascii"), max_size=6), max_size=10),
)
def test_any_line_is_read_or_refused_in_one(tmp_path_factory, file, cells):
    root = tmp_path_factory.mktemp("kapture")
    street(root)
    path = root / "mapping" / "sensors" / f"{file}.txt"
    path.write_text((path.read_text() if path.exists() else "") + line(cells))
    try:
        scene, _ = read_scene(root, "x")
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert len(scene.database) >= 4


def test_features_of_folders_and_archives(tmp_path, caplog):
    rows = np.random.default_rng(3).normal(size=(3, 5))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    names = ["a/0.jpg", "a/1.jpg", "b.jpg"]
    write_gfeat(tmp_path / "f", "APGeM, r101", names, unit)
    text = (tmp_path / "f" / "global_features.txt").read_text().splitlines()
    assert text[0] == "# kapture format: 1.1" and text[-1] == "APGeM  r101, float32, 5, L2"
    raw = (tmp_path / "f" / "a" / "1.jpg.gfeat").read_bytes()
    assert np.frombuffer(raw, "<f4") == pytest.approx(unit[1], abs=1e-7)
    assert read_gfeat(tmp_path / "f", names[::-1]) == pytest.approx(unit[::-1], abs=1e-3)
    with tarfile.open(tmp_path / "f" / "global_features.tar", "w") as archive:
        for name in names:
            archive.add(tmp_path / "f" / f"{name}.gfeat", f"{name}.gfeat")
            (tmp_path / "f" / f"{name}.gfeat").unlink()
    assert read_gfeat(tmp_path / "f", names) == pytest.approx(unit, abs=1e-3)
    with pytest.raises(InputError, match="no feature 'c.jpg.gfeat'"):
        read_gfeat(tmp_path / "f", ["c.jpg"])
    write_gfeat(tmp_path / "long", "x", names, 3 * unit)
    with pytest.raises(InputError, match=r"image 'a/0.jpg' has length 3.*data.normalise"):
        read_gfeat(tmp_path / "long", names)
    assert read_gfeat(tmp_path / "long", names, True) == pytest.approx(unit, abs=1e-3)
    table = tmp_path / "long" / "global_features.txt"
    table.write_text("x, float32, 6, L2\n")
    with pytest.raises(InputError, match="has 20 bytes, expected 24"):
        read_gfeat(tmp_path / "long", names)
    table.write_text("x, int8, 5, L2\n")
    with pytest.raises(InputError, match="dtype 'int8' is none of"):
        read_gfeat(tmp_path / "long", names)


@st.composite
def scenes(draw):
    """Scenes of sequences, some poses and readings unknown, with radio."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    plane = Plane((48.0, 11.5)) if draw(st.booleans()) else None
    timed = draw(st.booleans())

    def images(n, role, positions):
        heard = random.uniform(0.01, 600, size=(n, 4)).clip(max=MAX_DISTANCE) - MAX_DISTANCE
        radio = Radio(
            csr_array(np.where(random.random((n, 4)) < 0.6, heard, 0)),
            np.array([AP.format(1), AP.format(2), BEACON, BEACON[:-1] + "2"]),
        )
        sequences = np.sort(random.integers(0, 3, n))
        return ImageSet(
            np.array([f"{role}/{i}.png" for i in range(n)]),
            None,
            positions,
            None,
            radio,
            accuracy=None if positions is None or role == "m" else np.full(n, 6.0),
            sequences=sequences.astype(np.int64),
            frames=np.arange(n),
            times=1000 * np.arange(n) if timed else None,
        )

    places = np.column_stack([30 * random.normal(size=(6, 2)), random.normal(size=6)])
    headings = np.where(random.random(6) < 0.3, np.nan, random.uniform(0, 2 * np.pi, 6))
    database = images(6, "m", places)
    object.__setattr__(database, "headings", headings)
    device = 30 * random.normal(size=(4, 2)) if plane else None
    truth = np.where(random.random((4, 1)) < 0.3, np.nan, 30 * random.normal(size=(4, 3)))
    scene = Scene("any", database, images(4, "q", device), plane)
    return scene, Truth(truth, random.uniform(0, 2 * np.pi, 4))


@settings(max_examples=12, deadline=None)
@given(scenes())
def test_scenes_are_read_as_written(tmp_path_factory, made):
    scene, truth = made
    root = tmp_path_factory.mktemp("kapture")
    paths = write_scene(root, scene, truth, "x", lambda name: root / "absent" / name)
    read, known = read_scene(root, "any")
    for own, again, role in (
        (scene.database, read.database, "database"),
        (scene.queries, read.queries, "queries"),
    ):
        assert again.names.tolist() == paths[role].tolist()
        groups = [np.equal.outer(s.sequences, s.sequences) for s in (own, again)]
        assert np.array_equal(*groups)
        for group in groups[0]:  # the same order within a sequence
            assert np.array_equal(*(np.argsort(s.frames[group]) for s in (own, again)))
        heard = [s.radio.matrix[:, np.argsort(s.radio.transmitters)] for s in (own, again)]
        there = np.isin(np.sort(own.radio.transmitters), again.radio.transmitters)
        assert heard[1].toarray() == pytest.approx(heard[0].toarray()[:, there], abs=1e-6)
    assert read.database.positions == pytest.approx(scene.database.positions, abs=1e-9)
    assert read.database.headings == pytest.approx(scene.database.headings, abs=1e-9, nan_ok=True)
    if known is not None:
        assert known.positions == pytest.approx(truth.positions, abs=1e-9, nan_ok=True)
    if scene.frame is None:
        assert read.queries.positions is None
    else:
        assert read.queries.positions == pytest.approx(scene.queries.positions, abs=0.01)
        assert read.queries.accuracy == pytest.approx(scene.queries.accuracy)


@pytest.mark.parametrize("method", [None, "posterior"])
def test_figures_are_those_of_the_lamar_layout(tmp_path, method):
    random, world = np.random.default_rng(0), {**SMALL, "data.root": tmp_path / "datasets"}
    write_lamar(tmp_path / "datasets" / "lamar" / "CAB", 0)
    world |= {"data.outputs": tmp_path / "outputs", "data.dataset": "lamar"}
    world |= {"data.val_scenes": "[CAB]", "data.desc_fn": "d.h5", "data.val_labels": "dist@3"}
    poses = load_config(None, overrides(world, {"data.desc_fn": ""})).data
    scene, truth = reader(poses).read(poses, "CAB", "val")
    names = [*scene.database.names, *scene.queries.names]
    looks = random.normal(size=(3, 32))
    where = np.concatenate([scene.database.positions, truth.positions])
    rows = np.sin(0.15 * where @ looks) + 0.3 * random.normal(size=(len(names), 32))
    write_descriptors(tmp_path / "outputs" / "lamar" / "CAB" / "d.h5", names, rows)
    config = load_config(None, overrides(world))
    settings = export(config, tmp_path / "kapture", "kapture", images="none")
    again = load_config(None, [*overrides(world), *settings])
    read, known = reader(again.data).read(again.data, "CAB", "val")
    assert known.positions == pytest.approx(truth.positions)
    assert known.headings == pytest.approx(truth.headings, nan_ok=True)
    assert read.database.radio.has_any.sum() == scene.database.radio.has_any.sum() > 0
    assert np.array_equal(
        *(np.equal.outer(s.queries.sequences, s.queries.sequences) for s in (scene, read))
    )
    first, second = (evaluate(c, method=method) for c in (config, again))
    assert first["counts"] == second["counts"] and first["metrics"] == second["metrics"]
    assert 0.05 < first["metrics"]["recall@1"] < 1
    name = str(read.database.names[0])
    assert image_path(again.data, "CAB", name) == tmp_path / "kapture" / "CAB" / name


def test_training_scenes_have_one_folder(tmp_path):
    write_lamar(tmp_path / "datasets" / "lamar" / "CAB", 0)
    world = {"data.root": tmp_path / "datasets", "data.dataset": "lamar", "data.desc_fn": ""}
    config = load_config(None, overrides(world, {"data.train_scenes": "[CAB]"}))
    settings = export(config, tmp_path / "kapture", "kapture", "train", "none")
    assert "data.query_folder=mapping" in settings
    assert not (tmp_path / "kapture" / "CAB" / "query").exists()
    again = load_config(None, settings).data
    scene, truth = reader(again).read(again, "CAB", "train")
    assert (scene.queries.names == scene.database.names).all() and truth is not None


def test_the_sample_of_kapture(tmp_path, caplog):
    if not M1X.is_dir():
        pytest.skip(f"{M1X} is absent: kapture's m1x sample, not part of this repository")
    (tmp_path / "mapping").mkdir()
    (tmp_path / "mapping" / "sensors").symlink_to(M1X)
    with caplog.at_level(logging.INFO):
        scene, _ = read_scene(tmp_path, "m1x", queries="mapping")
    assert len(scene.database) == 18 and len(scene.database.radio.transmitters) == 6
    assert "2 of 6 rows are of no sensor or rig of its folder ('AC01324955_wifi')" in caplog.text
    assert "up is (-0.00, -1.00, 0.03) by its cameras" in caplog.text
    # By homogeneous matrices: (449.96, 4.68, 495.11) and (449.84, 4.68, 495.09).
    apart = np.linalg.norm(scene.database.positions[1] - scene.database.positions[0])
    assert apart == pytest.approx(np.linalg.norm([0.12248608, -7.23e-5, 0.02390431]), abs=1e-6)
