"""A map of known poses as COLMAP's text model: round trip, and COLMAP's own reader."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gcsa.datasets.lamar.records import Camera
from gcsa.localization.model import read_model, write_model
from gcsa.localization.poses import Poses
from gcsa.localization.views import Views

CAMERAS = [
    Camera("SIMPLE_RADIAL", 320, 240, (200.0, 160.0, 120.0, 0.05)),
    Camera("PINHOLE", 64, 48, (30.0, 30.1, 32.0, 24.0)),
]


@pytest.fixture
def views():
    random = np.random.default_rng(0)
    rotations = Rotation.from_quat(random.normal(size=(6, 4))).as_matrix()
    names = np.array([f"map/{row}.jpg" for row in range(6)])
    return Views(names, Poses(rotations, random.normal(size=(6, 3))), CAMERAS * 3, [None] * 6)


def test_a_model_reads_back_as_it_was_written(views, tmp_path):
    views.poses.positions[3] = np.nan
    write_model(tmp_path, views)
    found, known = read_model(tmp_path), np.arange(6) != 3
    assert found.names.tolist() == views.names[known].tolist()
    assert found.cameras == [camera for row, camera in enumerate(views.cameras) if row != 3]
    np.testing.assert_allclose(found.poses.rotations, views.poses.rotations[known], atol=1e-12)
    np.testing.assert_allclose(found.poses.positions, views.poses.positions[known], atol=1e-12)


def test_colmap_reads_the_model_as_it_was_written(views, tmp_path):
    pycolmap = pytest.importorskip("pycolmap", reason="pycolmap is not installed")
    write_model(tmp_path, views)
    found = pycolmap.Reconstruction(tmp_path)
    assert found.num_cameras() == 2 and found.num_points3D() == 0
    images = {image.name: image for image in found.images.values()}
    for row, name in enumerate(views.names):
        camera = images[name].camera
        assert tuple(camera.params) == views.cameras[row].params
        assert camera.model.name == views.cameras[row].model
        np.testing.assert_allclose(
            images[name].projection_center(), views.poses.positions[row], atol=1e-9
        )
        axis = images[name].viewing_direction()
        np.testing.assert_allclose(axis, views.poses.rotations[row][:, 2], atol=1e-9)
