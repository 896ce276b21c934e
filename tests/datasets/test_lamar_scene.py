"""The LaMAR reader: what a scene holds; poses and headings against matrices."""

import h5py
import numpy as np
import pytest
from captures import PINHOLE, looking, pose, write_scene, write_session
from scipy.spatial.transform import Rotation

from gcsa.datasets.lamar.capture import camera_poses, query_images, read_session
from gcsa.datasets.lamar.scene import headings, read_map, read_queries, read_scene
from gcsa.errors import InputError, MissingFileError
from gcsa.sideinfo.scans import clock_of, observe


@pytest.fixture
def root(tmp_path):
    write_scene(tmp_path / "CAB")
    return tmp_path


def sessions(root):
    return root / "CAB" / "sessions"


# -- scenes


def test_reads_a_scene(root, tmp_path):
    written = write_scene(tmp_path / "HGE", seed=4)
    scene, truth = read_scene(root, "HGE")
    assert scene.name == "HGE" and len(scene.database) == 20
    assert scene.database.names[0] == "sessions/map/raw_data/nav_0/images/1655000000000000.jpg"
    np.testing.assert_allclose(scene.database.headings, written["headings"], atol=1e-12)
    expected = {
        f"sessions/query_val_{device}/raw_data/{name}": matrices
        for device in ("phone", "hololens")
        for name, matrices in written[f"query_val_{device}"].items()
    }
    assert scene.queries.names.tolist() == list(expected), "phone first, then rigs camera by camera"
    positions = np.array([position for _, position in expected.values()])
    np.testing.assert_allclose(truth.positions, positions, atol=1e-12)
    axes = np.array([rotation[:, 2] for rotation, _ in expected.values()])
    np.testing.assert_allclose(np.sin(truth.headings), axes[:, 0] / np.hypot(*axes.T[:2]))
    parts = read_queries(tmp_path / "HGE", "val")
    rotations = np.concatenate([part.poses()[0] for part in parts])
    np.testing.assert_allclose(rotations, [r for r, _ in expected.values()], atol=1e-12)
    assert parts[1].queries.tolist() == np.repeat(range(4), 4).tolist()


def test_queries_do_not_know_where_they_are(root):
    for split in ("val", "test", "train"):
        scene, _ = read_scene(root, "CAB", split=split)
        assert scene.queries.positions is None and scene.queries.headings is None


def test_the_test_split_has_no_truth(root):
    scene, truth = read_scene(root, "CAB", split="test")
    assert truth is None and len(scene.queries) == 20
    assert scene.queries.names[-1].startswith("sessions/query_hololens/raw_data/hl_2/images/")


def test_training_queries_are_the_database(root):
    scene, truth = read_scene(root, "CAB", split="train")
    np.testing.assert_array_equal(scene.queries.names, scene.database.names)
    np.testing.assert_array_equal(truth.positions, scene.database.positions)
    np.testing.assert_array_equal(truth.headings, scene.database.headings)
    mapped = read_map(root / "CAB")
    session, past = mapped.session, scene.queries.radio.matrix
    clocks = clock_of(session.images.sensor_ids)
    scans = session.wifi, session.bluetooth
    both_ways = observe(session.images.timestamps, clocks, *scans, past_only=False)
    np.testing.assert_array_equal(scene.database.radio.matrix.toarray(), both_ways.matrix.toarray())
    assert past.nnz < scene.database.radio.matrix.nnz, "as at test time: nothing from the future"


def test_devices_can_be_chosen(root):
    phone, _ = read_scene(root, "CAB", devices=["phone"])
    hololens, _ = read_scene(root, "CAB", devices=["hololens"])
    both, _ = read_scene(root, "CAB")
    assert (len(phone.queries), len(hololens.queries)) == (4, 16)
    assert both.queries.names.tolist() == [*phone.queries.names, *hololens.queries.names]
    (sessions(root) / "query_val_phone").rename(root / "elsewhere")
    alone, _ = read_scene(root, "CAB")
    assert alone.queries.names.tolist() == hololens.queries.names.tolist()
    with pytest.raises(MissingFileError, match="query_val_phone: no such session"):
        read_scene(root, "CAB", devices=["phone"])
    (sessions(root) / "query_val_hololens").rename(root / "elsewhere2")
    with pytest.raises(MissingFileError, match="neither query_val_phone nor query_val_hololens"):
        read_scene(root, "CAB")


