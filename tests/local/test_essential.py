"""Verification by calibrated rays: an essential matrix, and where its cameras come from."""

import numpy as np
import pytest
from captures import write_scene
from hloc_inputs import write_shifted
from scipy.spatial.transform import Rotation

from gcsa.datasets.lamar.cameras import rays_of, rays_to_pixels
from gcsa.datasets.lamar.records import Camera
from gcsa.datasets.readers import reader
from gcsa.datasets.settings import DataConfig
from gcsa.errors import InputError
from gcsa.local.verifying import calibrated_inliers, inliers

pytest.importorskip("poselib", reason="pip install gcsa[localize]")


def test_an_essential_matrix_knows_the_lens():
    """Points at any depth, through two cameras of unlike focal length and much distortion."""
    random = np.random.default_rng(0)
    points = random.uniform([-3, -2, 4], [3, 2, 9], (60, 3))
    turned = Rotation.from_euler("yx", [10, 3], degrees=True).apply(points) + [0.8, 0.1, 0.2]
    cameras = {
        "a": Camera("SIMPLE_RADIAL", 640, 480, (500.0, 320.0, 240.0, -0.25)),
        "b": Camera("OPENCV", 640, 480, (400.0, 410.0, 320.0, 240.0, 0.3, 0.0, 0.0, 0.0)),
    }
    pixels = [
        rays_to_pixels(cameras[n].model, cameras[n].params, p[:, :2] / p[:, 2:])
        for n, p in (("a", points), ("b", turned))
    ]
    pixels[1][45:] += random.choice([-1, 1], (15, 2)) * random.uniform(20, 60, (15, 2))
    see = rays_of(cameras)
    (rays_a, focal_a), (rays_b, focal_b) = see("a", pixels[0]), see("b", pixels[1])
    assert (focal_a, focal_b) == (500, 405)
    rays_b[3] = np.nan  # beyond what the lens shows
    found = calibrated_inliers((rays_a, rays_b), (focal_a, focal_b))
    right = np.r_[np.ones(45, bool), np.zeros(15, bool)]
    right[3] = False
    assert found[right].all() and found[~right].sum() <= 2
    assert inliers(*pixels)[right].mean() < 0.9  # a fundamental matrix takes lenses for straight
    assert not calibrated_inliers((rays_a[:5], rays_b[:5]), (focal_a, focal_b)).any()


def settings(folder, **changed):
    return DataConfig(
        **{"root": str(folder / "datasets"), "outputs": str(folder / "outputs"), "desc_fn": "",
           "dataset": "lamar", "local_fn": "f.h5", "local_model": "essential", **changed}
    )  # fmt: skip


def test_a_scene_of_lamar_gives_its_cameras(tmp_path):
    write_scene(tmp_path / "datasets/lamar/CAB")
    config = settings(tmp_path, val_labels="dist")
    images, _ = reader(settings(tmp_path, local_fn="", val_labels="dist")).read(
        config, "CAB", "val"
    )
    names = [images.queries.names[0], images.queries.names[-1], images.database.names[0]]
    path = tmp_path / "outputs/lamar/CAB/f.h5"
    path.parent.mkdir(parents=True)
    write_shifted(path, dict.fromkeys(names, (5, 5)))
    scene, _ = reader(config).read(config, "CAB", "val")
    assert scene.local.about.startswith("essential matrix, 2 pixels")
    found = scene.local.anew().inliers(np.array(names[:2]), np.array([names[2]] * 2))
    assert (found >= 6).all()


def test_a_data_set_without_intrinsics_is_one_line(tmp_path):
    path = tmp_path / "outputs/folder/street/f.h5"
    path.parent.mkdir(parents=True)
    write_shifted(path, {"a.jpg": (0, 0)})
    (tmp_path / "datasets/street").mkdir(parents=True)
    (tmp_path / "datasets/street/images.csv").write_text("name,x,y\na.jpg,0,0\nb.jpg,1,0\n")
    config = settings(tmp_path, dataset="folder")
    with pytest.raises(InputError, match="data.local_model: essential needs intrinsics, which fol"):
        reader(config).read(config, "street", "val")
