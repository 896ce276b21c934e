"""A LaMAR scene whose cameras are placed: by all devices, as each by itself; its map from above."""

import numpy as np
import pytest
from posed_scene import posed_scene

from gcsa.datasets.lamar.scene import read_queries
from gcsa.errors import InputError
from gcsa.localization.mapped import LocalFiles, map_poses
from gcsa.localization.poses import pose_errors
from gcsa.localization.rigs import Device
from gcsa.localization.scenes import MappedScene

pytest.importorskip("poselib", reason="pip install gcsa[localize]")


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """(scene, folder, files, lists)."""
    root = tmp_path_factory.mktemp("scene")
    scene, _, lists = posed_scene(root)
    files = LocalFiles(root / "outputs/lamar/CAB/f.h5")
    return scene, root / "datasets/lamar/CAB", files, lists


def test_all_devices_are_placed_as_each_by_itself(given):
    scene, folder, files, lists = given
    mapped = MappedScene(scene, folder, "val", files)
    cameras = mapped.place(lists, 5)
    first, owners = 0, 0
    for part in read_queries(folder, "val"):
        device = Device.of(part, first)
        poses, placed = map_poses(device, mapped.surfaces, lists, 5, "alone")
        expected, rows = device.camera_poses(poses), device.rows
        np.testing.assert_array_equal(cameras.poses.positions[rows], expected.positions)
        np.testing.assert_array_equal(cameras.agreeing[rows], placed.inliers[device.query])
        np.testing.assert_array_equal(cameras.owner[rows], device.query + owners)
        first, owners = first + len(rows), owners + len(device.ids)
    assert first == len(scene.queries) and owners < first  # a rig has several cameras
    turned, off = mapped.errors(cameras)
    known = mapped.truth.known
    assert len(off) == known.sum()
    again = pose_errors(cameras.poses[known], mapped.truth[known])
    assert (np.array([turned, off]) == again).all()


def test_around_is_one_floor_and_a_square(given):
    scene, folder, files, _ = given
    mapped = MappedScene(scene, folder, "val", files)
    there = scene.database.positions
    middle = np.nanmedian(there, axis=0)
    _, all_cameras = mapped.around(middle, 1e6)
    assert len(all_cameras) == (np.abs(there[:, 2] - middle[2]) <= 3.0).sum()
    points, cameras = mapped.around(middle, 2.0)
    assert (np.abs(cameras[:, :2] - middle[:2]) <= 2.0).all() and len(cameras) < len(all_cameras)
    assert points.shape[1] == 3 and np.isfinite(points).all()
    assert mapped.around(middle + 1e6, 2.0)[0].shape == (0, 3)


def test_a_folder_of_other_images_is_one_line(given):
    scene, folder, files, _ = given
    other = scene.database.of_rows(np.arange(len(scene.database) - 1))
    with pytest.raises(InputError, match="sessions do not have the images of the scene"):
        MappedScene(type(scene)(scene.name, other, scene.queries), folder, "val", files)
