"""hloc's and LaMAR's files, read and written, against their definitions and LaMAR's reader."""

import zipfile
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from gcsa.datasets.lamar.records import Camera
from gcsa.datasets.lamar.records import read_trajectory as read_capture
from gcsa.errors import InputError
from gcsa.local.files import LocalFeatures
from gcsa.localization.hloc_files import (
    read_pairs,
    read_query_list,
    read_results,
    read_submission,
    read_trajectory,
    result_names,
    trajectory_text,
    write_pairs,
    write_query_list,
    write_results,
    write_submission,
    write_trajectory,
)
from gcsa.localization.hloc_run import HlocInputs, collect, commands, write_inputs
from gcsa.localization.poses import Poses
from gcsa.ranking.lists import Ranking

PINHOLE = Camera("PINHOLE", 640, 480, (500.5, 500.0, 320.0, 240.25))


def random_poses(n, seed=0):
    random = np.random.default_rng(seed)
    rotations = Rotation.from_quat(random.normal(size=(n, 4))).as_matrix()
    return Poses(rotations, random.normal(scale=20, size=(n, 3)))


def same(a, b, atol=1e-9):
    np.testing.assert_allclose(a.rotations, b.rotations, atol=atol)
    np.testing.assert_allclose(a.positions, b.positions, atol=atol)


def test_pairs_byte_for_byte(tmp_path):
    write_pairs(tmp_path / "p.txt", ["q/1.jpg", "q/1.jpg", "q/2.jpg"], ["a", "b", "a"])
    assert (tmp_path / "p.txt").read_bytes() == b"q/1.jpg a\nq/1.jpg b\nq/2.jpg a"
    queries, database = read_pairs(tmp_path / "p.txt")
    assert queries.tolist() == ["q/1.jpg", "q/1.jpg", "q/2.jpg"]
    assert database.tolist() == ["a", "b", "a"]
    write_pairs(tmp_path / "p.txt", [], [])
    assert len(read_pairs(tmp_path / "p.txt")[0]) == 0
    (tmp_path / "p.txt").write_text("a b\n\na b c\n")
    with pytest.raises(InputError, match="p.txt: line 3: expected 'query database', got 3 fields"):
        read_pairs(tmp_path / "p.txt")


def test_query_list(tmp_path):
    cameras = [PINHOLE, Camera("SIMPLE_RADIAL", 10, 20, (1.5, 2.0, 3.0, 1e-17))]
    write_query_list(tmp_path / "q.txt", ["a.jpg", "b/c.jpg"], cameras)
    first = (tmp_path / "q.txt").read_text().splitlines()[0]
    assert first == "a.jpg PINHOLE 640 480 500.5 500.0 320.0 240.25"
    assert read_query_list(tmp_path / "q.txt") == (["a.jpg", "b/c.jpg"], cameras)
    (tmp_path / "q.txt").write_text("a.jpg PINHOLE 640 x 1")
    with pytest.raises(InputError, match="q.txt: line 1: could not convert"):
        read_query_list(tmp_path / "q.txt")


@given(seed=st.integers(0, 10**6))
def test_results_and_trajectories_come_back(tmp_path_factory, seed):
    poses, names = random_poses(5, seed), [f"s/raw_data/x/{i}.jpg" for i in range(5)]
    poses.positions[2] = np.nan
    path = tmp_path_factory.getbasetemp() / "x.txt"
    for parents in (0, 1, 9):
        write_results(path, result_names(names, parents), poses)
        back = read_results(path, names)
        assert back.known.tolist() == poses.known.tolist()
        same(back[poses.known], poses[poses.known])
    write_trajectory(path, [5, 4, 3, 2, 10**15], ["a/rig"] * 5, poses)
    times, devices, back = read_trajectory(path)
    assert times.tolist() == [2, 4, 5, 10**15] and set(devices) == {"a/rig"}
    same(back, poses[[3, 1, 0, 4]])
    official = read_capture(path, {"a/rig"})
    np.testing.assert_array_equal(official.timestamps, times)
    same(Poses.from_quaternions(official.quaternions, official.translations), back)