def test_descriptors_by_either_form_of_names(root):
    scene, _ = read_scene(root, "CAB")
    names = [*scene.database.names, *scene.queries.names]
    values = np.random.default_rng(0).normal(size=(len(names), 8))
    values = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float16)
    for form, cut in (("full", ""), ("short", "sessions/")):
        with h5py.File(root / f"{form}.h5", "w") as file:
            for name, value in zip(names, values, strict=True):
                file[f"{name.removeprefix(cut)}/global_descriptor"] = value
        read, _ = read_scene(root, "CAB", descriptors=root / f"{form}.h5")
        np.testing.assert_array_equal(np.asarray(read.database.descriptors), values[:20])
        np.testing.assert_array_equal(np.asarray(read.queries.descriptors), values[20:])
    with h5py.File(root / "short.h5", "a") as file:
        del file["map/raw_data/nav_0/images/1655000000000000.jpg"]
    with pytest.raises(InputError, match="short.h5: no descriptor for image 'map/raw_data/nav_0"):
        read_scene(root, "CAB", descriptors=root / "short.h5")


def test_radio_may_be_missing(root):
    full, _ = read_scene(root, "CAB")
    assert full.database.radio.transmitters is full.queries.radio.transmitters
    for name in ("wifi.txt", "bt.txt"):
        (sessions(root) / "query_val_hololens" / name).unlink()
    scene, _ = read_scene(root, "CAB")
    assert scene.queries.radio.has_any[:4].any() and not scene.queries.radio.has_any[4:].any()
    for file in [*sessions(root).glob("*/wifi.txt"), *sessions(root).glob("*/bt.txt")]:
        file.write_text("# nothing\n")
    scene, _ = read_scene(root, "CAB")
    assert scene.database.radio is None and scene.queries.radio is None


# -- poses and headings


@pytest.mark.parametrize(
    ("axis", "degrees"),
    [((0, 1, 0), 0), ((1, 0, 0), 90), ((0, -1, 0), 180), ((-1, 0, 0), 270), ((1, 1, 3), 45)],
)
def test_headings_are_clockwise_from_y(axis, degrees):
    rotation = np.zeros((1, 3, 3))
    rotation[0, :, 2] = axis / np.linalg.norm(axis)
    assert np.rad2deg(headings(rotation)).item() == pytest.approx(degrees)
    mirrored = np.rad2deg(headings(rotation, "published")).item()
    assert mirrored == pytest.approx((90 - degrees) % 360)


@pytest.mark.parametrize(("degrees", "known"), [(88.9, True), (89.1, False), (90, False)])
def test_straight_up_or_down_is_no_heading(degrees, known):
    rotations = [looking(1.0, sign * np.deg2rad(degrees)).as_matrix() for sign in (1, -1)]
    found = headings(np.array([*rotations, np.full((3, 3), np.nan)]))
    np.testing.assert_allclose(found, [1.0, 1.0, np.nan] if known else np.full(3, np.nan))


def test_the_published_headings_are_mirrored(root):
    correct, truth = read_scene(root, "CAB")
    published, mirrored = read_scene(root, "CAB", heading_convention="published")
    turned = np.exp(1j * (correct.database.headings + published.database.headings))
    np.testing.assert_allclose(turned, 1j, atol=1e-12)
    np.testing.assert_allclose(np.exp(1j * (truth.headings + mirrored.headings)), 1j, atol=1e-12)
    with pytest.raises(InputError, match="convention 'publised' is not known .did you mean 'pub"):
        read_scene(root, "CAB", heading_convention="publised")


def test_poses_come_from_the_camera_or_its_rig(tmp_path):
    random = np.random.default_rng(0)
    turn = Rotation.random(4, random_state=0)
    place = random.normal(size=(4, 3))
    write_session(
        tmp_path,
        sensors=[*([camera, "", *PINHOLE] for camera in "abc"), ["depth", "", "depth"]],
        rigs=[["rig", "b", *pose(turn[0], place[0])], ["rig", "depth", *pose(turn[3], place[3])]],
        trajectories=[
            [7, "rig", *pose(turn[1], place[1])],
            [7, "a", *pose(turn[2], place[2])],
            [8, "b", *pose(turn[3], place[3])],
            [8, "rig", *pose(turn[1], place[1])],
        ],
        images=[
            [8, "b", "0"],
            [7, "b", "1"],
            [7, "a", "2"],
            [8, "a", "3"],
            [9, "b", "4"],
            [7, "c", "5"],
        ],
        queries=[[8, "b"], [7, "rig"], [7, "a"], [7, "b"]],
    )
    session = read_session(tmp_path)
    rotations, positions = camera_poses(session, session.trajectory)
    composed = turn[1].as_matrix() @ turn[0].as_matrix()
    np.testing.assert_allclose(rotations[0], turn[3].as_matrix(), atol=1e-12)
    np.testing.assert_allclose(rotations[1], composed, atol=1e-12)
    np.testing.assert_allclose(rotations[2], turn[2].as_matrix(), atol=1e-12)
    np.testing.assert_allclose(positions[1], turn[1].as_matrix() @ place[0] + place[1])
    assert np.isnan(rotations[3:]).all() and np.isnan(positions[3:]).all()
    rows, queries = query_images(session)
    assert (rows.tolist(), queries.tolist()) == ([0, 1, 2], [0, 1, 2]), "each image once"
    for array in camera_poses(session, None):
        assert len(array) == 6 and np.isnan(array).all()


