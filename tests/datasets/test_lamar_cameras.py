"""Camera models: round trips, closed forms, OpenCV's and COLMAP's own formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcsa.datasets.lamar.cameras import MODELS, mean_focal, pixels_to_rays, rays_to_pixels
from gcsa.errors import InputError

# One camera of each model, with a distortion that keeps rays up to 45 degrees off the axis apart.
CAMERAS = {
    "SIMPLE_PINHOLE": [500, 320.5, 240],
    "PINHOLE": [500, 510, 320.5, 240],
    "SIMPLE_RADIAL": [500, 320, 240, 0.08],
    "RADIAL": [500, 320, 240, -0.1, 0.02],
    "OPENCV": [500, 510, 320, 240, -0.11, 0.03, 1e-3, -2e-3],
    "FULL_OPENCV": [500, 510, 320, 240, 0.2, 0.05, 1e-3, -2e-3, 0.01, 0.25, 0.06, 0.002],
    "FOV": [500, 510, 320, 240, 0.9],
    "OPENCV_FISHEYE": [300, 310, 320, 240, -0.03, 0.01, -0.004, 0.001],
    "SIMPLE_RADIAL_FISHEYE": [300, 320, 240, -0.05],
    "RADIAL_FISHEYE": [300, 320, 240, -0.05, 0.01],
    "THIN_PRISM_FISHEYE": [300, 310, 320, 240, -0.03, 0.01, 1e-3, -2e-3, -4e-3, 1e-3, 2e-3, 1e-3],
}
RAYS = st.lists(st.tuples(*[st.floats(-0.8, 0.8)] * 2), max_size=20).map(
    lambda rows: np.array(rows, dtype=float).reshape(-1, 2)
)


def test_every_model_is_tested():
    assert set(CAMERAS) == set(MODELS)


@pytest.mark.parametrize("model", CAMERAS)
@given(rays=RAYS)
def test_back_to_the_same_ray(model, rays):
    pixels = rays_to_pixels(model, CAMERAS[model], rays)
    assert pixels.shape == rays.shape
    np.testing.assert_allclose(pixels_to_rays(model, CAMERAS[model], pixels), rays, atol=1e-9)


@pytest.mark.parametrize("model", CAMERAS)
def test_the_axis_is_at_the_principal_point(model):
    params = CAMERAS[model]
    focals = MODELS[model].focals
    np.testing.assert_allclose(
        rays_to_pixels(model, params, np.zeros((1, 2)))[0], params[focals : focals + 2]
    )
    assert mean_focal(model, params) == np.mean(params[:focals])


@pytest.mark.parametrize("model", CAMERAS)
def test_against_colmap(model):
    pycolmap = pytest.importorskip("pycolmap", reason="pycolmap is not installed")
    params = CAMERAS[model]
    camera = pycolmap.Camera(model=model, width=640, height=480, params=params)
    rays = np.random.default_rng(0).uniform(-0.8, 0.8, size=(50, 2))
    theirs = np.array(camera.img_from_cam(np.column_stack([rays, np.ones(50)])))
    np.testing.assert_allclose(rays_to_pixels(model, params, rays), theirs, atol=1e-8)
    np.testing.assert_allclose(
        pixels_to_rays(model, params, theirs), camera.cam_from_img(theirs), atol=1e-6
    )


def test_closed_forms():
    ray = np.array([[0.3, -0.4]])  # radius 1/2
    at = {
        ("SIMPLE_RADIAL", (100, 5, 7, 0.2)): 1 + 0.2 / 4,
        ("RADIAL", (100, 5, 7, 0.2, -0.4)): 1 + 0.2 / 4 - 0.4 / 16,
        ("OPENCV_FISHEYE", (100, 100, 5, 7, 0, 0, 0, 0)): np.arctan(0.5) / 0.5,
        ("OPENCV_FISHEYE", (100, 100, 5, 7, 0, 0, 0, 1)): (np.arctan(0.5) + np.arctan(0.5) ** 9)
        * 2,
        ("FOV", (100, 100, 5, 7, 1.0)): 2 * np.arctan(np.tan(0.5)),
        ("FOV", (100, 100, 5, 7, 0.0)): 1,
        ("FULL_OPENCV", (100, 100, 5, 7, 0, 0, 0, 0, 0, 1, 2, 3)): 1
        / (1 + 1 / 4 + 2 / 16 + 3 / 64),
    }
    for (model, params), scale in at.items():
        pixel = rays_to_pixels(model, params, ray)
        np.testing.assert_allclose(pixel, 100 * scale * ray + [5, 7], err_msg=model)
    # p1 alone: du = 2 p1 u v, dv = p1 (r^2 + 2 v^2), OpenCV's manual.
    pixel = rays_to_pixels("OPENCV", (100, 100, 5, 7, 0, 0, 0.1, 0), ray)
    np.testing.assert_allclose(pixel, [[5 + 100 * (0.3 - 0.024), 7 + 100 * (-0.4 + 0.057)]])


def test_a_pixel_without_a_ray_is_nan():
    # r (1 - 0.3 r^2) has its largest value, 0.7027, at r = 1.054: no ray beyond.
    rays = pixels_to_rays("SIMPLE_RADIAL", [100, 0, 0, -0.3], [[70, 0], [71, 0], [0, 500]])
    assert np.isfinite(rays[0]).all() and rays[0, 0] < 1.054
    assert np.isnan(rays[1:]).all()
    fisheye = pixels_to_rays(
        "OPENCV_FISHEYE", [100, 100, 0, 0, 0, 0, 0, 0], [[0, 0], [157, 0], [158, 0]]
    )
    assert np.isnan(fisheye).all(axis=1).tolist() == [False, False, True]
    fov = pixels_to_rays("FOV", [100, 100, 0, 0, 2.0], [[78, 0], [79, 0]])
    assert np.isnan(fov).all(axis=1).tolist() == [False, True]


def test_errors_name_the_model():
    with pytest.raises(InputError, match="camera model 'PINHOL' is not known .did you mean 'PINH"):
        pixels_to_rays("PINHOL", [1], np.zeros((1, 2)))
    with pytest.raises(InputError, match="camera model 'PINHOLE' has 4 parameters, got 3"):
        rays_to_pixels("PINHOLE", [1, 2, 3], np.zeros((1, 2)))
    for bad in ([0, 1, 1], [np.nan, 1, 1], [-5, 1, 1]):
        with pytest.raises(InputError, match="are not a camera's"):
            mean_focal("SIMPLE_PINHOLE", bad)