def test_results_are_world_to_camera(tmp_path):
    # A camera at (1, 2, 3), turned a quarter about z: its x axis is the world's y.
    turn = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    write_results(tmp_path / "r.txt", ["a.jpg"], Poses(turn[None], np.array([[1.0, 2, 3]])))
    name, *values = (tmp_path / "r.txt").read_text().split(" ")
    half = np.sqrt(0.5)
    assert name == "a.jpg"
    np.testing.assert_allclose([float(v) for v in values], [half, 0, 0, -half, -2, 1, -3])
    assert trajectory_text([7], ["c"], Poses(np.eye(3)[None], np.array([[1.0, 2, 3]]))) == (
        "# timestamp, device_id, qw, qx, qy, qz, tx, ty, tz, *covar\n"
        "7, c, 1.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0\n"
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("1.jpg 1 0 0 0 0 0 0", "line 1: '1.jpg' may be 's/a/1.jpg' and 's/b/1.jpg'; localise"),
        ("3.jpg 1 0 0 0 0 0 0", "line 1: '3.jpg' is none of the 3 images"),
        ("2.jpg 0 0 0 0 0 0 0", "line 1: '2.jpg' has the quaternion 0"),
        ("2.jpg 1 0 0 0 0 0", "line 1: expected 'name qw qx qy qz tx ty tz', got 7 fields"),
        ("2.jpg 1 0 0 0 0 0 nan", "line 1: a value is not finite"),
        ("2.jpg 1 0 0 0 0 0 0\na/2.jpg 1 0 0 0 0 0 0", "line 2: 'a/2.jpg' is there twice"),
    ],
)
def test_faults_of_results(tmp_path, line, problem):
    (tmp_path / "r.txt").write_text(line)
    with pytest.raises(InputError) as caught:
        read_results(tmp_path / "r.txt", ["s/a/1.jpg", "s/b/1.jpg", "s/a/2.jpg"])
    assert problem in str(caught.value) and "\n" not in str(caught.value)


def test_submission(tmp_path):
    content = {
        ("CAB", "phone"): (np.array([3, 4]), np.array(["x/cam", "y/cam"]), random_poses(2)),
        ("LIN", "hololens"): (np.array([5]), np.array(["z/hetrig"]), random_poses(1, 2)),
    }
    write_submission(tmp_path / "s.zip", "Fusion\n", content)
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        names = archive.namelist()
    assert names == ["description.txt", "CAB_query_phone.txt", "LIN_query_hololens.txt"]
    description, back = read_submission(tmp_path / "s.zip")
    assert description == "Fusion\n" and back.keys() == content.keys()
    for key, (times, devices, poses) in content.items():
        assert back[key][0].tolist() == times.tolist() and back[key][1].tolist() == devices.tolist()
        same(back[key][2], poses)


def test_names_that_hloc_would_confuse_go_to_different_runs(tmp_path):
    names = np.array(["a/images/1.jpg", "b/images/1.jpg", "a/images/2.jpg"])
    ranking = Ranking(np.array([[0, 1], [1, -1], [0, 1]]), np.zeros((3, 2), dtype="f4"))
    runs = write_inputs(tmp_path, "x", names, [PINHOLE] * 3, np.array(["d0", "d1"]), ranking, 2)
    assert [read_query_list(r.queries)[0] for r in runs] == [names[[0, 2]].tolist(), [names[1]]]
    assert len({r.results for r in runs}) == 2 and len({r.pairs for r in runs}) == 1
    assert read_pairs(runs[0].pairs)[0].tolist() == names[[0, 0, 1, 2, 2]].tolist()
    poses = random_poses(3)
    for run_of, rows in zip(runs, ([0, 2], [1]), strict=True):
        write_results(run_of.results, result_names(names[rows].tolist(), 1), poses[rows])
    same(collect(runs, names), poses)
    lines = commands(runs, HlocInputs("s", "f", "m"))
    assert len(lines) == 3 and all("--prepend_camera_name" in line for line in lines[1:])
    assert replace(HlocInputs("{scene}/s"), features="f").of("LIN").reference_sfm == "LIN/s"


@pytest.mark.parametrize("prefix", ["sessions/", ""])
def test_local_features(tmp_path, prefix):
    """hloc's origin is the centre of the first pixel, COLMAP's its corner: half a pixel."""
    stored, short = np.array([[0.0, 0], [9.5, 3], [1, 1]], dtype="f2"), f"{prefix}map/a.jpg"
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file[f"{short}/keypoints"] = stored
        file[f"{prefix}query/b.jpg/scores"] = np.zeros(3)
    with h5py.File(tmp_path / "m.h5", "w") as file:
        pair = f"{prefix}query/b.jpg".replace("/", "-") + "/" + short.replace("/", "-")
        file[f"{pair}/matches0"] = np.array([-1, 2, 0, -1], dtype="i2")
    a, b = "sessions/map/a.jpg", "sessions/query/b.jpg"
    with LocalFeatures(tmp_path / "f.h5", tmp_path / "m.h5") as local:
        np.testing.assert_array_equal(local.keypoints(a), stored.astype(float) + 0.5)
        assert local.matches(b, a).tolist() == [[1, 2], [2, 0]]
        assert local.matches(a, b).tolist() == [[2, 1], [0, 2]]
        assert local.matches(a, a) is None
        for name in (b, "sessions/map/c.jpg"):
            with pytest.raises(InputError, match=f"f.h5: no keypoints of image '{prefix}[qm]"):
                local.keypoints(name)
    (tmp_path / "f.h5").write_text("text")
    with pytest.raises(InputError, match="f.h5: .*signature not found.; expected an HDF5 file"):
        LocalFeatures(tmp_path / "f.h5", tmp_path / "m.h5")