def test_an_unknown_pose_is_nan_in_the_scene(root):
    path = sessions(root) / "map" / "trajectories.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:1] + lines[2:]))
    scene, _ = read_scene(root, "CAB")
    assert np.isnan(scene.database.positions[0]).all() and np.isnan(scene.database.headings[0])
    assert np.isfinite(scene.database.positions[1:]).all()


# -- what must be there


@pytest.mark.parametrize(
    ("session", "name"),
    [
        ("map", "trajectories.txt"),
        ("map", "images.txt"),
        ("query_val_phone", "images.txt"),
        ("query_val_phone", "queries.txt"),
        ("query_val_phone", "proc/alignment_trajectories.txt"),
    ],
)
def test_files_that_a_scene_needs(root, session, name):
    path = sessions(root) / session / name
    path.unlink()
    with pytest.raises(FileNotFoundError) as caught:
        read_scene(root, "CAB")
    assert str(caught.value).startswith(f"{path}: no such file")


def test_names_that_are_not_known(root):
    with pytest.raises(MissingFileError, match="ATLANTIS/sessions/map: no such session"):
        read_scene(root, "ATLANTIS")
    with pytest.raises(InputError, match="'valid' is not a split of LaMAR .did you mean 'val'"):
        read_scene(root, "CAB", split="valid")
    with pytest.raises(InputError, match="'phones' is not a device of LaMAR"):
        read_scene(root, "CAB", devices=["phones"])
    (sessions(root) / "map" / "images.txt").write_bytes(b"9, nav_0/cam, \xff.jpg\n")
    with pytest.raises(InputError, match="images.txt: line 1: not UTF-8"):
        read_scene(root, "CAB")


def test_a_map_without_images(root):
    (sessions(root) / "map" / "images.txt").write_text("# timestamp, sensor_id, image_path\n")
    with pytest.raises(InputError, match="CAB: database: no images"):
        read_scene(root, "CAB")


def test_sequences(tmp_path):
    """Recordings in time order: a rig's cameras are each a sequence, a map's recording is one."""
    write_scene(tmp_path / "HGE")
    scene, _ = read_scene(tmp_path, "HGE")
    names, queries = scene.queries.names, scene.queries
    stems = [name.rsplit("/", 1) for name in names]
    expected = {}
    for row, (folder, _) in enumerate(stems):
        expected.setdefault(folder, []).append(row)
    assert len(expected) == 5, "a phone, and four cameras of a HoloLens"
    found = {frozenset(np.flatnonzero(queries.sequences == k)) for k in set(queries.sequences)}
    assert found == {frozenset(rows) for rows in expected.values()}
    for rows in expected.values():
        times = [int(stems[row][1].removesuffix(".jpg")) for row in rows]
        assert queries.times[rows].tolist() == times
        assert queries.frames[rows].tolist() == np.argsort(np.argsort(times)).tolist()
    assert set(scene.database.sequences) == {0}
    assert scene.database.frames.tolist() == list(range(len(scene.database)))


def test_a_phone_with_a_camera_for_each_frame(tmp_path):
    """Intrinsics of each frame make sensors of their own; the recording is one sequence."""
    write_scene(tmp_path / "HGE")
    folder = tmp_path / "HGE/sessions/query_val_phone"
    for name in ("sensors", "images", "queries", "trajectories", "proc/alignment_trajectories"):
        path = folder / f"{name}.txt"
        lines = path.read_text().splitlines()
        if name == "sensors":
            times = [
                line.split(",")[0] for line in (folder / "images.txt").read_text().splitlines()
            ]
            camera = next(line for line in lines if ", camera," in line)
            lines = [line for line in lines if line != camera]
            lines += [camera.replace("/cam0,", f"/cam0_{t},", 1) for t in times if t.isdigit()]
        else:
            lines = [
                line
                if line.startswith("#")
                else line.replace("/cam0", f"/cam0_{line.split(',')[0]}", 1)
                for line in lines
            ]
        path.write_text("".join(f"{line}\n" for line in lines))
    scene, _ = read_scene(tmp_path, "HGE", devices=["phone"])
    assert len(scene.queries) == 4 and set(scene.queries.sequences) == {0}
    assert scene.queries.frames.tolist() == [0, 1, 2, 3]
